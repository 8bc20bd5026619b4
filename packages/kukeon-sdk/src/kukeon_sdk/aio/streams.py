"""Streams of items for asyncio: those of `kukeon_sdk.streams`, awaited."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator
    from types import TracebackType

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class AsyncSource(Protocol[T_co]):
    """Where a stream's items come from."""

    async def receive(self) -> Iterable[T_co] | None:
        """Wait for the next items; None at the end, also after `cancel`. Raises what it ended with."""

    def cancel(self) -> None:
        """Hang up; whoever receives stops waiting."""


class AsyncStream(Generic[T]):
    """Items as they come, until they end or somebody closes this; use it in an `async with` block, or close it.

    It begins with the first item that is asked for. One task at a time iterates, any may close.
    """

    def __init__(self, begin: Callable[[], Awaitable[AsyncSource[T]]]) -> None:
        self._begin = begin
        self._source: AsyncSource[T] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._items: Iterator[T] = iter(())
        self._over = False

    def __aiter__(self) -> Self:
        """Return the stream itself."""
        return self

    async def __anext__(self) -> T:
        """Wait for the next item. Raises what the stream ended with, once."""
        while not self._over:
            for item in self._items:
                return item
            try:
                found = await self._received()
            except asyncio.CancelledError:
                await self.close()
                raise
            except BaseException:
                self._over = True
                raise
            if found is None:
                self._over = True
            else:
                self._items = iter(found)
        raise StopAsyncIteration

    async def _received(self) -> Iterable[T] | None:
        if self._source is None:
            source = await self._begin()
            if self._over:  # closed meanwhile
                source.cancel()
                return None
            self._source, self._loop = source, asyncio.get_running_loop()
        return await self._source.receive()

    async def close(self) -> None:
        """End it: nothing comes any more. Twice is fine."""
        self._over = True
        if self._source is not None:
            self._source.cancel()

    aclose = close
    """For `contextlib.aclosing`."""

    def __del__(self) -> None:
        """Hang up on behalf of whoever dropped it; in a loop that is closed there is nothing left to do."""
        if self._source is not None and self._loop is not None:
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._source.cancel)  # garbage is collected on any thread

    async def __aenter__(self) -> Self:
        """Return the stream itself; leaving the block closes it."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Close the stream."""
        await self.close()
