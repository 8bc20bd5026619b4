"""The client methods: validate, call the runner, and say what was there before and after."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from importlib import metadata

from kukeon_api import errors, model
from kukeon_runner.controller.apply import Apply
from kukeon_runner.controller.cells import Cells
from kukeon_runner.controller.containers import Containers
from kukeon_runner.controller.images import Images
from kukeon_runner.controller.levels import Levels
from kukeon_runner.runner import Runner

log = logging.getLogger(__name__)


class Controller(Levels, Cells, Containers, Images, Apply):
    """Every method of the wire, under its name in snake_case. Methods raise the errors of `kukeon_api.errors`."""

    def __init__(self, runner: Runner, about: model.PingResult) -> None:
        super().__init__(runner)
        self._about = about

    async def ping(self) -> model.PingResult:
        """Who answers, and what it found on its host."""
        return self._about

    async def reconcile(self) -> None:
        """Look at everything once and store what is found; trouble with one resource does not keep the others."""
        try:
            await self.runner.spaces.assert_firewall()
        except errors.KukeonError as error:
            log.warning("cannot assert the packet rules: %s", error)
        for kind, verb in self._refreshers().items():
            for doc in self.runner.context.store.docs(kind):
                ref = model.ref_of(doc)
                try:
                    await verb(ref)
                except errors.NotFound:
                    continue  # deleted since it was listed
                except errors.KukeonError as error:
                    log.warning("cannot refresh %s %s: %s", kind.lower(), ref, error)

    async def watch_events(self) -> None:
        """Refresh a cell whenever one of its tasks starts or ends. Runs until cancelled, or containerd goes away."""
        pending: dict[model.Ref, asyncio.Task[object]] = {}
        async with asyncio.TaskGroup() as group, contextlib.aclosing(self._events()) as events:
            async for ref in events:
                if ref not in pending:
                    task = group.create_task(self._after_event(ref))
                    pending[ref] = task
                    task.add_done_callback(lambda _, ref=ref: pending.pop(ref, None))  # type: ignore[misc]
