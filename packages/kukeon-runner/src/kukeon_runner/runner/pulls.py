"""Pulls under way: who asks for an image that is being pulled joins that pull, and the last one to leave ends it."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from kukeon_runner.host.transfer.progress import Progress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Hashable
    from typing import Any

    from kukeon_api import model

    Work: TypeAlias = Callable[[Progress], Coroutine[Any, Any, model.TransferResult]]


@dataclass
class Pull:
    """One pull, which any number wait for."""

    progress: Progress
    task: asyncio.Task[model.TransferResult]
    users: int = 0

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it has ended, however; False when it has not in time."""
        done, _ = await asyncio.wait({self.task}, timeout=timeout_s)
        return bool(done)


@dataclass
class Pulls:
    """The pulls of one runner."""

    _running: dict[Hashable, Pull] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def joined(self, key: Hashable, work: Work) -> AsyncIterator[Pull]:
        """Yield the pull that goes by `key`, begun now by `work` unless it is under way.

        `key` says whatever makes two pulls the same, and so who asks: nobody shall get what only another one may.
        """
        pull = self._running.get(key)
        if pull is None:
            progress = Progress()
            pull = Pull(progress, asyncio.create_task(work(progress), name="pull"))
            pull.task.add_done_callback(lambda _: self._forget(key, pull))
            self._running[key] = pull
        pull.users += 1
        try:
            yield pull
        finally:
            pull.users -= 1
            if not pull.users and not pull.task.done():
                self._forget(key, pull)
                pull.task.cancel()
                await pull.wait()

    def _forget(self, key: Hashable, pull: Pull) -> None:
        if self._running.get(key) is pull:
            del self._running[key]
        if pull.task.done() and not pull.task.cancelled():
            pull.task.exception()  # marks it as seen: whoever still waits raises it
