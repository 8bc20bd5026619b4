"""Cells: where a manifest becomes running containers."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, labels, model, normalise
from kukeon_runner import derive, observe, observed, wanted
from kukeon_runner.execute import execute
from kukeon_runner.plan import cell as plan
from kukeon_runner.runner import needs, remains
from kukeon_runner.steps import DeleteTask, Plan, Results, StopTask
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from kukeon_runner.runner.context import Context

log = logging.getLogger(__name__)

MEND_PAUSE_S = 30.0
"""Between two attempts to repair the same cell."""

UP = frozenset({model.CellState.READY, model.CellState.DEGRADED})


@dataclass(frozen=True)
class Outcome:
    """A cell after a verb, what was seen before and after it, and how many steps it took."""

    doc: model.CellDoc
    site: wanted.Site
    pre: observed.Cell
    post: observed.Cell
    steps: int


class Cells:
    """The verbs of cells and of the containers in them.

    Each verb holds the cell's lock, looks at the host, decides, does and stores. Every one can be repeated: what is
    right already is left alone.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self._mend_at: dict[model.Ref, float] = {}
        """When a cell whose repair failed may be repaired again, by the loop's clock."""

    def find(self, ref: model.Ref) -> model.CellDoc | None:
        return self.context.store.find(ref, model.CellDoc)

    def get(self, ref: model.Ref) -> model.CellDoc:
        """Raises CellNotFound."""
        return self.context.store.load(ref, model.CellDoc)

    def effective(self, doc: model.CellDoc) -> model.CellDoc:
        """`doc` with its space's defaults. Raises SpaceNotFound or StackNotFound when it has no place to be."""
        ref = model.ref_of(doc)
        space = self.context.store.load(model.Ref(ref.realm, ref.space), model.SpaceDoc)
        self.context.store.load(model.Ref(ref.realm, ref.space, ref.stack))
        return normalise.effective(normalise.normalise(doc), space.spec)

    async def create(self, doc: model.CellDoc) -> tuple[bool, Outcome]:
        """Have the cell running, by its stored spec if there is one; True when it is new.

        Raises RealmNotFound, SpaceNotFound, StackNotFound, Invalid for names that do not fit, and what `start` raises.
        """
        async with self._registered(doc) as (stored, new):
            return new, await self._start(stored, None)

    async def apply(self, doc: model.CellDoc) -> tuple[model.CellDoc | None, Outcome]:
        """Have the cell running as `doc` says; with what was stored before, None for a new cell. Raises like `create`.

        A running cell is left alone when something that the new spec needs is missing.
        """
        async with self._registered(doc) as (stored, new):
            return None if new else stored, await self._update(stored, self.effective(doc))

    @contextlib.asynccontextmanager
    async def _registered(self, doc: model.CellDoc) -> AsyncIterator[tuple[model.CellDoc, bool]]:
        """Hold the lock of the cell, which is stored; True when it is new. Nothing is made on the host."""
        ref = model.ref_of(doc)
        site = self.site(ref)
        for each in doc.spec.containers:
            site.container_id(each.id, root=each.root)
        for above in ref.ancestors:
            if self.context.store.load(above).status.ready_at is None:
                async with self.context.lock(above):
                    pass  # somebody is making it: a cell needs the network, the cgroup and the namespace
        async with self.context.placed(ref, model.CellDoc, lambda: self._register(ref, doc)) as found:
            yield found

    async def _register(self, ref: model.Ref, doc: model.CellDoc) -> model.CellDoc:
        effective = self.effective(doc)
        managed = {
            labels.REALM: ref.realm,
            labels.SPACE: ref.space,
            labels.STACK: ref.stack,
            labels.CELL: ref.cell,
        }
        metadata = model.Metadata(name=ref.cell, labels=managed | effective.metadata.labels)
        bridge = self.context.layout.bridge(model.Ref(ref.realm, ref.space))
        status = model.CellStatus(network=model.CellNetworkStatus(bridge_name=bridge))
        return await self.context.save(model.CellDoc(metadata=metadata, spec=effective.spec, status=status))

    async def change(
        self, ref: model.Ref, change: Callable[[model.CellDoc], model.CellDoc]
    ) -> tuple[model.CellDoc, Outcome]:
        """Have the cell running as `change` of the stored one says; with what was stored before.

        Raises CellNotFound.
        """
        async with self.context.lock(ref):
            stored = self.get(ref)
            return stored, await self._update(stored, self.effective(change(stored)))

    async def start(self, ref: model.Ref, *, only: str | None = None) -> Outcome:
        """Have the cell running (with `only`, just that workload and the root container).

        Raises CellNotFound, ImageNotFound, or what the host says; then the cell is Failed with the reason, and none of
        its containers is left running. But siblings of `only` go on, and so does a cell that ran before anything of it
        was touched.
        """
        async with self.context.lock(ref):
            return await self._start(self.get(ref), only)

    async def stop(self, ref: model.Ref, grace_s: float = plan.STOP_GRACE_S) -> Outcome:
        """End all tasks, workloads first and together; records and writable layers stay."""
        return await self._end(ref, lambda site, pre: plan.stop(site, pre, grace_s))

    async def kill(self, ref: model.Ref) -> Outcome:
        """End all tasks with SIGKILL and leave them visible."""
        return await self._end(ref, plan.kill)

    async def _end(self, ref: model.Ref, decide: Callable[[wanted.Site, observed.Cell], Plan]) -> Outcome:
        """Raises CellNotFound."""
        async with self.context.lock(ref):
            doc = self.get(ref)
            status = msgspec.structs.replace(doc.status, desired=model.DesiredState.STOPPED)
            doc = await self._wish(msgspec.structs.replace(doc, status=status))
            pre, site = await self._observe(doc)
            return await self._down(doc, site, pre, decide(site, pre))

    async def stop_container(self, ref: model.Ref, end: plan.End) -> Outcome:
        """End one workload. Raises ContainerNotFound; RootContainerRefused for the root container."""
        cell = ref.parent
        assert cell is not None
        async with self.context.lock(cell):
            doc = self.get(cell)
            pre, site = await self._observe(doc)
            identity = self.workload(doc, ref, site, "stop")
            asked = tuple(
                msgspec.structs.replace(each, reason=derive.ASKED_TO_END) if each.name == ref.container else each
                for each in doc.status.containers
            )
            status = msgspec.structs.replace(doc.status, containers=asked)
            doc = await self._wish(msgspec.structs.replace(doc, status=status))
            return await self._down(doc, site, pre, plan.stop_container(site, pre, identity, end))

    async def start_container(self, ref: model.Ref) -> Outcome:
        """Start one workload and, when it is gone, the root container. Raises like `start` and `stop_container`."""
        cell = ref.parent
        assert cell is not None
        async with self.context.lock(cell):
            doc = self.get(cell)
            self.workload(doc, ref, self.site(cell), "start")
            return await self._start(doc, ref.container)

    async def delete(self, ref: model.Ref) -> Outcome:
        """Remove the cell from host and store. The document stays until nothing else is left, so it can be repeated.

        A document that is lost or damaged keeps nothing from being removed.
        """
        async with self.context.lock(ref):
            store, host = self.context.store, self.context.host
            doc = remains.of(store, ref, model.CellDoc)
            site = self._site(ref, remains.of(store, model.Ref(ref.realm), model.RealmDoc))
            pre = await observe.cell(host, site, self._ids(doc, site), strays=True)
            steps = plan.remove(site, pre)
            await execute(steps, host)
            post = await observe.cell(host, site, pre.containers, strays=True)
            await self.context.forget(ref)
            self._mend_at.pop(ref, None)
            return Outcome(doc, site, pre, post, len(steps))

    async def refresh(self, ref: model.Ref, begins: Callable[[], object] = lambda: None) -> model.CellDoc | None:
        """Store what is observed now, once no verb is at work on the cell; None when it is gone.

        Calls `begins` before looking: what happens from there on is for the next refresh.
        What a running cell owes its workloads (root container, network, cgroup) is made anew when it broke.
        """
        async with self.context.lock(ref):
            begins()
            doc = self.find(ref)
            if doc is None:
                return None
            seen, site = await self._observe(doc, strays=False)
            own_root = any(each.root for each in doc.spec.containers)
            if doc.status.desired is model.DesiredState.RUNNING and plan.damaged(site, seen, own_root=own_root):
                seen = await self._mend(doc, site, seen, set() if own_root else {site.root_id})
            return await self._store(doc, site, seen, {})

    async def _mend(self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell, only: set[str]) -> observed.Cell:
        """Repair around the living workloads; trouble is logged, and they are left alone."""
        now = asyncio.get_running_loop().time()
        if now < self._mend_at.get(site.ref, now):
            return seen
        try:
            steps = plan.start(await needs.cell(self.context, doc, site, seen), seen, only)
            log.warning("repairing cell %s: %s", site.ref, ", ".join(sorted({type(step).__name__ for step in steps})))
            await execute(steps, self.context.host)
            self._mend_at.pop(site.ref, None)
        except errors.KukeonError as error:
            # What it started and ended again makes events, and those bring the next look.
            self._mend_at[site.ref] = now + MEND_PAUSE_S
            log.warning("cannot repair cell %s, trying again in %g s: %s", site.ref, MEND_PAUSE_S, error)
        return await observe.cell(self.context.host, site, self._ids(doc, site), strays=False)

    def site(self, ref: model.Ref) -> wanted.Site:
        """Where the cell `ref` lives. Raises RealmNotFound, or Invalid for names that do not fit together."""
        return self._site(ref, self.context.store.load(model.Ref(ref.realm), model.RealmDoc))

    def _site(self, ref: model.Ref, realm: model.RealmDoc) -> wanted.Site:
        host = self.context.host
        return wanted.Site.of(
            self.context.layout,
            ref,
            self.context.layout.namespace(ref.realm, realm.spec.namespace),
            cgroup_files=host.kernel.cgroup_mode == "v2",
            nofile=host.kernel.nofile,
        )

    def workload(self, doc: model.CellDoc, ref: model.Ref, site: wanted.Site, verb: str) -> str:
        """The containerd id of the workload `ref`."""
        for each in doc.spec.containers:
            if each.id == ref.container and not each.root:
                return site.container_id(each.id, root=False)
        if ref.container == model.ROOT or any(each.id == ref.container for each in doc.spec.containers):
            raise errors.RootContainerRefused(
                f"cannot {verb} container {str(ref)!r}: it is the root container, which lives and ends with its cell",
                hint=f"{verb} the cell: kuke {verb} cell {ref.cell}",
            )
        raise errors.ContainerNotFound(f"container {str(ref)!r} not found")

    async def seen(self, doc: model.CellDoc) -> tuple[observed.Cell, wanted.Site]:
        """What the host has of `doc` now."""
        return await self._observe(doc)

    async def _observe(self, doc: model.CellDoc, *, strays: bool = True) -> tuple[observed.Cell, wanted.Site]:
        site = self.site(model.ref_of(doc))
        return await observe.cell(self.context.host, site, self._ids(doc, site), strays=strays), site

    def _ids(self, doc: model.CellDoc, site: wanted.Site) -> set[str]:
        return {site.root_id, *(site.container_id(each.id, root=each.root) for each in doc.spec.containers)}

    async def _update(self, stored: model.CellDoc, doc: model.CellDoc) -> Outcome:
        """Give the stored cell the effective spec and labels of `doc`, and have it running as they say."""
        managed = {key: value for key, value in stored.metadata.labels.items() if labels.is_managed(key)}
        metadata = msgspec.structs.replace(stored.metadata, labels=managed | doc.metadata.labels)
        wanted_doc = msgspec.structs.replace(stored, metadata=metadata, spec=doc.spec)
        if stored.status.state in UP:
            seen, site = await self._observe(wanted_doc)
            await needs.cell(self.context, wanted_doc, site, seen)
        return await self._start(await self.context.save(wanted_doc), None)

    async def _start(self, doc: model.CellDoc, only: str | None) -> Outcome:
        try:
            return await self._bring_up(doc, only)
        except errors.Invalid as error:
            # The request was well formed and is stored; what it names does not fit this host.
            raise errors.CreateCell(str(error), hint=error.hint) from error

    async def _bring_up(self, doc: model.CellDoc, only: str | None) -> Outcome:
        ref = model.ref_of(doc)
        # Nothing was ever made by another spec than this one, whose ids are all known.
        fresh = doc.metadata.generation == 1 and not doc.status.containers
        doc = await self._desire(doc, model.DesiredState.RUNNING)
        site = self.site(ref)
        limit = None if only is None else {site.root_id, site.container_id(only, root=False)}
        try:
            pre, images = await together(
                observe.cell(self.context.host, site, self._ids(doc, site), strays=not fresh),
                needs.images(self.context, doc, site),
            )
            steps = plan.start(await needs.cell(self.context, doc, site, pre, images), pre, limit)
        except errors.KukeonError as error:
            # What runs does not suffer from a host that cannot be looked at, nor from something new that is missing.
            if doc.status.state not in UP:
                await self._failed(doc, site, error)
            raise
        try:
            results = await execute(steps, self.context.host)
        except errors.KukeonError as error:
            if only is not None and any(found.alive for id, found in pre.containers.items() if id != site.root_id):
                await self._tell(doc, site)
            else:
                await self._failed(doc, site, error)
            raise
        post = await observe.cell(self.context.host, site, self._ids(doc, site), strays=False)
        ready = msgspec.structs.replace(doc, status=msgspec.structs.replace(doc.status, state=model.CellState.PENDING))
        return Outcome(await self._store(ready, site, post, _exits(results)), site, pre, post, len(steps))

    async def _failed(self, doc: model.CellDoc, site: wanted.Site, error: errors.KukeonError) -> None:
        """Leave no sibling running, and the reason where people look; stored first, in case the rest fails, too."""
        reason = "CreateCellFailed" if not doc.status.ready_observed else "StartCellFailed"
        failed = msgspec.structs.replace(
            doc,
            status=msgspec.structs.replace(
                doc.status, state=model.CellState.FAILED, reason=reason, message=derive.one_line(error)
            ),
        )
        failed = await self.context.save(failed)
        try:
            seen, _ = await self._observe(failed)
            results = await execute(plan.stop(site, seen, grace_s=0), self.context.host)
            await self._store(failed, site, (await self._observe(failed))[0], _exits(results))
        except errors.KukeonError as second:
            log.warning("cannot clean up after cell %s failed: %s", site.ref, second)

    async def _down(self, doc: model.CellDoc, site: wanted.Site, pre: observed.Cell, steps: Plan) -> Outcome:
        try:
            results = await execute(steps, self.context.host)
        except errors.KukeonError:
            await self._tell(doc, site)
            raise
        post = await observe.cell(self.context.host, site, pre.containers, strays=False)
        calm = doc
        if doc.status.desired is model.DesiredState.STOPPED:
            status = msgspec.structs.replace(doc.status, state=model.CellState.STOPPED, reason="", message="")
            calm = msgspec.structs.replace(doc, status=status)
        return Outcome(await self._store(calm, site, post, _exits(results)), site, pre, post, len(steps))

    async def _tell(self, doc: model.CellDoc, site: wanted.Site) -> None:
        """Store what a verb that failed left; trouble with that is logged, since it is not why the verb failed."""
        try:
            await self._store(doc, site, (await self._observe(doc))[0], {})
        except errors.KukeonError as error:
            log.warning("cannot store what is left of cell %s: %s", site.ref, error)

    async def _desire(self, doc: model.CellDoc, desired: model.DesiredState) -> model.CellDoc:
        """Store the wish before acting on it: after a crash, it is what decides."""
        if doc.status.desired is desired:
            return doc
        status = msgspec.structs.replace(doc.status, desired=desired)
        return await self.context.save(msgspec.structs.replace(doc, status=status))

    async def _wish(self, doc: model.CellDoc) -> model.CellDoc:
        """Store the wish to end something. A store that cannot be written keeps nothing from being ended."""
        try:
            return await self.context.save(doc)
        except errors.HostError as error:
            log.warning("ending what is in cell %s although that cannot be stored: %s", model.ref_of(doc), error)
            return doc

    async def _store(
        self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell, exits: Mapping[str, observed.Exit]
    ) -> model.CellDoc:
        status = derive.cell(doc, site, seen, exits, self.context.now())
        if seen.cgroup and not status.subtree_controllers:
            controllers = await self.context.host.kernel.controllers(site.cgroup)
            status = msgspec.structs.replace(status, subtree_controllers=controllers)
        return await self.context.save(msgspec.structs.replace(doc, status=status))


def _exits(results: Results) -> dict[str, observed.Exit]:
    ended: dict[str, observed.Exit] = {}
    for step, result in results.items():
        if isinstance(step, (StopTask, DeleteTask)) and isinstance(result, observed.Exit):
            ended[step.id] = result
    return ended
