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

    async def cancel(self) -> None:
        """Hang up."""


class AsyncSession:
    """Both ends of a stream that has started; a task receives, so that writing goes on while nobody reads."""

    def __init__(self, link: AsyncLink, started: Any) -> None:
        self._started = started
        self._link = link
        self._changed = asyncio.Condition()
        self._pieces: collections.deque[Output] = collections.deque()
        self._ahead = 0
        self._closed = False
        self._ended = False
        self._error: errors.KukeonError | None = None
        self._receiving = asyncio.create_task(self._receive(), name="kukeon session")

    @classmethod
    async def over(cls, link: AsyncLink) -> Self:
        """Return the session once it has started. Raises what keeps it from that."""
        try:
            first = await link.receive()
            if first is None or first[0] != parts.STARTED:
                raise errors.HostError("cannot start: kukeond did not answer with what it had started")
            return cls(link, first[1])
        except BaseException:
            await link.cancel()
            raise

    async def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size. After the end this does nothing."""
        self._link.send("resize", model.WindowSize(rows=rows, columns=columns))

    async def close(self) -> None:
        """Hang up, whether or not it is over. Twice is fine."""
        self._closed = True
        self._receiving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._receiving
        await self._link.cancel()
        async with self._changed:
            self._changed.notify_all()

    async def __aenter__(self) -> Self:
        """Return the session itself; leaving the block hangs up."""
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Hang up."""
        await self.close()

    async def _next(self) -> Output | None:
        async with self._changed:
            await self._changed.wait_for(lambda: self._pieces or self._ended or self._closed)
            if self._closed:
                raise errors.Conflict("cannot go on: this session was closed")
            if self._pieces:
                piece = self._pieces.popleft()
                self._ahead -= len(piece.data)
                self._changed.notify_all()
                return piece
            if self._error is not None:
                raise self._error
            return None

    async def _receive(self) -> None:
        try:
            while (part := await self._link.receive()) is not None:
                await self._take(*part)
        except errors.KukeonError as error:
            self._error = error
        finally:
            self._ended = True
            async with self._changed:
                self._changed.notify_all()

    async def _take(self, name: str, value: Any) -> None:
        raise NotImplementedError

    async def _hold(self, piece: Output) -> None:
        """Keep a piece for whoever reads, once there is room for it."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ahead < AHEAD_BYTES)
            self._pieces.append(piece)
            self._ahead += len(piece.data)
            self._changed.notify_all()


class AsyncExecSession(AsyncSession):
    """A program that was started in a container, like `kukeon_sdk.sessions.ExecSession`."""

    def __init__(self, link: AsyncLink, started: Any) -> None:
        self._status: model.ExitStatus | None = None
        self._room = parts.WINDOW_BYTES
        self._stdin_closed = False
        super().__init__(link, started)

    @property
    def pid(self) -> int:
        """The program's process id, as the host sees it."""
        pid: int = self._started.pid
        return pid

    async def __aiter__(self) -> AsyncIterator[Output]:
        """Yield what the program writes until it has ended. Raises `Unavailable` when kukeond goes away before."""
        while (piece := await self._next()) is not None:
            yield piece

    async def read(self) -> Output | None:
        """Wait for the next piece of what the program writes; None when it has ended. Raises like iterating."""
        return await self._next()

    async def write(self, data: bytes) -> None:
        """Give `data` to the program's input; waits while the program does not take it.

        Raises `Conflict` when the program has ended or its input was closed.
        """
        view = memoryview(data)
        while len(view):
            async with self._changed:
                await self._changed.wait_for(
                    lambda: self._room > 0 or self._ended or self._closed or self._stdin_closed
                )
                if self._ended or self._closed or self._stdin_closed:
                    raise errors.Conflict("cannot write to the program: it has ended or its input is closed")
                piece = bytes(view[: min(self._room, parts.PIECE_BYTES)])
                self._room -= len(piece)
                self._link.send("stdin", piece)
            view = view[len(piece) :]

    async def close_stdin(self) -> None:
        """End the program's input. Twice is fine."""
        if not self._stdin_closed:
            self._stdin_closed = True
            self._link.send("stdin_closed", True)
            async with self._changed:
                self._changed.notify_all()

    async def signal(self, number: int) -> None:
        """Send the program a signal (`signal.SIGTERM`). After its end this does nothing."""
        self._link.send("signal", int(number))

    async def wait(self) -> model.ExitStatus:
        """Wait until the program has ended, dropping what it writes, and return how. Raises like iterating."""
        while await self._next() is not None:
            pass
        if self._status is None:
            raise errors.HostError("cannot tell how the program ended: kukeond did not say")
        return self._status

    async def communicate(self, stdin: bytes = b"") -> Completed:
        """Give the program its input, collect what it writes, and wait until it has ended. Raises like iterating."""
        written: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        feeding = asyncio.create_task(self._feed(stdin), name="kukeon session input")
        try:
            async for stream, data in self:
                written[stream].append(data)
        finally:
            feeding.cancel()
        return Completed(await self.wait(), b"".join(written["stdout"]), b"".join(written["stderr"]))

    async def _feed(self, stdin: bytes) -> None:
        with contextlib.suppress(errors.Conflict):  # it ended without reading all of it, which is its right
            await self.write(stdin)
            await self.close_stdin()

    async def _take(self, name: str, value: Any) -> None:
        match name:
            case "stdout" | "stderr":
                await self._hold(Output(name, value))
            case "stdin_taken":
                async with self._changed:
                    self._room += value
                    self._changed.notify_all()
            case "exit":
                self._status = value


class AsyncAttachSession(AsyncSession):
    """A container's terminal, like `kukeon_sdk.sessions.AttachSession`."""

    def __init__(self, link: AsyncLink, started: Any) -> None:
        self.ended: model.AttachEnded | None = None
        """How the terminal's program ended; None as long as it has not."""
        super().__init__(link, started)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield what the terminal shows until its program has ended. Raises `Unavailable` when kukeond goes before."""
        while (piece := await self._next()) is not None:
            yield piece.data

    async def write(self, data: bytes) -> None:
        """Type `data`. After the end this does nothing."""
        view = memoryview(data)
        for start in range(0, len(view), parts.PIECE_BYTES):
            self._link.send("input", bytes(view[start : start + parts.PIECE_BYTES]))

    async def _take(self, name: str, value: Any) -> None:
        match name:
            case "output":
                await self._hold(Output(name, value))
            case "ended":
                self.ended = value


SESSIONS: dict[str, type[AsyncExecSession] | type[AsyncAttachSession]] = {
    "Exec": AsyncExecSession,
    "Attach": AsyncAttachSession,
}
"""By the method that opens them."""
