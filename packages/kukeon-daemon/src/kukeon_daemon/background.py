"""What the daemon does on its own: look at everything now and then, and follow containerd's events."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, NoReturn

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from kukeon_daemon.tasks import Tasks

log = logging.getLogger(__name__)

FIRST_DELAY_S = 0.5
MAX_DELAY_S = 30.0
# What ran this long was healthy: its next failure is a new story.
STABLE_S = 60.0


async def keep_running(
    name: str,
    work: Callable[[], Awaitable[object]],
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    now: Callable[[], float] = time.monotonic,
) -> NoReturn:
    """Run `work` for ever; when it fails or returns, log that and run it again, later after each failure."""
    delay_s = FIRST_DELAY_S
    while True:
        started = now()
        try:
            await work()
            log.warning("%s ended, starting it again in %g s", name, delay_s)
        except Exception as error:  # the root of a task: nobody above could do anything about it
            _log_failure(f"{name} failed, starting it again in {delay_s:g} s", error)
        if now() - started >= STABLE_S:
            delay_s = FIRST_DELAY_S
        await sleep(delay_s)
        delay_s = min(delay_s * 2, MAX_DELAY_S)


async def every(
    interval_s: float,
    name: str,
    work: Callable[[], Coroutine[Any, Any, object]],
    tasks: Tasks,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> NoReturn:
    """Run `work` at once and then `interval_s` seconds after each end; one that fails is logged, the next one comes.

    A pass that has begun is the daemon's own work: stopping waits for it like for a call.
    """
    while True:
        try:
            await tasks.run(work(), name)
        except Exception as error:  # the root of a task: nobody above could do anything about it
            _log_failure(f"{name} failed", error)
        await sleep(interval_s)


def _log_failure(what: str, error: Exception) -> None:
    """Log errors of ours by their words, and everything else, which is a bug, with its traceback."""
    found = _leaves(error)
    foreseen = all(isinstance(leaf, errors.KukeonError) for leaf in found)
    log.warning("%s: %s", what, "; ".join(map(str, found)), exc_info=None if foreseen else error)


def _leaves(error: BaseException) -> list[BaseException]:
    """Return the errors in a group, of whatever depth; an error that is no group is its own."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for inner in error.exceptions for leaf in _leaves(inner)]
    return [error]
