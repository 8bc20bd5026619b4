"""What containers have written, and what they are writing: the entries of a log as they come."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from kukeon_api.logs import reader

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from kukeon_api import model
    from kukeon_api.logs.selection import Selection
    from kukeon_api.logs.source import Source
    from kukeon_runner.host.file_changes import FileChanges

    Entries = tuple[model.LogEntry, ...]


async def read(source: Source, wanted: Selection) -> AsyncGenerator[Entries, None]:
    """Yield what is there now.

    Raises FileNotFoundError when nothing was ever written, NoPreviousRun, OSError for files that cannot be read.
    """
    async with _opened(source, wanted) as log:
        if not log.found:
            raise FileNotFoundError(source.path)
        while entries := await asyncio.to_thread(log.read):
            yield entries
        if rest := log.finish():
            yield rest


async def follow(source: Source, wanted: Selection, changes: FileChanges) -> AsyncGenerator[Entries, None]:
    """Yield what is there and what comes, over runs of the container, until the log is removed.

    A log that is not there yet is waited for. Raises OSError for files that cannot be read.
    """
    with changes.watching() as watcher:
        # What happens from here on wakes us, so nothing falls between a look and the next.
        watcher.cover(source.directories)
        async with _opened(source, wanted) as log:
            while True:
                if entries := await asyncio.to_thread(log.read):
                    yield entries
                elif log.gone or not await asyncio.to_thread(os.path.isdir, source.home):
                    break
                elif not watcher.cover(source.directories):
                    await watcher.wait()
            # What was written between the last look and the removal is still in the open file.
            while entries := await asyncio.to_thread(log.read):
                yield entries
            if rest := log.finish():
                yield rest


@contextlib.asynccontextmanager
async def _opened(source: Source, wanted: Selection) -> AsyncIterator[reader.Reader]:
    """The files of the log; opening looks for where to begin, which can mean to read a good part of it."""
    opening = asyncio.ensure_future(asyncio.to_thread(reader.Reader, source.path, wanted, terminal=source.terminal))
    try:
        log = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close)
        raise
    try:
        yield log
    finally:
        log.close()


def _close(opening: asyncio.Future[reader.Reader]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
