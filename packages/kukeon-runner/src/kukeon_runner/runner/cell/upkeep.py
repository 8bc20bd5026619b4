"""Keeping what is stored of a cell true, and the cell what it is wanted to be."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, model, names, restarts
from kukeon_runner import derive, observe, observed, wanted
from kukeon_runner.execute import execute
from kukeon_runner.plan import cell as plan
from kukeon_runner.runner import needs
from kukeon_runner.runner.cell import verdicts, wishes
from kukeon_runner.runner.cell.change import Change
from kukeon_runner.runner.cell.life import Life
from kukeon_runner.runner.cell.transitions import exits, starts
from kukeon_runner.verbs import ReconcileOutcome

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterator, Mapping


log = logging.getLogger(__name__)

MEND_PAUSE_S = 30.0
"""Between two attempts to repair the same cell."""


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
        if verdicts.doomed(doc) or verdicts.to_take_down(doc, site, seen) or self._due(doc, site, seen):
            return False
        if verdicts.half_changed(doc, seen):
            return False
        if (
            verdicts.damaged(doc, site, seen)
            or verdicts.unwound(doc, seen)
            or verdicts.reapable(doc)
            or verdicts.abandoned(doc, seen)
        ):
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
            if verdicts.doomed(doc) and self._may_mend(ref):
                log.info("deleting cell %s, which was begun", ref)
                with self._mending(ref):
                    await self._delete(ref)
                return None, ReconcileOutcome(deleted=True)
            if told.out_of_memory:
                doc = await self.context.save(verdicts.out_of_memory(doc, told.out_of_memory))
            seen, site = await self._observe(doc, strays=False)
            if (steps := verdicts.to_take_down(doc, site, seen)) and self._may_mend(ref):
                log.info("stopping what is to be stopped of cell %s", ref)
                with self._mending(ref):
                    # First how they ended that have: their tasks go now.
                    doc = (await self._refreshed(doc, site, seen, verdicts.new(told, doc, seen))).doc
                    return (await self._down(doc, site, seen, steps)).doc, ReconcileOutcome(updated=True)
            if verdicts.abandoned(doc, seen):
                if not self._may_mend(ref):
                    return doc, ReconcileOutcome()
                log.info("ending what is left of cell %s, which failed", ref)
                with self._mending(ref):
                    return await self._end_failed(doc), ReconcileOutcome(updated=True)
            if verdicts.half_changed(doc, seen):
                return await self._go_on(doc, site, seen, verdicts.new(told, doc, seen))
            begun, lost = (
                wishes.unfinished(doc, site, seen),
                verdicts.to_bring_back(doc, site, seen, self.context.now()),
            )
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
            if verdicts.damaged(doc, site, seen):
                seen = await self._mend(doc, site, seen, set() if verdicts.own_root(doc) else {site.root_id})
            found = await self._refreshed(doc, site, seen, verdicts.new(told, doc, seen))
            doc = found.doc
            due = () if lost else restarts.due(doc.status, self.context.now())
            again = [name for name in due if not await self._lacks(doc, site, seen, {name})]
            for name in again:
                doc = await self._start_again(doc, site, name)
            if verdicts.reapable(doc):
                await self._delete(ref)
                return None, ReconcileOutcome(deleted=True)
            if not again and verdicts.unwound(doc, seen):
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
        return verdicts.to_bring_back(doc, site, seen, self.context.now()) or restarts.due(
            doc.status, self.context.now()
        )

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
        if verdicts.half_changed(doc, seen):
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
