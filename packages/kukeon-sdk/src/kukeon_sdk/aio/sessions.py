"""Sessions for asyncio: those of `kukeon_sdk.sessions`, awaited."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from typing import TYPE_CHECKING, Any, Protocol, Self

from kukeon_api import errors, model
from kukeon_sdk import dialogue
from kukeon_sdk.dialogue import Dialogue
from kukeon_sdk.sessions import LEAVING_S, Completed, Output

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

    from kukeon_api.parts import Part


class AsyncLink(Protocol):
    """What carries the parts of a session, both ways."""

    def send(self, name: str, value: Any) -> None:
        """Have a part sent, without waiting; after the end it goes nowhere."""

    async def receive(self) -> Part | None:
        """Wait for the next part; None at the end. Raises the error that the session ended with."""

    def cancel(self) -> None:
        """Hang up, without waiting. Twice is fine."""


async def _receive(link: AsyncLink, talk: Dialogue, changed: asyncio.Condition) -> None:
    """Take what comes until the end, in a task that does not know the session, so that it can be dropped."""
    error = None
    try:
        while (part := await link.receive()) is not None:
            async with changed:
                await changed.wait_for(functools.partial(talk.fits, part))
                talk.take(part)
                changed.notify_all()
    except errors.KukeonError as caught:
        error = caught
    finally:
        talk.finish(error)
        async with changed:
            changed.notify_all()


def _hang_up(link: AsyncLink, receiving: asyncio.Task[None]) -> None:
    link.cancel()
    receiving.cancel()


class AsyncSession:
    """Both ends of a stream that has started; a task receives, so that writing goes on while nobody reads.

    A session that is dropped hangs up.
    """

    def __init__(self, link: AsyncLink, started: Any) -> None:
        self._started = started
        self._link = link
        self._dialogue = Dialogue()
        self._changed = asyncio.Condition()
        self._receiving = asyncio.create_task(_receive(link, self._dialogue, self._changed), name="kukeon session")

    @classmethod
    async def over(cls, link: AsyncLink) -> Self:
        """Return the session once it has started. Raises what keeps it from that."""
        try:
            return cls(link, dialogue.started(await link.receive()))
        except BaseException:
            link.cancel()
            raise

    async def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size. After the end this does nothing."""
        self._link.send("resize", model.WindowSize(rows=rows, columns=columns))

    async def close(self) -> None:
        """Hang up, whether or not it is over; whoever waits gets `Conflict`. Twice is fine."""
        self._dialogue.closed = True
        _hang_up(self._link, self._receiving)
        async with self._changed:
            self._changed.notify_all()
        # Not awaited: whoever closes may be cancelled meanwhile, and has to notice.
        await asyncio.wait({self._receiving})

    def __del__(self) -> None:
        """Hang up on behalf of whoever dropped it; in a loop that is closed there is nothing left to do."""
        with contextlib.suppress(RuntimeError):  # garbage is collected on any thread
            self._receiving.get_loop().call_soon_threadsafe(_hang_up, self._link, self._receiving)

    async def __aenter__(self) -> Self:
        """Return the session itself; leaving the block hangs up."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Hang up."""
        await self.close()

    async def _next(self) -> Part | None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._dialogue.readable)
            piece = self._dialogue.read()
            self._changed.notify_all()
            return piece


class AsyncExecSession(AsyncSession):
    """A program that was started in a container, like `kukeon_sdk.sessions.ExecSession`.

    `asyncio.timeout` limits how long one waits; the session goes on after it.
    """

    @property
    def pid(self) -> int:
        """The program's process id, as the host sees it."""
        pid: int = self._started.pid
        return pid

    async def __aiter__(self) -> AsyncIterator[Output]:
        """Yield what the program writes until it has ended.

        Raises `Unavailable` when kukeond goes away before, and `Conflict` when this session is closed before.
        """
        while (piece := await self.read()) is not None:
            yield piece

    async def read(self) -> Output | None:
        """Wait for the next piece of what the program writes; None when it has ended. Raises like iterating."""
        piece = await self._next()
        return Output(*piece) if piece is not None else None

    async def write(self, data: bytes) -> None:
        """Give `data` to the program's input; waits while the program does not take it.

        Raises `Conflict` when the program has ended or its input was closed.
        """
        view = memoryview(data).cast("B")
        while len(view):
            async with self._changed:
                await self._changed.wait_for(lambda: self._dialogue.writable)
                piece = self._dialogue.write(view)
                self._link.send("stdin", piece)
            view = view[len(piece) :]

    async def close_stdin(self) -> None:
        """End the program's input. Twice is fine."""
        if self._dialogue.close_stdin():
            self._link.send("stdin_closed", True)
            async with self._changed:
                self._changed.notify_all()

    async def signal(self, number: int) -> None:
        """Send the program a signal (`signal.SIGTERM`). After its end this does nothing."""
        self._link.send("signal", int(number))

    async def wait(self) -> model.ExitStatus:
        """Wait until the program has ended, dropping what it writes, and return how. Raises like iterating.

        Once that is known it is told, also after `close`.
        """
        try:
            while await self._next() is not None:
                pass
        except errors.Conflict:  # closed, here or by another task
            if self._dialogue.end is None:
                raise
        return self._dialogue.status()

    async def communicate(self, stdin: bytes = b"") -> Completed:
        """Give the program its input, collect what it writes, and wait until it has ended. Raises like iterating.

        When this is cancelled, the session is closed.
        """
        written: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        feeding = asyncio.create_task(self._feed(stdin), name="kukeon session input")
        try:
            memoryview(stdin)  # what has no bytes is refused here, not in that task
            async for stream, data in self:
                written[stream].append(data)
            return Completed(await self.wait(), b"".join(written["stdout"]), b"".join(written["stderr"]))
        except BaseException:
            await self.close()
            raise
        finally:
            feeding.cancel()

    async def _feed(self, stdin: bytes) -> None:
        with contextlib.suppress(errors.Conflict):  # it ended without reading all of it, which is its right
            await self.write(stdin)
            await self.close_stdin()


class AsyncAttachSession(AsyncSession):
    """A container's terminal, like `kukeon_sdk.sessions.AttachSession`."""

    _typed = False

    @property
    def ended(self) -> model.AttachEnded | None:
        """How the terminal's program ended; None as long as it has not."""
        ended: model.AttachEnded | None = self._dialogue.end
        return ended

    @property
    def position(self) -> int:
        """The number of the byte that comes next. Another session goes on there: `attach(doc, position=...)`."""
        return self._dialogue.position

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield what the terminal shows until its program has ended.

        Raises `Unavailable` when kukeond goes away before, and `Conflict` when this session is closed before.
        """
        while shown := await self.read():
            yield shown

    async def read(self) -> bytes:
        """Wait for what the terminal shows next; b"" when its program has ended. Raises like iterating."""
        piece = await self._next()
        return piece[1] if piece is not None else b""

    async def write(self, data: bytes) -> None:
        """Type `data`. After the end this does nothing."""
        for piece in dialogue.pieces(data):
            self._typed = True
            self._link.send("input", piece)

    async def close(self) -> None:
        """Detach, once the terminal has what was typed; whoever waits gets `Conflict`. Twice is fine."""
        leaving, self._dialogue.closed = self._typed and not self._dialogue.closed, True
        try:
            async with self._changed:
                self._changed.notify_all()
            if leaving:
                self._link.send("leave", True)
                await asyncio.wait({self._receiving}, timeout=LEAVING_S)
        finally:
            await super().close()


SESSIONS: dict[str, type[AsyncExecSession] | type[AsyncAttachSession]] = {
    "Exec": AsyncExecSession,
    "Attach": AsyncAttachSession,
}
"""By the method that opens them."""
