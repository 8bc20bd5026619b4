"""What clients send while it is stored: work that a realm's removal awaits, unless the client has fallen silent."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

SILENT_S = 5.0
"""A client from which nothing came for so long keeps nobody from removing the realm."""

_END_S = 10.0
"""For an interrupted upload to take back what it has stored."""


class Upload:
    """One client's stream. Whoever reads `chunks` is interrupted by `interrupt` while it waits for the next one."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._source = chunks
        self._waiting_since: float | None = None
        self._interrupted = asyncio.Event()
        self.ended = asyncio.Event()
        """To be set by whoever reads, when nothing is done any more for this upload."""

    @property
    def silent(self) -> bool:
        """Whether the client is waited for, and has been for a while."""
        since = self._waiting_since
        return since is not None and asyncio.get_running_loop().time() - since >= SILENT_S

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """What the client sends. Raises Conflict when this is interrupted."""
        interrupted = asyncio.ensure_future(self._interrupted.wait())
        coming: asyncio.Future[bytes] | None = None
        try:
            while True:
                coming = asyncio.ensure_future(anext(self._source))
                self._waiting_since = asyncio.get_running_loop().time()
                await asyncio.wait({coming, interrupted}, return_when=asyncio.FIRST_COMPLETED)
                self._waiting_since = None
                if not coming.done():
                    raise errors.Conflict(
                        f"cannot go on: nothing was sent for {SILENT_S:g} s, and the realm is being removed",
                        hint="repeat it with a realm that stays",
                    )
                try:
                    chunk = coming.result()
                except StopAsyncIteration:
                    return
                yield chunk
        finally:
            self._waiting_since = None
            for each in (interrupted, coming):
                if each is not None and not each.done():
                    each.cancel()
                    await asyncio.wait({each})

    async def interrupt(self) -> None:
        """End it. Raises TimedOut when it does not end."""
        self._interrupted.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await self.ended.wait()
                return
        raise errors.TimedOut(f"cannot end an upload that hangs: it is still there after {_END_S:g} s")
