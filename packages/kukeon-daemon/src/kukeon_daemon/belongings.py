"""Noticing that the run path is no longer this process's: somebody removed it, or put another in its place.

The lock lies in a file of the run path. With the file gone another kukeond can take the run path as well, and two would
work on one host, so the one that lost it ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import TYPE_CHECKING, Any

from kukeon_runner import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

log = logging.getLogger(__name__)

PAUSE_S = 1.0


@contextlib.contextmanager
def run_path(path: str) -> Iterator[Callable[[], Coroutine[Any, Any, None]]]:
    """Yield what waits until the lock file of the run path is no longer the one that it is now."""
    lock = layout.run_path_lock(path)
    with contextlib.ExitStack() as held:
        with contextlib.suppress(OSError):
            # Kept open, so that no other file gets its number.
            held.callback(os.close, os.open(lock, os.O_PATH | os.O_CLOEXEC))
        own = _identity(lock)

        async def lost() -> None:
            while _identity(lock) == own:  # noqa: ASYNC110 - nobody tells of it
                await asyncio.sleep(PAUSE_S)
            log.error("the run path %r was removed or replaced while kukeond used it: stopping", path)

        yield lost


def _identity(path: str) -> tuple[int, int] | None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        found = os.stat(path)  # noqa: PTH116 - of a path that is text
        return found.st_dev, found.st_ino
    return None
