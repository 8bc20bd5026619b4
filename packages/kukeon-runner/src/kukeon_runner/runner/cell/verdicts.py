"""What follows from a cell as it is stored and as it is seen. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kukeon_api import endings, model, restarts
from kukeon_runner import derive, observed, wanted
from kukeon_runner.plan import cell as plan
from kukeon_runner.runner.cell import wishes

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping

    from kukeon_runner.steps import Plan, Step

OVER = frozenset({model.CellState.EXITED, model.CellState.ERROR, model.CellState.STOPPED, model.CellState.FAILED})
"""States of a cell whose work is done, one way or the other."""


def doomed(doc: model.CellDoc) -> bool:
    return doc.status.desired is model.DesiredState.DELETED


def half_changed(doc: model.CellDoc, seen: observed.Cell) -> bool:
    """Whether somebody began to make another cell of one that runs, and did not finish."""
    return wishes.changed(doc) and any(each.alive for each in seen.containers.values())


def to_take_down(doc: model.CellDoc, site: wanted.Site, seen: observed.Cell) -> Plan:
    """What ends what an operator wanted ended and still lives: the whole cell, or containers of it."""
    if doc.status.desired is not model.DesiredState.RUNNING:
        return plan.stop(site, seen) if holds(seen) else {}
    steps: dict[Step, frozenset[Step]] = {}
    for each in doc.status.containers:
        if each.reason == endings.ASKED_TO_END and each.id in seen.containers and seen.containers[each.id].alive:
            steps |= plan.stop_container(site, seen, each.id, plan.End())
    return steps


def holds(seen: observed.Cell) -> bool:
    """Whether something of the cell lives, or is kept for what lives in it."""
    alive = any(each.alive for each in seen.containers.values())
    return alive or seen.pinned or seen.network_residue or seen.shm or seen.secrets


def to_bring_back(doc: model.CellDoc, site: wanted.Site, seen: observed.Cell, now: dt.datetime) -> tuple[str, ...]:
    """The names of the containers that a reboot took from a cell that is to run, or the end of whoever started them."""
    if restarts.pulled_later(doc.status, now):
        return ()
    return tuple(sorted(wishes.unfinished(doc, site, seen))) or derive.taken(doc, site, seen)


def out_of_memory(doc: model.CellDoc, told: Mapping[str, dt.datetime]) -> model.CellDoc:
    """`doc` with the containers marked of which that was `told`, unless they were started anew since."""
    containers = tuple(
        msgspec.structs.replace(each, oom_killed=True)
        if each.id in told and (each.start_time is None or each.start_time <= told[each.id])
        else each
        for each in doc.status.containers
    )
    return msgspec.structs.replace(doc, status=msgspec.structs.replace(doc.status, containers=containers))


def new(told: observed.Told, doc: model.CellDoc, seen: observed.Cell) -> dict[str, observed.Exit]:
    """The ends that nothing else tells: their tasks are gone, and they are later than what is stored."""
    stored = {each.id: each for each in doc.status.containers}
    found = {}
    for id, end in told.ends.items():
        there, status = seen.containers.get(id), stored.get(id)
        if (there is not None and there.task is not None) or status is None:
            continue
        if status.finish_time is None or (end.at is not None and end.at > status.finish_time):
            found[id] = end
    return found


def reapable(doc: model.CellDoc) -> bool:
    """Whether the cell is to be deleted: it was ready once, is over, and nothing of it comes back."""
    over = doc.status.state in OVER and doc.status.ready_observed
    return doc.spec.auto_delete and over and restarts.next_due(doc.status) is None


def unwound(doc: model.CellDoc, seen: observed.Cell) -> bool:
    """Whether the workloads of a cell ended by themselves, and it still holds namespaces, a network or a process."""
    running = doc.status.desired is model.DesiredState.RUNNING
    over = doc.status.state in (model.CellState.EXITED, model.CellState.ERROR) and doc.status.ready_observed
    stays = any(each.root and each.restart_policy in restarts.FOR_EVER for each in doc.spec.containers)
    return running and over and holds(seen) and not stays and restarts.next_due(doc.status) is None


def abandoned(doc: model.CellDoc, seen: observed.Cell) -> bool:
    """Whether a cell failed, and what it had left could not be taken down at the time."""
    return doc.status.state is model.CellState.FAILED and holds(seen) and not reapable(doc)


def own_root(doc: model.CellDoc) -> bool:
    return any(each.root for each in doc.spec.containers)


def damaged(doc: model.CellDoc, site: wanted.Site, seen: observed.Cell) -> bool:
    running = doc.status.desired is model.DesiredState.RUNNING
    return running and plan.damaged(site, seen, own_root=own_root(doc))
