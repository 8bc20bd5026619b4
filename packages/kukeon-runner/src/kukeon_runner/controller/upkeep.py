"""Keeping what is stored true between calls: containerd's events, and a slow look at everything."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, model
from kukeon_runner import documents
from kukeon_runner.controller.apart import apart
from kukeon_runner.controller.base import Base
from kukeon_runner.controller.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from kukeon_runner import observed
    from kukeon_runner.controller.watch import Looked


class Upkeep(Base):
    async def reconcile(self) -> None:
        """Look at everything once and store what is found; trouble with one resource does not keep the others."""
        with apart("assert the networks"):
            await self.runner.spaces.assert_networks()
        for level in (self.runner.realms, self.runner.spaces, self.runner.stacks):
            await self._each(level.kind, level.refresh)
        await self.reconcile_cells()

    async def refresh_all(self) -> model.RefreshAllResult:
        """Store the status of everything as it is observed; nothing is started, stopped or repaired."""
        found: dict[str, list[str]] = {kind: [] for kind in model.KINDS}
        updated: dict[str, list[str]] = {kind: [] for kind in model.KINDS}
        troubles: list[str] = []
        for kind in documents.KINDS:
            scan = self.runner.context.store.scan(kind)
            troubles += [str(problem) for problem in scan.problems]
            for doc in scan.docs:
                ref = model.ref_of(doc)
                try:
                    changed, containers = await self._refreshed(ref)
                except errors.NotFound:
                    continue  # deleted since it was listed
                except errors.KukeonError as error:
                    troubles.append(f"cannot refresh {kind.lower()} {str(ref)!r}: {error}")
                    changed, containers = False, ()
                found[kind].append(str(ref))
                updated[kind] += [str(ref)] if changed else []
                if isinstance(doc, model.CellDoc):
                    found["Container"] += [str(ref.child(each.id)) for each in doc.spec.containers]
                    updated["Container"] += [str(ref.child(name)) for name in containers]
        lists = {f"{kind.lower()}s_found": tuple(names) for kind, names in found.items()}
        lists |= {f"{kind.lower()}s_updated": tuple(names) for kind, names in updated.items()}
        # A stray directory is met once for each kind that could lie in it.
        return model.RefreshAllResult(**lists, errors=tuple(dict.fromkeys(troubles)))

    async def _refreshed(self, ref: model.Ref) -> tuple[bool, tuple[str, ...]]:
        if ref.kind == "Cell":
            cell = await self.runner.cells.refresh(ref)
            return cell.changed, cell.containers
        found, changed = await self.runner.level(ref.kind).refresh(ref)
        if found is None:
            raise errors.NotFound(f"{str(ref)!r} is gone")
        return changed, ()

    async def reconcile_cells(self, looked: Looked = lambda ref, doc: None) -> None:
        """Look closer at the cells that a look at all of them shows to have changed, and tell `looked` of each."""
        surveys: dict[str, Mapping[str, observed.Container]] = {}
        networks: dict[model.Ref, Mapping[str, observed.Attachment]] = {}
        troubled: set[str] = set()

        async def reconcile(ref: model.Ref) -> None:
            doc = self.runner.cells.get(ref)
            namespace = self.runner.realms.namespace(ref.realm)
            if namespace in troubled:
                return
            if namespace not in surveys:
                try:
                    surveys[namespace] = await self.runner.context.host.containers.survey(namespace)
                except errors.KukeonError:
                    troubled.add(namespace)
                    raise
            space = model.Ref(ref.realm, ref.space)
            if space not in networks:
                networks[space] = await self.runner.cells.attached(space)
            if not await self.runner.cells.settled(doc, surveys[namespace], networks[space]):
                after, _ = await self.runner.cells.reconcile(ref)
                looked(ref, after)

        await self._each("Cell", reconcile)

    async def _each(self, kind: str, look: Callable[[model.Ref], Coroutine[Any, Any, object]]) -> None:
        for doc in self.runner.context.store.docs(kind):
            ref = model.ref_of(doc)
            if self.runner.context.lock.locked(ref):
                continue  # a verb is at work, which stores what it leaves
            # What is not found was deleted since it was listed.
            with apart(f"refresh {kind.lower()} {ref}"), contextlib.suppress(errors.NotFound):
                await look(ref)

    async def watch_events(self) -> None:
        """Act on what happens to tasks, and on what is due. Runs until cancelled, or ConnectContainerd.

        What happened while nobody listened is found by looking at everything first.
        """
        try:
            async with asyncio.TaskGroup() as group:
                await Watch(self.runner, group, self.reconcile_cells).run()
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
