"""Waiting for an upload without a thread that waits, and reading what is to be sent where it can be read."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    import concurrent.futures
    from collections.abc import AsyncIterable, Iterator, Mapping

    from kukeon_api.methods import Method
    from kukeon_sdk.connection import Connection
    from kukeon_sdk.deadline import Deadline


async def upload(connection: Connection, method: Method, arguments: Mapping[str, Any], deadline: Deadline) -> Any:
    """Return the result of an upload through `connection`; cancelled, it is given up."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def settle() -> None:
        if not done.done():
            done.set_result(None)

    def tell() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended: nobody waits any more
            loop.call_soon_threadsafe(settle)

    source = arguments[method.upload]
    bridge = _Bridge(source, loop) if hasattr(source, "__aiter__") else None
    begun = connection.begin_upload(method, {**arguments, method.upload: bridge or source}, deadline)
    begun.when_done(tell)
    try:
        await done
    finally:
        begun.cancel()  # a no-op once it is done
        if bridge is not None:
            bridge.close()
    return await asyncio.to_thread(begun.result)  # at once; only to tell why a socket is not reached takes a moment


class _Bridge:
    """An asynchronous iterable for another thread: each part is awaited on the loop that it belongs to."""

    def __init__(self, source: AsyncIterable[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self._source = source
        self._loop = loop
        self._reading: concurrent.futures.Future[bytes | None] | None = None
        self._closed = False

    def close(self) -> None:
        """End a read that is under way."""
        self._closed = True
        if self._reading is not None:
            self._reading.cancel()

    def __iter__(self) -> Iterator[bytes]:
        parts = aiter(self._source)

        async def read() -> bytes | None:
            return cast("bytes | None", await anext(parts, None))

        while not self._closed:
            self._reading = asyncio.run_coroutine_threadsafe(read(), self._loop)
            if self._closed:  # meanwhile
                self._reading.cancel()
            part = self._reading.result()
            if part is None:
                return
            yield part
