"""Keeping what is stored true between calls: containerd's events, and a slow look at everything."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, model
from kukeon_runner.controller.base import Base

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

log = logging.getLogger(__name__)


class Upkeep(Base):
    async def reconcile(self) -> None:
        """Look at everything once and store what is found; trouble with one resource does not keep the others."""
        try:
            await self.runner.spaces.assert_networks()
        except errors.KukeonError as error:
            log.warning("cannot assert the networks: %s", error)
        runner = self.runner
        await self._refresh("Realm", runner.realms.refresh)
        await self._refresh("Space", runner.spaces.refresh)
        await self._refresh("Stack", runner.stacks.refresh)
        await self._refresh("Cell", runner.cells.refresh)

    async def _refresh(self, kind: str, refresh: Callable[[model.Ref], Coroutine[Any, Any, object]]) -> None:
        for doc in self.runner.context.store.docs(kind):
            ref = model.ref_of(doc)
            if self.runner.context.lock.locked(ref):
                continue  # a verb is at work, which stores what it leaves
            try:
                await refresh(ref)
            except errors.NotFound:
                continue  # deleted since it was listed
            except errors.KukeonError as error:
                log.warning("cannot refresh %s %s: %s", kind.lower(), ref, error)

    async def watch_events(self) -> None:
        """Refresh a cell when one of its tasks starts or ends. Runs until cancelled, or ConnectContainerd."""
        try:
            await self._watch()
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _watch(self) -> None:
        due: set[model.Ref] = set()
        async with asyncio.TaskGroup() as group, contextlib.aclosing(self._events()) as events:
            # What happened while nobody listened is found by looking.
            group.create_task(self._refresh("Cell", self.runner.cells.refresh))
            async for namespace, identity in events:
                ref = self._cell_of(namespace, identity)
                # One look after the last of several events serves all of them: a verb makes many while it has the lock.
                if ref is not None and ref not in due:
                    due.add(ref)
                    group.create_task(self._after_event(ref, due))

    def _events(self) -> Any:
        return self.runner.context.host.containers.task_events()

    async def _after_event(self, ref: model.Ref, due: set[model.Ref]) -> None:
        try:
            await self.runner.cells.refresh(ref, lambda: due.discard(ref))
        except errors.KukeonError as error:
            log.warning("cannot refresh cell %s: %s", ref, error)

    def _cell_of(self, namespace: str, identity: str) -> model.Ref | None:
        """The stored cell that a containerd id belongs to; None for what is not ours."""
        space, _, rest = identity.partition("_")
        stack, _, rest = rest.partition("_")
        cell = rest.partition("_")[0]
        for realm in self.runner.context.store.docs(model.RealmDoc):
            if realm.spec.namespace != namespace:
                continue
            try:
                ref = model.Ref(realm.metadata.name, space, stack, cell)
            except errors.Invalid:
                return None
            return ref if ref.kind == "Cell" and self.runner.cells.find(ref) is not None else None
        return None
