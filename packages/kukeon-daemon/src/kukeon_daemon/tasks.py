"""Work that outlives the call that asked for it: a client that hangs up stops waiting, not the work."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, TypeVar

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")

log = logging.getLogger(__name__)

# What work may take to undo its last step after it was cancelled; undo is shielded and has deadlines of its own.
UNDO_S = 5.0


class Tasks:
    """Owns running work. One failing disturbs no other; `drain` waits for all of it.

    How work ended is for the work itself to log: its caller may have gone by then.
    """

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()
        self._closed = False

    def __len__(self) -> int:
        """Return how many pieces of work are running."""
        return len(self._running)

    async def run(self, work: Coroutine[Any, Any, T], name: str) -> T:
        """Wait for `work` and return its result; when the caller is cancelled, `work` goes on without it.

        Raises what `work` raises, and `Unavailable` when the daemon stops before `work` is done.
        """
        if self._closed:
            work.close()
            raise _stopping(name)
        task = asyncio.create_task(work, name=name)
        self._running.add(task)
        task.add_done_callback(self._finished)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():  # by `drain`; otherwise it is the caller who was cancelled
                raise _stopping(name) from None
            raise

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # marks it as seen, or asyncio complains when the caller has gone

    async def drain(self, grace_s: float) -> None:
        """Take no new work, wait `grace_s` seconds for the running work, then cancel what is left and wait for that."""
        self._closed = True
        if not self._running:
            return
        _, late = await asyncio.wait(self._running, timeout=grace_s)
        for task in late:
            log.warning("cancelling %s: still running after %g s", task.get_name(), grace_s)
            task.cancel()
        if late:
            _, stuck = await asyncio.wait(late, timeout=UNDO_S)
            for task in stuck:
                log.error("giving up on %s: it does not end", task.get_name())


def _stopping(name: str) -> errors.Unavailable:
    return errors.Unavailable(
        f"cannot finish {name}: kukeond is stopping",
        hint="run the command again when kukeond is back: what was done already is not done twice",
    )
