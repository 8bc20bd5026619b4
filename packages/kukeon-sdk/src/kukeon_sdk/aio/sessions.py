"""Sessions for asyncio: those of `kukeon_sdk.sessions`, awaited."""

from __future__ import annotations

import asyncio
import collections
import contextlib
from typing import TYPE_CHECKING, Any, Protocol, Self

from kukeon_api import errors, model, parts
from kukeon_sdk.sessions import AHEAD_BYTES, Completed, Output

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


class Received:
    """What has come over a link and was not taken yet; nothing here knows the session, so that it can be dropped."""

    def __init__(self) -> None:
        self.changed = asyncio.Condition()
        self.room = parts.WINDOW_BYTES
        """How many bytes of input the program would take now."""
        self.closed = False
        self.over = False
        self.end: Any = None
        """How the program ended, when that was told."""
        self._pieces: collections.deque[Output] = collections.deque()
        self._ahead = 0
        self._told = 0
        """The number of the byte after those that have come."""
        self._error: errors.KukeonError | None = None

    @property
    def position(self) -> int:
        """The number of the byte that comes next."""
        return self._told - self._ahead

    async def receive(self, link: AsyncLink) -> None:
        """Take what comes until the end, in a task of its own."""
        try:
            while (part := await link.receive()) is not None:
                await self._take(*part)
        except errors.KukeonError as error:
            self._error = error
        finally:
            self.over = True
            async with self.changed:
                self.changed.notify_all()

    async def next(self) -> Output | None:
        """Wait for the next piece of output; None after the last one. Raises what the session ended with."""
        async with self.changed:
            await self.changed.wait_for(lambda: self._pieces or self.over or self.closed)
            if self.closed:
                raise errors.Conflict("cannot go on: this session was closed")
            if self._pieces:
                piece = self._pieces.popleft()
                self._ahead -= len(piece.data)
                self.changed.notify_all()
                return piece
            if self._error is not None:
                raise self._error
            return None

    async def _take(self, name: str, value: Any) -> None:
        async with self.changed:
            match name:
                case "stdout" | "stderr" | "output":
                    # Kept for whoever reads, once there is room for it.
                    await self.changed.wait_for(lambda: self._ahead < AHEAD_BYTES)
                    self._pieces.append(Output(name, value))
                    self._ahead += len(value)
                    self._told += len(value)
                case "stdin_taken":
                    self.room += value
                case "position":
                    # What is ahead was counted from where it began.
                    await self.changed.wait_for(lambda: not self._pieces)
                    self._told = value
                case "exit" | "ended":
                    self.end = value
            self.changed.notify_all()


class AsyncSession:
    """Both ends of a stream that has started; a task receives, so that writing goes on while nobody reads.

    A session that is dropped hangs up.
    """

    def __init__(self, link: AsyncLink, started: Any) -> None:
        self._started = started
        self._link = link
        self._received = Received()
        self._receiving = asyncio.create_task(self._received.receive(link), name="kukeon session")

    @classmethod
    async def over(cls, link: AsyncLink) -> Self:
        """Return the session once it has started. Raises what keeps it from that."""
        try:
            first = await link.receive()
            if first is None or first[0] != parts.STARTED:
                raise errors.HostError("cannot start: kukeond did not answer with what it had started")
            return cls(link, first[1])
        except BaseException:
            link.cancel()
            raise

    async def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size. After the end this does nothing."""
        self._link.send("resize", model.WindowSize(rows=rows, columns=columns))

    async def close(self) -> None:
        """Hang up, whether or not it is over; whoever waits gets `Conflict`. Twice is fine."""
        self._received.closed = True
        self._drop()
        # Not awaited: whoever closes may be cancelled meanwhile, and has to notice.
        await asyncio.wait({self._receiving})
        async with self._received.changed:
            self._received.changed.notify_all()

    def _drop(self) -> None:
        self._link.cancel()
        self._receiving.cancel()

    def __del__(self) -> None:
        """Hang up on behalf of whoever dropped it; in a loop that is closed there is nothing left to do."""
        if not self._receiving.get_loop().is_closed():
            self._drop()

    async def __aenter__(self) -> Self:
        """Return the session itself; leaving the block hangs up."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Hang up."""
        await self.close()


class AsyncExecSession(AsyncSession):
    """A program that was started in a container, like `kukeon_sdk.sessions.ExecSession`.

    `asyncio.timeout` limits how long one waits; the session goes on after it.
    """

    def __init__(self, link: AsyncLink, started: Any) -> None:
        self._stdin_closed = False
        super().__init__(link, started)

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
        return await self._received.next()

    async def write(self, data: bytes) -> None:
        """Give `data` to the program's input; waits while the program does not take it.

        Raises `Conflict` when the program has ended or its input was closed.
        """
        view, received = memoryview(data), self._received
        while len(view):
            async with received.changed:
                await received.changed.wait_for(lambda: received.room > 0 or self._shut())
                if self._shut():
                    raise errors.Conflict("cannot write to the program: it has ended or its input is closed")
                piece = bytes(view[: min(received.room, parts.PIECE_BYTES)])
                received.room -= len(piece)
                self._link.send("stdin", piece)
            view = view[len(piece) :]

    async def close_stdin(self) -> None:
        """End the program's input. Twice is fine."""
        if not self._stdin_closed:
            self._stdin_closed = True
            self._link.send("stdin_closed", True)
            async with self._received.changed:
                self._received.changed.notify_all()

    async def signal(self, number: int) -> None:
        """Send the program a signal (`signal.SIGTERM`). After its end this does nothing."""
        self._link.send("signal", int(number))

    async def wait(self) -> model.ExitStatus:
        """Wait until the program has ended, dropping what it writes, and return how. Raises like iterating.

        Once that is known it is told, also after `close`.
        """
        while not (self._received.closed and self._received.end) and await self.read() is not None:
            pass
        status: model.ExitStatus | None = self._received.end
        if status is None:
            raise errors.HostError("cannot tell how the program ended: kukeond did not say")
        return status

    async def communicate(self, stdin: bytes = b"") -> Completed:
        """Give the program its input, collect what it writes, and wait until it has ended. Raises like iterating.

        When this is cancelled, the session is closed.
        """
        written: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        feeding = asyncio.create_task(self._feed(stdin), name="kukeon session input")
        try:
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

    def _shut(self) -> bool:
        return self._stdin_closed or self._received.over or self._received.closed


class AsyncAttachSession(AsyncSession):
    """A container's terminal, like `kukeon_sdk.sessions.AttachSession`."""

    @property
    def ended(self) -> model.AttachEnded | None:
        """How the terminal's program ended; None as long as it has not."""
        ended: model.AttachEnded | None = self._received.end
        return ended

    @property
    def position(self) -> int:
        """The number of the byte that comes next. Another session goes on there: `attach(doc, position=...)`."""
        return self._received.position

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield what the terminal shows until its program has ended.

        Raises `Unavailable` when kukeond goes away before, and `Conflict` when this session is closed before.
        """
        while shown := await self.read():
            yield shown

    async def read(self) -> bytes:
        """Wait for what the terminal shows next; b"" when its program has ended. Raises like iterating."""
        piece = await self._received.next()
        return piece.data if piece is not None else b""

    async def write(self, data: bytes) -> None:
        """Type `data`. After the end this does nothing."""
        view = memoryview(data)
        for start in range(0, len(view), parts.PIECE_BYTES):
            self._link.send("input", bytes(view[start : start + parts.PIECE_BYTES]))


SESSIONS: dict[str, type[AsyncExecSession] | type[AsyncAttachSession]] = {
    "Exec": AsyncExecSession,
    "Attach": AsyncAttachSession,
}
"""By the method that opens them."""
