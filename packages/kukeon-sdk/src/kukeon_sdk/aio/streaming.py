"""Streams over grpc.aio; loaded with the first one."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import grpc.aio

from kukeon_api import calls, errors, parts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from kukeon_api.methods import Method
    from kukeon_api.parts import Part


class Replies:
    """The replies of a call that has begun, and what its end means."""

    def __init__(self, call: Any, meaning: Callable[[BaseException], Awaitable[errors.KukeonError | None]]) -> None:
        self.call = call
        self._meaning = meaning

    async def next(self) -> Any:
        """Wait for the next reply; None at the end. Raises what the call ended with."""
        try:
            reply = await self.call.read()
        except (grpc.aio.AioRpcError, asyncio.CancelledError) as error:
            meaning = await self._meaning(error)
            if meaning is None:  # it is the caller who was cancelled
                raise
            raise meaning from error
        return None if reply is grpc.aio.EOF else reply  # type: ignore[attr-defined] # the stubs lack it


class Items:
    """An `AsyncSource` over a call whose replies are lists."""

    def __init__(self, method: Method, replies: Replies) -> None:
        self._method = method
        self._replies = replies
        self._cancelled = False

    async def receive(self) -> Iterable[Any] | None:
        """Wait for the next items; None at the end, also after `cancel`. Raises what the call ended with."""
        try:
            reply = None if self._cancelled else await self._replies.next()
        except (errors.KukeonError, asyncio.CancelledError):
            task = asyncio.current_task()
            if self._cancelled and not (task and task.cancelling()):  # it is the call that was cancelled
                return None
            raise
        return None if reply is None else calls.unpack_reply(self._method, reply)

    def cancel(self) -> None:
        """Hang up."""
        self._cancelled = True
        self._replies.call.cancel()


class GrpcLink:
    """A `sessions.AsyncLink` over a call. What is to be sent waits in a queue; programs' input has a window."""

    def __init__(self, method: Method, first: Any, replies: Replies) -> None:
        self._method = method
        self._replies = replies
        self._messages: asyncio.Queue[Any] = asyncio.Queue()
        self._messages.put_nowait(first)
        self._sending = asyncio.create_task(self._send(), name="kukeon session input")

    def send(self, name: str, value: Any) -> None:
        """Have a part sent, without waiting; after the end it goes nowhere."""
        message = parts.pack_asked(self._method, name, value)
        if not self._sending.done():
            self._messages.put_nowait(message)

    async def receive(self) -> Part | None:
        """Wait for the next part; None at the end. Raises the error that the call ended with."""
        while (reply := await self._replies.next()) is not None:
            part = parts.unpack_told(self._method, reply)
            if part is not None:
                return part
        return None

    def cancel(self) -> None:
        """Hang up, without waiting. Twice is fine."""
        self._replies.call.cancel()
        self._sending.cancel()

    async def _send(self) -> None:
        # When the call is over, reading tells why.
        with contextlib.suppress(grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
            while True:
                await self._replies.call.write(await self._messages.get())
