"""Following containerd: what happens to a task brings a look at its cell, and so does what is due."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, model, restarts
from kukeon_runner import observed
from kukeon_runner.controller.apart import apart

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncGenerator, Coroutine

    from kukeon_runner.runner import HostRunner

FETCHING = 8
"""Cells for which images are pulled at the same time; some may wait long for registries that do not answer."""

BESIDE_S = 1.0
"""Between two looks at a cell for which images are pulled, or of which something is due that a look could not do."""

Looked = Callable[[model.Ref, model.CellDoc | None], object]
"""Is told of a cell that was looked at: what is stored of it now, None when it is gone."""


class Watch:
    """Following containerd: each event, and each moment at which something is due, brings a look at its cell."""

    def __init__(
        self,
        runner: HostRunner,
        group: asyncio.TaskGroup,
        look_at_all: Callable[[Looked], Coroutine[Any, Any, None]],
    ) -> None:
        self._runner = runner
        self._group = group
        self._look_at_all = look_at_all
        self._asked: set[model.Ref] = set()
        """Cells that are about to be looked at: one look after the last of several events serves all of them."""
        self._ends: dict[model.Ref, dict[str, observed.Exit]] = {}
        self._out_of_memory: dict[model.Ref, dict[str, dt.datetime]] = {}
        self._alarms: dict[model.Ref, asyncio.TimerHandle] = {}
        self._fetching: set[model.Ref] = set()
        self._fetches = asyncio.Semaphore(FETCHING)

    async def run(self) -> None:
        carers = self._runner.context.carers
        carers.add(self)
        try:
            await self._runner.context.host.containers.wait_ready()
            async with contextlib.aclosing(self._events()) as events:
                self._group.create_task(self._look_at_all(self._looked))
                async for event in events:
                    self._take(event)
        finally:
            carers.discard(self)
            for alarm in self._alarms.values():
                alarm.cancel()

    def _take(self, event: observed.TaskEvent) -> None:
        ref = self._cell_of(event.namespace, event.id)
        if ref is None:
            return
        if event.exit is not None:
            self._ends.setdefault(ref, {})[event.id] = event.exit
        if event.what is observed.Happening.OUT_OF_MEMORY:
            self._out_of_memory.setdefault(ref, {})[event.id] = self._runner.context.now()
        self._ask(ref)

    def _ask(self, ref: model.Ref) -> None:
        if ref not in self._asked:
            self._asked.add(ref)
            self._group.create_task(self._look(ref))

    async def _look(self, ref: model.Ref) -> None:
        with apart(f"look after cell {ref}"):
            doc, _ = await self._runner.cells.reconcile(ref, lambda: self._begun(ref))
            self._looked(ref, doc)

    def _begun(self, ref: model.Ref) -> observed.Told:
        self._asked.discard(ref)
        return observed.Told(self._ends.pop(ref, {}), self._out_of_memory.pop(ref, {}))

    def _looked(self, ref: model.Ref, doc: model.CellDoc | None) -> None:
        self.due(ref, restarts.next_due(doc.status) if doc is not None else None)

    def due(self, ref: model.Ref, at: dt.datetime | None) -> None:
        """Have the next look at the moment when the next container is due; see `Carer`."""
        if (alarm := self._alarms.pop(ref, None)) is not None:
            alarm.cancel()
        if at is not None:
            wait_s = (at - self._runner.context.now()).total_seconds()
            if ref in self._fetching or wait_s <= 0:
                # What is fetched was due long ago, or a look could not do it; who is due beside it is noticed soon.
                wait_s = max(BESIDE_S, wait_s)
            self._alarms[ref] = asyncio.get_running_loop().call_later(wait_s, self._ask, ref)

    def lacks(self, ref: model.Ref) -> None:
        """Fetch what a cell lacks, beside all looks; see `Carer`."""
        if ref not in self._fetching:
            self._fetching.add(ref)
            self._group.create_task(self._fetch(ref))

    async def _fetch(self, ref: model.Ref) -> None:
        with apart(f"fetch images for cell {ref}"):
            try:
                async with self._fetches:
                    doc = await self._runner.cells.fetch(ref)
            finally:
                self._fetching.discard(ref)
            self._looked(ref, doc)

    def _events(self) -> AsyncGenerator[observed.TaskEvent, None]:
        """What happens to tasks. A generator, so that it can be closed."""
        return self._runner.context.host.containers.task_events()  # type: ignore[return-value] # it is one

    def _cell_of(self, namespace: str, identity: str) -> model.Ref | None:
        """The stored cell that a containerd id belongs to; None for what is not ours."""
        space, _, rest = identity.partition("_")
        stack, _, rest = rest.partition("_")
        cell = rest.partition("_")[0]
        for realm in self._runner.context.store.docs(model.RealmDoc):
            if realm.spec.namespace != namespace:
                continue
            try:
                ref = model.Ref(realm.metadata.name, space, stack, cell)
            except errors.Invalid:
                return None
            return ref if ref.kind == "Cell" and self._runner.cells.find(ref) is not None else None
        return None
