"""Sessions: programs and terminals in containers, to talk with for as long as they last."""

from __future__ import annotations

import collections
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from kukeon_api import errors, model, parts

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from kukeon_api.parts import Part

# What is read ahead of a caller who does not take it: enough to keep both sides busy, then the program has to wait.
AHEAD_BYTES = 4 * parts.PIECE_BYTES


class Output(NamedTuple):
    """A piece of what a program wrote; `stream` is "stdout" or "stderr". A terminal has stdout only."""

    stream: str
    data: bytes


class Completed(NamedTuple):
    """A program that has ended, with everything that it wrote."""

    status: model.ExitStatus
    stdout: bytes
    stderr: bytes


class Link(Protocol):
    """What carries the parts of a session, both ways."""

    def send(self, name: str, value: Any) -> None:
        """Have a part sent, without waiting; after the end it goes nowhere."""

    def receive(self) -> Part | None:
        """Wait for the next part; None at the end. Raises the error that the session ended with."""

    def cancel(self) -> None:
        """Hang up."""


class Session:
    """Both ends of a stream that has started.

    A thread receives, so that writing goes on while nobody reads. Any thread may write, and one at a time read.
    """

    def __init__(self, link: Link) -> None:
        first = link.receive()
        if first is None or first[0] != parts.STARTED:
            link.cancel()
            raise errors.HostError("cannot start: kukeond did not answer with what it had started")
        self._started = first[1]
        self._link = link
        self._changed = threading.Condition()
        self._pieces: collections.deque[Output] = collections.deque()
        self._ahead = 0
        self._closed = False
        self._ended = False
        self._error: errors.KukeonError | None = None
        threading.Thread(target=self._receive, name="kukeon session", daemon=True).start()

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size. After the end this does nothing."""
        self._link.send("resize", model.WindowSize(rows=rows, columns=columns))

    def close(self) -> None:
        """Hang up, whether or not it is over. Twice is fine."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._link.cancel()

    def __enter__(self) -> Self:
        """Return the session itself; leaving the block hangs up."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Hang up."""
        self.close()

    def _next(self) -> Output | None:
        """Wait for the next piece of output; None after the last one. Raises what the session ended with."""
        with self._changed:
            self._changed.wait_for(lambda: self._pieces or self._ended or self._closed)
            if self._closed:
                raise _hung_up()
            if self._pieces:
                piece = self._pieces.popleft()
                self._ahead -= len(piece.data)
                self._changed.notify_all()
                return piece
            if self._error is not None:
                raise self._error
            return None

    def _receive(self) -> None:
        try:
            while (part := self._link.receive()) is not None:
                self._take(*part)
        except errors.KukeonError as error:
            self._error = error
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _take(self, name: str, value: Any) -> None:
        raise NotImplementedError

    def _hold(self, piece: Output) -> None:
        """Keep a piece for whoever reads, once there is room for it."""
        with self._changed:
            self._changed.wait_for(lambda: self._ahead < AHEAD_BYTES or self._closed)
            self._pieces.append(piece)
            self._ahead += len(piece.data)
            self._changed.notify_all()


class ExecSession(Session):
    """A program that was started in a container; iterate over it for what it writes.

    The program waits while nobody reads what it writes. Leaving the session before the program has ended ends it:
    SIGHUP, then SIGKILL.
    """

    def __init__(self, link: Link) -> None:
        self._status: model.ExitStatus | None = None
        self._room = parts.WINDOW_BYTES
        self._stdin_closed = False
        super().__init__(link)

    @property
    def pid(self) -> int:
        """The program's process id, as the host sees it."""
        pid: int = self._started.pid
        return pid

    def __iter__(self) -> Iterator[Output]:
        """Yield what the program writes until it has ended. Raises `Unavailable` when kukeond goes away before."""
        while (piece := self._next()) is not None:
            yield piece

    def read(self) -> Output | None:
        """Wait for the next piece of what the program writes; None when it has ended. Raises like iterating."""
        return self._next()

    def write(self, data: bytes) -> None:
        """Give `data` to the program's input; waits while the program does not take it.

        Raises `Conflict` when the program has ended or its input was closed.
        """
        view = memoryview(data)
        while len(view):
            with self._changed:
                self._changed.wait_for(lambda: self._room > 0 or self._ended or self._closed or self._stdin_closed)
                if self._ended or self._closed or self._stdin_closed:
                    raise errors.Conflict("cannot write to the program: it has ended or its input is closed")
                piece = bytes(view[: min(self._room, parts.PIECE_BYTES)])
                self._room -= len(piece)
                self._link.send("stdin", piece)
            view = view[len(piece) :]

    def close_stdin(self) -> None:
        """End the program's input. Twice is fine."""
        with self._changed:
            if self._stdin_closed:
                return
            self._stdin_closed = True
            self._changed.notify_all()
            self._link.send("stdin_closed", True)

    def signal(self, number: int) -> None:
        """Send the program a signal (`signal.SIGTERM`). After its end this does nothing."""
        self._link.send("signal", int(number))

    def wait(self) -> model.ExitStatus:
        """Wait until the program has ended, dropping what it writes, and return how. Raises like iterating."""
        while self._next() is not None:
            pass
        if self._status is None:
            raise errors.HostError("cannot tell how the program ended: kukeond did not say")
        return self._status

    def communicate(self, stdin: bytes = b"") -> Completed:
        """Give the program its input, collect what it writes, and wait until it has ended. Raises like iterating."""
        feeding = threading.Thread(target=self._feed, args=(stdin,), name="kukeon session input", daemon=True)
        feeding.start()
        written: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        for stream, data in self:
            written[stream].append(data)
        return Completed(self.wait(), b"".join(written["stdout"]), b"".join(written["stderr"]))

    def _feed(self, stdin: bytes) -> None:
        try:
            self.write(stdin)
        except errors.Conflict:  # it ended without reading all of it, which is its right
            return
        self.close_stdin()

    def _take(self, name: str, value: Any) -> None:
        match name:
            case "stdout" | "stderr":
                self._hold(Output(name, value))
            case "stdin_taken":
                with self._changed:
                    self._room += value
                    self._changed.notify_all()
            case "exit":
                self._status = value


class AttachSession(Session):
    """A container's terminal; iterate over it for what it shows. Leaving the session detaches, and ends nothing."""

    def __init__(self, link: Link) -> None:
        self.ended: model.AttachEnded | None = None
        """How the terminal's program ended; None as long as it has not."""
        super().__init__(link)

    def __iter__(self) -> Iterator[bytes]:
        """Yield what the terminal shows until its program has ended.

        Raises `Unavailable` when kukeond goes away before.
        """
        while (piece := self._next()) is not None:
            yield piece.data

    def write(self, data: bytes) -> None:
        """Type `data`. After the end this does nothing."""
        view = memoryview(data)
        for start in range(0, len(view), parts.PIECE_BYTES):
            self._link.send("input", bytes(view[start : start + parts.PIECE_BYTES]))

    def _take(self, name: str, value: Any) -> None:
        match name:
            case "output":
                self._hold(Output(name, value))
            case "ended":
                self.ended = value


SESSIONS: dict[str, type[ExecSession] | type[AttachSession]] = {"Exec": ExecSession, "Attach": AttachSession}
"""By the method that opens them."""


def _hung_up() -> errors.Conflict:
    return errors.Conflict("cannot go on: this session was closed")
