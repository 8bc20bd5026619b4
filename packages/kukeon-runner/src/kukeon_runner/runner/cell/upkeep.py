"""Keeping what is stored of a cell true, and the cell what it is wanted to be."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import endings, errors, model, names, restarts
from kukeon_runner import derive, observe, observed, wanted
from kukeon_runner.execute import execute
from kukeon_runner.plan import cell as plan
from kukeon_runner.runner import needs
from kukeon_runner.runner.cell import wishes
from kukeon_runner.runner.cell.change import Change
from kukeon_runner.runner.cell.life import Life
from kukeon_runner.runner.cell.work import exits, starts
from kukeon_runner.verbs import ReconcileOutcome

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterator, Mapping

    from kukeon_runner.steps import Plan, Step

log = logging.getLogger(__name__)

MEND_PAUSE_S = 30.0
"""Between two attempts to repair the same cell."""

OVER = frozenset({model.CellState.EXITED, model.CellState.ERROR, model.CellState.STOPPED, model.CellState.FAILED})
"""States of a cell whose work is done, one way or the other."""


@dataclass(frozen=True)
class Refreshed:
    """A cell after a look at it: whether anything was rewritten, and the names of the containers that differ."""

    doc: model.CellDoc
    changed: bool
    containers: tuple[str, ...]


class Upkeep(Life, Change):
    async def refresh(self, ref: model.Ref) -> Refreshed:
        """Store what is observed now; nothing is started, stopped or repaired. Raises CellNotFound."""
        async with self.context.lock(ref):
            doc = self.get(ref)
            seen, site = await self._observe(doc, strays=False)
            return await self._refreshed(doc, site, seen, {})

    async def attached(self, space: model.Ref) -> Mapping[str, observed.Attachment]:
        """What the network of `space` has for each of its stored cells, by the id of the cell's root container."""
        stored = map(model.ref_of, self.context.store.docs(model.CellDoc, space))
        ids = [names.containerd_id(each.space, each.stack, each.cell, names.ROOT) for each in stored]
        return await self.context.host.network.attachments(self.context.layout.conflist(space), ids)

    async def settled(
        self,
        doc: model.CellDoc,
        survey: Mapping[str, observed.Container],
        attached: Mapping[str, observed.Attachment],
    ) -> bool:
        """Whether a look at the cell would change nothing, going by a `survey` of its namespace and what is `attached`
        to its network; takes no lock.

        A verb that is at work meanwhile stores what it leaves, so a wrong yes costs nothing.
        """
        if restarts.next_due(doc.status) is not None:
            return False
        site = self.site(model.ref_of(doc))
        seen = await observe.cell(
            self.context.host, site, self._ids(doc, site), strays=False, survey=survey, attached=attached
        )
        if _doomed(doc) or _to_take_down(doc, site, seen) or self._due(doc, site, seen):
            return False
        if _half_changed(doc, seen):
            return False
        if _damaged(doc, site, seen) or _unwound(doc, seen) or _reapable(doc) or _abandoned(doc, seen):
            return False
        if not seen.cgroup and doc.status.ready_observed:
            return False
        return await self._status(doc, site, seen, {}) == doc.status

    async def reconcile(
        self, ref: model.Ref, begins: Callable[[], observed.Told] = observed.Told
    ) -> tuple[model.CellDoc | None, ReconcileOutcome]:
        """Store what is observed now, once no verb is at work on the cell, and do what follows from it.

        Calls `begins` before looking, for what containerd told so far: what happens from there on is for the next one.
        What a verb began and did not finish is finished. What a reboot took is brought back; what a running cell owes
        its workloads (root container, network, cgroup) is made anew when it broke; containers whose time has come are
        started again; a cell that is over is wound down, or deleted with `autoDelete`. Nothing is pulled: whoever looks
        after the cell is told when it lacks images, see `fetch`. The document is None for a cell that is gone. Raises
        what the host says; then the cell stays, for the next time.
        """
        async with self.context.lock(ref):
            told = begins()
            doc = self.find(ref)
            if doc is None:
                return None, ReconcileOutcome()
            if _doomed(doc) and self._may_mend(ref):
                log.info("deleting cell %s, which was begun", ref)
                with self._mending(ref):
                    await self._delete(ref)
                return None, ReconcileOutcome(deleted=True)
            if told.out_of_memory:
                doc = await self.context.save(_out_of_memory(doc, told.out_of_memory))
            seen, site = await self._observe(doc, strays=False)
            if (steps := _to_take_down(doc, site, seen)) and self._may_mend(ref):
                log.info("stopping what is to be stopped of cell %s", ref)
                with self._mending(ref):
                    # First how they ended that have: their tasks go now.
                    doc = (await self._refreshed(doc, site, seen, _new(told, doc, seen))).doc
                    return (await self._down(doc, site, seen, steps)).doc, ReconcileOutcome(updated=True)
            if _abandoned(doc, seen):
                if not self._may_mend(ref):
                    return doc, ReconcileOutcome()
                log.info("ending what is left of cell %s, which failed", ref)
                with self._mending(ref):
                    return await self._end_failed(doc), ReconcileOutcome(updated=True)
            if _half_changed(doc, seen):
                return await self._go_on(doc, site, seen, _new(told, doc, seen))
            begun, lost = wishes.unfinished(doc, site, seen), _to_bring_back(doc, site, seen, self.context.now())
            if lost and not begun and not self._may_mend(ref):
                lost = ()  # each of them for itself, when it is due
            if lost:
                # What else there is of a cell that was changed, or is to be made anew, is to go.
                only = None if wishes.of_all(doc) or wishes.changed(doc) else lost
                if not await self._lacks(doc, site, seen, lost):
                    log.info("bringing back %s of cell %s", ", ".join(lost), ref)
                    if begun:
                        return (await self._start(doc, only, asked=False)).doc, ReconcileOutcome(updated=True)
                    with self._mending(ref):
                        return await self._bring_back(doc, site, lost), ReconcileOutcome(updated=True)
                if doc.status.state is not model.CellState.PENDING and not self._alive(doc, site, seen):
                    doc = await self.context.save(wishes.under_way(doc, only))
            if not seen.cgroup and doc.status.ready_observed:
                await self.context.host.kernel.make_cgroup(site.cgroup)
                seen = dataclasses.replace(seen, cgroup=True)
            if _damaged(doc, site, seen):
                seen = await self._mend(doc, site, seen, set() if _own_root(doc) else {site.root_id})
            found = await self._refreshed(doc, site, seen, _new(told, doc, seen))
            doc = found.doc
            due = () if lost else restarts.due(doc.status, self.context.now())
            again = [name for name in due if not await self._lacks(doc, site, seen, {name})]
            for name in again:
                doc = await self._start_again(doc, site, name)
            if _reapable(doc):
                await self._delete(ref)
                return None, ReconcileOutcome(deleted=True)
            if not again and _unwound(doc, seen):
                return await self._wind_down(doc, site, seen), ReconcileOutcome(updated=True)
            return doc, ReconcileOutcome(updated=found.changed or bool(again))

    async def _go_on(
        self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell, told: Mapping[str, observed.Exit]
    ) -> tuple[model.CellDoc, ReconcileOutcome]:
        """Finish a change of a running cell that somebody began."""
        found = await self._refreshed(doc, site, seen, told)
        if not self._may_mend(site.ref):
            return found.doc, ReconcileOutcome(updated=found.changed)
        log.info("changing cell %s, which was begun", site.ref)
        with self._mending(site.ref):
            return (await self._become(found.doc, found.doc, asked=False)).outcome.doc, ReconcileOutcome(updated=True)

    def _due(self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell) -> tuple[str, ...]:
        """The names of the containers that are to be brought up now."""
        return _to_bring_back(doc, site, seen, self.context.now()) or restarts.due(doc.status, self.context.now())

    async def _lacking(
        self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell, names: Collection[str]
    ) -> tuple[str, ...]:
        """The images to pull before these containers can be brought up."""
        if not names:
            return ()
        return needs.lacking(doc, site, seen, await needs.images(self.context, doc, site), names, asked=False)

    async def _lacks(self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell, names: Collection[str]) -> bool:
        """Whether an image is lacking for these containers; then whoever looks after cells is told."""
        if not await self._lacking(doc, site, seen, names):
            return False
        for each in self.context.carers:
            each.lacks(model.ref_of(doc))
        return True

    async def _refreshed(
        self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell, ended: Mapping[str, observed.Exit]
    ) -> Refreshed:
        status = await self._status(doc, site, seen, ended)
        if _half_changed(doc, seen):
            status = msgspec.structs.replace(status, observed_generation=doc.status.observed_generation)
        if status == doc.status:
            return Refreshed(doc, changed=False, containers=())
        before = {each.name: each for each in doc.status.containers}
        changed = tuple(each.name for each in status.containers if each != before.get(each.name))
        after = await self.context.save(msgspec.structs.replace(doc, status=status))
        return Refreshed(after, changed=True, containers=changed)

    async def _bring_back(self, doc: model.CellDoc, site: wanted.Site, lost: tuple[str, ...]) -> model.CellDoc:
        """Start what a reboot took, all at once; when that fails, whatever of it can be started.

        Raises why nothing could be: then that is tried again.
        """
        try:
            return (await self._start(doc, lost, asked=False, final=False)).doc
        except errors.ConnectContainerd:
            raise
        except errors.KukeonError as error:
            log.warning("cannot bring back all of cell %s at once: %s", site.ref, error)
            doc = self.get(site.ref)
            for name in lost:
                doc = await self._start_again(doc, site, name)
            if all(each.reason == restarts.RESTART_FAILED for each in doc.status.containers if each.name in lost):
                raise
            return doc

    async def _start_again(self, doc: model.CellDoc, site: wanted.Site, name: str) -> model.CellDoc:
        """Start a container that ended. When it does not start, its siblings go on, and it is tried again later."""
        now = self.context.now()
        doc = await self.context.save(msgspec.structs.replace(doc, status=restarts.started(doc.status, name, now)))
        ended: dict[str, observed.Exit] = {}
        began: dict[str, dt.datetime] = {}
        try:
            seen, _ = await self._observe(doc, strays=False)
            ids = {site.root_id, *self._ids_of(doc, site, {name})}
            steps = plan.start(await needs.cell(self.context, doc, site, seen, only={name}, pull=False), seen, ids)
            results = await execute(steps, self.context.host, now=self.context.now)
            ended, began = exits(results), starts(results)
        except errors.KukeonError as error:
            log.warning("cannot start container %r of cell %s again: %s", name, site.ref, error)
            doc = msgspec.structs.replace(doc, status=restarts.failed(doc.status, name, derive.one_line(error)))
        seen, _ = await self._observe(doc, strays=False)
        return await self._store(doc, site, seen, ended, began)

    async def _wind_down(self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell) -> model.CellDoc:
        """Take down what is left of a cell whose work is done: its root container, network and namespaces."""
        ended = exits(await execute(plan.stop(site, seen), self.context.host))
        after, _ = await self._observe(doc, strays=False)
        # A root container of the user's own did not fail: it was asked to go.
        doc = wishes.asked_to_end(doc, {site.root_id})
        return await self._store(doc, site, after, {id: each for id, each in ended.items() if id == site.root_id})

    async def _mend(self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell, only: set[str]) -> observed.Cell:
        """Repair around the living workloads; trouble is logged, and they are left alone."""
        if not self._may_mend(site.ref):
            return seen
        try:
            with self._mending(site.ref):
                steps = plan.start(await needs.cell(self.context, doc, site, seen, only=(), pull=False), seen, only)
                kinds = sorted({type(step).__name__ for step in steps})
                log.warning("repairing cell %s: %s", site.ref, ", ".join(kinds))
                await execute(steps, self.context.host)
        except errors.KukeonError as error:
            log.warning("cannot repair cell %s: %s", site.ref, error)
        return await observe.cell(self.context.host, site, self._ids(doc, site), strays=False)

    def _may_mend(self, ref: model.Ref) -> bool:
        now = asyncio.get_running_loop().time()
        return now >= self._mend_at.get(ref, now)

    @contextlib.contextmanager
    def _mending(self, ref: model.Ref) -> Iterator[None]:
        """Have what failed left alone for a while: what it started and ended again makes events, which bring looks."""
        try:
            yield
        except errors.ConnectContainerd:
            raise  # that is over when containerd is back, and not before
        except errors.KukeonError:
            self._mend_at[ref] = asyncio.get_running_loop().time() + MEND_PAUSE_S
            raise
        self._mend_at.pop(ref, None)


def _doomed(doc: model.CellDoc) -> bool:
    return doc.status.desired is model.DesiredState.DELETED


def _half_changed(doc: model.CellDoc, seen: observed.Cell) -> bool:
    """Whether somebody began to make another cell of one that runs, and did not finish."""
    return wishes.changed(doc) and any(each.alive for each in seen.containers.values())


def _to_take_down(doc: model.CellDoc, site: wanted.Site, seen: observed.Cell) -> Plan:
    """What ends what an operator wanted ended and still lives: the whole cell, or containers of it."""
    if doc.status.desired is not model.DesiredState.RUNNING:
        return plan.stop(site, seen) if _holds(seen) else {}
    steps: dict[Step, frozenset[Step]] = {}
    for each in doc.status.containers:
        if each.reason == endings.ASKED_TO_END and each.id in seen.containers and seen.containers[each.id].alive:
            steps |= plan.stop_container(site, seen, each.id, plan.End())
    return steps


def _holds(seen: observed.Cell) -> bool:
    """Whether something of the cell lives, or is kept for what lives in it."""
    alive = any(each.alive for each in seen.containers.values())
    return alive or seen.pinned or seen.network_residue or seen.shm or seen.secrets


def _to_bring_back(doc: model.CellDoc, site: wanted.Site, seen: observed.Cell, now: dt.datetime) -> tuple[str, ...]:
    """The names of the containers that a reboot took from a cell that is to run, or the end of whoever started them."""
    if restarts.pulled_later(doc.status, now):
        return ()
    return tuple(sorted(wishes.unfinished(doc, site, seen))) or derive.taken(doc, site, seen)


def _out_of_memory(doc: model.CellDoc, told: Mapping[str, dt.datetime]) -> model.CellDoc:
    """`doc` with the containers marked of which that was `told`, unless they were started anew since."""
    containers = tuple(
        msgspec.structs.replace(each, oom_killed=True)
        if each.id in told and (each.start_time is None or each.start_time <= told[each.id])
        else each
        for each in doc.status.containers
    )
    return msgspec.structs.replace(doc, status=msgspec.structs.replace(doc.status, containers=containers))


def _new(told: observed.Told, doc: model.CellDoc, seen: observed.Cell) -> dict[str, observed.Exit]:
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


def _reapable(doc: model.CellDoc) -> bool:
    """Whether the cell is to be deleted: it was ready once, is over, and nothing of it comes back."""
    over = doc.status.state in OVER and doc.status.ready_observed
    return doc.spec.auto_delete and over and restarts.next_due(doc.status) is None


def _unwound(doc: model.CellDoc, seen: observed.Cell) -> bool:
    """Whether the workloads of a cell ended by themselves, and it still holds namespaces, a network or a process."""
    running = doc.status.desired is model.DesiredState.RUNNING
    over = doc.status.state in (model.CellState.EXITED, model.CellState.ERROR) and doc.status.ready_observed
    stays = any(each.root and each.restart_policy in restarts.FOR_EVER for each in doc.spec.containers)
    return running and over and _holds(seen) and not stays and restarts.next_due(doc.status) is None


def _abandoned(doc: model.CellDoc, seen: observed.Cell) -> bool:
    """Whether a cell failed, and what it had left could not be taken down at the time."""
    return doc.status.state is model.CellState.FAILED and _holds(seen) and not _reapable(doc)


def _own_root(doc: model.CellDoc) -> bool:
    return any(each.root for each in doc.spec.containers)


def _damaged(doc: model.CellDoc, site: wanted.Site, seen: observed.Cell) -> bool:
    running = doc.status.desired is model.DesiredState.RUNNING
    return running and plan.damaged(site, seen, own_root=_own_root(doc))
