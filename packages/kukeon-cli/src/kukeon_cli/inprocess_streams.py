"""Streams without kukeond: a controller's generator on the event loop, drawn from by other threads."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import threading
from typing import TYPE_CHECKING, Any

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable
    from concurrent.futures import Future

    from kukeon_api.methods import Method
    from kukeon_api.parts import Part
    from kukeon_sdk.deadline import Deadline


class Link:
    """A `sessions.Link` to a controller in this process.

    `start` has work begun on the loop, `give_up` cancels it and waits for its end. `generator` makes, on the loop, what
    is drawn from; it is given what the session asks. At the `deadline` it is ended, with what `expired` returns.
    """

    def __init__(
        self,
        start: Callable[[Coroutine[Any, Any, Any]], Future[Any]],
        give_up: Callable[[Future[Any]], None],
        generator: Callable[[AsyncIterator[Part]], Coroutine[Any, Any, AsyncGenerator[Any, None]]],
        deadline: Deadline,
        expired: Callable[[], errors.KukeonError],
    ) -> None:
        self._start = start
        self._give_up = give_up
        self._make = generator
        self._made: AsyncGenerator[Any, None] | None = None
        self._deadline = deadline
        self._expired = expired
        self._asked: asyncio.Queue[Part] = asyncio.Queue()
        self._drawing: Future[Any] | None = None
        self._cancelled = False
        self._lock = threading.Lock()

    def send(self, name: str, value: Any) -> None:
        """Have a part sent, without waiting; after the end it goes nowhere."""
        with contextlib.suppress(errors.Conflict):  # the client is closed
            self._start(self._ask((name, value)))

    def receive(self) -> Any:
        """Wait for what is yielded next; None at the end. Raises what the generator raises."""
        with self._lock:
            if self._cancelled:
                raise errors.Conflict("cannot go on: this stream was closed")
            drawing = self._drawing = self._start(self._draw())
        try:
            return drawing.result(self._deadline.left_s())
        except concurrent.futures.CancelledError:
            return None
        except TimeoutError as exc:
            if drawing.done():  # the work's own
                raise
            self.cancel()
            raise self._expired() from exc

    def cancel(self) -> None:
        """End it, and return when it has cleared away what it had begun. Twice is fine."""
        with self._lock:
            self._cancelled = True
            drawing = self._drawing
        with contextlib.suppress(errors.Conflict):
            if _on_a_loop():  # dropped, and collected here of all places: nobody may wait
                self._start(self._end(drawing))
                return
            if drawing is not None and not drawing.done():
                self._give_up(drawing)
            self._start(self._end()).result()

    async def _ask(self, part: Part) -> None:
        self._asked.put_nowait(part)

    async def _draw(self) -> Any:
        if self._made is None:
            self._made = await self._make(self._requests())
        return await anext(self._made, None)

    async def _requests(self) -> AsyncIterator[Part]:
        while True:
            yield await self._asked.get()

    async def _end(self, drawing: Any = None) -> None:
        if drawing is not None and not drawing.done():
            drawing.task.cancel()
            await asyncio.wait({drawing.task})
        if self._made is not None:
            await self._made.aclose()


def _on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


class Items:
    """A `streams.Source`: the items of a generator that yields them, or tuples of them."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self.cancel = link.cancel

    def receive(self) -> Iterable[Any] | None:
        """Wait for the next items; None at the end. Raises what the generator raises."""
        found = self._link.receive()
        return found if found is None or isinstance(found, tuple) else (found,)


def accepted(method: Method, arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments as they arrive at kukeond: checked and completed by the wire."""
    from kukeon_api import calls, parts

    if method.stream == "both":
        return parts.unpack_start(method, parts.pack_start(method, arguments))
    return calls.unpack_args(method, calls.pack_args(method, arguments))
