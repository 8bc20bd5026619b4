"""How cells come to be, and how they change."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import labels, model
from kukeon_runner.runner import needs
from kukeon_runner.runner.cell.work import UP, Outcome, Work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Change(Work):
    async def create(self, doc: model.CellDoc, *, start: bool = True) -> tuple[bool, Outcome]:
        """Have the cell running, by its stored spec if there is one; True when it is new.

        Without `start` a new one is only stored, as one that an operator stopped, and one that exists is left alone.
        Raises RealmNotFound, SpaceNotFound, StackNotFound, Invalid for names that do not fit, and what `start` raises.
        """
        desired = model.DesiredState.RUNNING if start else model.DesiredState.STOPPED
        async with self._registered(doc, desired) as (stored, new):
            if start:
                return new, await self._start(stored, None)
            seen, site = await self._observe(stored)
            return new, Outcome(await self._store(stored, site, seen, {}), site, seen, seen, 0)

    async def apply(self, doc: model.CellDoc) -> tuple[model.CellDoc | None, Outcome]:
        """Have the cell running as `doc` says; with what was stored before, None for a new cell. Raises like `create`.

        A running cell is left alone when something that the new spec needs is missing.
        """
        async with self._registered(doc) as (stored, new):
            return None if new else stored, await self._update(stored, self.effective(doc))

    @contextlib.asynccontextmanager
    async def _registered(
        self, doc: model.CellDoc, desired: model.DesiredState = model.DesiredState.RUNNING
    ) -> AsyncIterator[tuple[model.CellDoc, bool]]:
        """Hold the lock of the cell, which is stored; True when it is new. Nothing is made on the host."""
        ref = model.ref_of(doc)
        site = self.site(ref)
        for each in doc.spec.containers:
            site.container_id(each.id, root=each.root)
        for above in ref.ancestors:
            if self.context.store.load(above).status.ready_at is None:
                async with self.context.lock(above):
                    pass  # somebody is making it: a cell needs the network, the cgroup and the namespace
        async with self.context.placed(ref, model.CellDoc, lambda: self._register(ref, doc, desired)) as found:
            yield found

    async def _register(self, ref: model.Ref, doc: model.CellDoc, desired: model.DesiredState) -> model.CellDoc:
        effective = self.effective(doc)
        managed = {
            labels.REALM: ref.realm,
            labels.SPACE: ref.space,
            labels.STACK: ref.stack,
            labels.CELL: ref.cell,
        }
        metadata = model.Metadata(name=ref.cell, labels=managed | effective.metadata.labels)
        bridge = self.context.layout.bridge(model.Ref(ref.realm, ref.space))
        status = model.CellStatus(desired=desired, network=model.CellNetworkStatus(bridge_name=bridge))
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

    async def _update(self, stored: model.CellDoc, doc: model.CellDoc) -> Outcome:
        """Give the stored cell the effective spec and labels of `doc`, and have it running as they say."""
        managed = {key: value for key, value in stored.metadata.labels.items() if labels.is_managed(key)}
        metadata = msgspec.structs.replace(stored.metadata, labels=managed | doc.metadata.labels)
        wanted_doc = msgspec.structs.replace(stored, metadata=metadata, spec=doc.spec)
        if stored.status.state in UP:
            seen, site = await self._observe(wanted_doc)
            await needs.cell(self.context, wanted_doc, site, seen)
        return await self._start(await self.context.save(wanted_doc), None)
