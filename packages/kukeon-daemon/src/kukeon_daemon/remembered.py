"""An answer that is dear to find and asked for all the time, remembered for a moment.

What Ping tells has to be looked up: containerd is asked and the bridge of every space is looked at. Who pings in a loop
does not need that each time, and many who ping at once need it once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")

# Less than `kuke` takes to start: what somebody has changed before asking is in the answer.
MAX_AGE_S = 0.15


class Remembered(Generic[T]):
    """What `find` returns, at most `max_age_s` seconds old. What it raises is not remembered."""

    def __init__(
        self,
        find: Callable[[], Coroutine[Any, Any, T]],
        max_age_s: float = MAX_AGE_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._find = find
        self._max_age_s = max_age_s
        self._now = now
        self._finding: asyncio.Task[T] | None = None
        self._begun = 0.0

    async def get(self) -> T:
        """Return the answer; whoever comes while it is being found gets the same one."""
        task = self._finding
        old = self._now() - self._begun > self._max_age_s
        if task is None or (task.done() and (old or _failed(task))):
            self._begun = self._now()
            task = self._finding = asyncio.create_task(self._find(), name="find what Ping tells")
            task.add_done_callback(_seen)
        # Shielded: one who hangs up does not take the answer from the others.
        return await asyncio.shield(task)

    async def close(self) -> None:
        """End a search that is under way."""
        if self._finding is not None:
            self._finding.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self._finding


def _failed(task: asyncio.Task[Any]) -> bool:
    return task.cancelled() or task.exception() is not None


def _seen(task: asyncio.Task[Any]) -> None:
    """Keep asyncio from complaining about an error that everybody who asked has gone away from."""
    if not task.cancelled():
        task.exception()
