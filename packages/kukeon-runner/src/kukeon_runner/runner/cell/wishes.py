"""What is stored of a cell before anything is done to it, so that whoever comes after a crash goes on with it. Pure.

A cell that is brought up is Pending, and so is a container that is started beside living siblings. A spec that was
changed is of a newer generation than the one that the status tells about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kukeon_api import endings, model
from kukeon_runner import observed
from kukeon_runner.plan.reuse import RUNS

if TYPE_CHECKING:
    from collections.abc import Container

    from kukeon_runner import wanted


def begun(doc: model.CellDoc, names: Container[str]) -> model.CellDoc:
    """`doc` as it is stored while these containers of it are started."""
    known = {each.name: each for each in doc.status.containers}
    fresh = model.ContainerState.NOT_CREATED
    containers = (known.get(each.id, model.ContainerStatus(name=each.id, state=fresh)) for each in doc.spec.containers)
    marked = tuple(
        msgspec.structs.replace(each, state=model.ContainerState.PENDING) if each.name in names else each
        for each in containers
    )
    return msgspec.structs.replace(doc, status=msgspec.structs.replace(doc.status, containers=marked))


def begun_alone(before: model.CellDoc, doc: model.CellDoc, name: str) -> model.CellDoc:
    """`doc` as it is stored in place of `before` while the container that it has more is started, and nothing else."""
    doc = begun(doc, {name})
    # What the status tells about all others is as true of the generation to come.
    status = msgspec.structs.replace(doc.status, observed_generation=before.metadata.generation + 1)
    return msgspec.structs.replace(doc, status=status)


def under_way(doc: model.CellDoc, only: Container[str] | None = None) -> model.CellDoc:
    """`doc` as it is stored while it, or of its containers `only` these, are brought up."""
    if only is not None:
        doc = begun(doc, only)
    status = msgspec.structs.replace(doc.status, desired=model.DesiredState.RUNNING, state=model.CellState.PENDING)
    return msgspec.structs.replace(doc, status=status)


def done(doc: model.CellDoc) -> model.CellDoc:
    """`doc` without a word of containers that are to be started: they were, or will not be."""
    containers = tuple(
        msgspec.structs.replace(each, state=model.ContainerState.STOPPED)
        if each.state is model.ContainerState.PENDING
        else each
        for each in doc.status.containers
    )
    return msgspec.structs.replace(doc, status=msgspec.structs.replace(doc.status, containers=containers))


def unfinished(doc: model.CellDoc, site: wanted.Site, seen: observed.Cell) -> frozenset[str]:
    """The names of the containers that somebody began to bring up and did not finish; nobody is at work on the cell."""
    if doc.status.desired is not model.DesiredState.RUNNING or doc.status.state is model.CellState.FAILED:
        return frozenset()
    if doc.status.state is model.CellState.PENDING:
        return frozenset(_begun(doc) or (each.id for each in doc.spec.containers))
    named = _begun(doc)
    found = {each.id: seen.containers.get(site.container_id(each.id, root=each.root)) for each in doc.spec.containers}
    return frozenset(name for name, each in found.items() if _created(each) or (name in named and not _runs(each)))


def of_all(doc: model.CellDoc) -> bool:
    """Whether what is unfinished of `doc` is the cell as a whole, with what of it has to go."""
    return doc.status.state is model.CellState.PENDING and not _begun(doc)


def changed(doc: model.CellDoc) -> bool:
    """Whether the spec of a cell that is to run was changed, and nobody has said what came of that."""
    up = doc.status.state not in (model.CellState.FAILED, model.CellState.PENDING)
    wanted = doc.status.desired is model.DesiredState.RUNNING
    return wanted and up and doc.status.observed_generation < doc.metadata.generation


def asked_to_end(doc: model.CellDoc, ids: Container[str]) -> model.CellDoc:
    """`doc` with the containers of these containerd ids marked: they did not end by themselves."""
    containers = tuple(
        msgspec.structs.replace(each, reason=endings.ASKED_TO_END) if each.id in ids else each
        for each in doc.status.containers
    )
    return msgspec.structs.replace(doc, status=msgspec.structs.replace(doc.status, containers=containers))


def _begun(doc: model.CellDoc) -> frozenset[str]:
    return frozenset(each.name for each in doc.status.containers if each.state is model.ContainerState.PENDING)


def _created(found: observed.Container | None) -> bool:
    return found is not None and found.task is not None and found.task.status is observed.TaskStatus.CREATED


def _runs(found: observed.Container | None) -> bool:
    return found is not None and found.task is not None and found.task.status in RUNS
