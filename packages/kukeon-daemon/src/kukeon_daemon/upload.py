"""An upload on its way from the connection to the work that reads it, and the difference between its end and a hang-up.

grpc.aio shows a server the same end of stream whether the client has finished or has gone away. So the last message of
an upload is one without data; a stream that ends before it was broken off.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

# Pieces in flight between connection and work: enough to keep both busy, few enough to keep memory flat.
QUEUED_PIECES = 4


class Upload:
    """Hands pieces over from `feed` to `pieces`, in order, at the pace of the slower one."""

    def __init__(self) -> None:
        # What bounds the queue is the semaphore: the end must fit in at once, whatever waits before it.
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._room = asyncio.Semaphore(QUEUED_PIECES)
        self._complete = False

    async def feed(self, messages: AsyncIterator[Any]) -> None:
        """Take the pieces out of `messages`, until the last one. Cancelled or not: `pieces` ends after this."""
        try:
            async for message in messages:
                if not message.chunk:
                    self._complete = True
                    return
                await self._room.acquire()
                self._queue.put_nowait(message.chunk)
        finally:
            if not self._complete:  # what has not been read yet is of no use any more
                while not self._queue.empty():
                    self._queue.get_nowait()
            self._queue.put_nowait(b"")

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield what was fed. Raises `Aborted` when the client hung up before the end."""
        while piece := await self._queue.get():
            self._room.release()
            yield piece
        if not self._complete:
            raise errors.Aborted(
                "cannot read the upload to its end: the client hung up", hint="send it again, from its beginning"
            )
