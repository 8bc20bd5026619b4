"""Sessions: programs and terminals in containers, to talk with for as long as they last."""

from __future__ import annotations

import collections
import threading
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from kukeon_api import errors, model, parts
from kukeon_sdk.deadline import Deadline

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


class Received:
    """What has come over a link and was not taken yet; nothing here knows the session, so that it can be dropped."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
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
        with self.changed:
            return self._told - self._ahead

    def receive(self, link: Link) -> None:
        """Take what comes until the end, on a thread of its own."""
        try:
            while (part := link.receive()) is not None:
                self._take(*part)
        except errors.KukeonError as error:
            self._error = error
        finally:
            with self.changed:
                self.over = True
                self.changed.notify_all()

    def next(self, timeout_s: float | None) -> Output | None:
        """Wait for the next piece of output; None after the last one. Raises what the session ended with."""
        with self.changed:
            if not self.changed.wait_for(lambda: self._pieces or self.over or self.closed, timeout_s):
                raise errors.TimedOut(
                    f"cannot wait for the program any longer: nothing came within {timeout_s:g} s",
                    hint="the session goes on: wait again, or close it",
                )
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

    def close(self) -> None:
        """Have nobody wait any more."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def _take(self, name: str, value: Any) -> None:
        with self.changed:
            match name:
                case "stdout" | "stderr" | "output":
                    # Kept for whoever reads, once there is room for it.
                    self.changed.wait_for(lambda: self._ahead < AHEAD_BYTES or self.closed)
                    self._pieces.append(Output(name, value))
                    self._ahead += len(value)
                    self._told += len(value)
                case "stdin_taken":
                    self.room += value
                case "position":
                    # What is ahead was counted from where it began.
                    self.changed.wait_for(lambda: not self._pieces or self.closed)
                    self._told = value
                case "exit" | "ended":
                    self.end = value
            self.changed.notify_all()


def _hang_up(received: Received, link: Link) -> None:
    received.close()
    link.cancel()


class Session:
    """Both ends of a stream that has started.

    A thread receives, so that writing goes on while nobody reads. Any thread may write or close, and one at a time
    read. A session that is dropped hangs up.
    """

    def __init__(self, link: Link) -> None:
        try:
            first = link.receive()
            if first is None or first[0] != parts.STARTED:
                raise errors.HostError("cannot start: kukeond did not answer with what it had started")
        except BaseException:
            link.cancel()
            raise
        self._started = first[1]
        self._link = link
        self._received = Received()
        self._hang_up = weakref.finalize(self, _hang_up, self._received, link)
        self._hang_up.atexit = False  # a process that ends closes its connections
        receive = threading.Thread(target=self._received.receive, args=(link,), name="kukeon session", daemon=True)
        receive.start()

    def resize(self, rows: int, columns: int) -> None:
        """Tell the terminal its size. After the end this does nothing."""
        self._link.send("resize", model.WindowSize(rows=rows, columns=columns))

    def close(self) -> None:
        """Hang up, whether or not it is over; whoever waits gets `Conflict`. Twice is fine."""
        self._hang_up()

    def __enter__(self) -> Self:
        """Return the session itself; leaving the block hangs up."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Hang up."""
        self.close()


class ExecSession(Session):
    """A program that was started in a container; iterate over it for what it writes.

    The program waits while nobody reads what it writes. Leaving the session before the program has ended ends it:
    SIGHUP, then SIGKILL. Sizes and signals that are none end the session with `Invalid`.
    """

    def __init__(self, link: Link) -> None:
        self._stdin_closed = False
        super().__init__(link)

    @property
    def pid(self) -> int:
        """The program's process id, as the host sees it."""
        pid: int = self._started.pid
        return pid

    def __iter__(self) -> Iterator[Output]:
        """Yield what the program writes until it has ended.

        Raises `Unavailable` when kukeond goes away before, and `Conflict` when this session is closed before.
        """
        while (piece := self.read()) is not None:
            yield piece

    def read(self, timeout: float | None = None) -> Output | None:
        """Wait for the next piece of what the program writes; None when it has ended. Raises like iterating.

        After `timeout` seconds `TimedOut` is raised, and the session goes on.
        """
        return self._received.next(timeout)

    def write(self, data: bytes) -> None:
        """Give `data` to the program's input; waits while the program does not take it.

        Raises `Conflict` when the program has ended or its input was closed.
        """
        view, received = memoryview(data), self._received
        while len(view):
            with received.changed:
                received.changed.wait_for(lambda: received.room > 0 or self._shut())
                if self._shut():
                    raise errors.Conflict("cannot write to the program: it has ended or its input is closed")
                piece = bytes(view[: min(received.room, parts.PIECE_BYTES)])
                received.room -= len(piece)
                self._link.send("stdin", piece)
            view = view[len(piece) :]

    def close_stdin(self) -> None:
        """End the program's input. Twice is fine."""
        with self._received.changed:
            if self._stdin_closed:
                return
            self._stdin_closed = True
            self._received.changed.notify_all()
            self._link.send("stdin_closed", True)

    def signal(self, number: int) -> None:
        """Send the program a signal (`signal.SIGTERM`). After its end this does nothing."""
        self._link.send("signal", int(number))

    def wait(self, timeout: float | None = None) -> model.ExitStatus:
        """Wait until the program has ended, dropping what it writes, and return how. Raises like iterating.

        Once that is known it is told, also after `close`. After `timeout` seconds `TimedOut` is raised, and the
        session goes on.
        """
        deadline = Deadline(timeout)
        while not (self._received.closed and self._received.end) and self.read(deadline.left_s()) is not None:
            pass
        status: model.ExitStatus | None = self._received.end
        if status is None:
            raise errors.HostError("cannot tell how the program ended: kukeond did not say")
        return status

    def communicate(self, stdin: bytes = b"") -> Completed:
        """Give the program its input, collect what it writes, and wait until it has ended. Raises like iterating.

        When this is interrupted, the session is closed.
        """
        feeding = threading.Thread(target=self._feed, args=(stdin,), name="kukeon session input", daemon=True)
        written: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        try:
            feeding.start()
            for stream, data in self:
                written[stream].append(data)
            return Completed(self.wait(), b"".join(written["stdout"]), b"".join(written["stderr"]))
        except BaseException:
            self.close()
            raise

    def _feed(self, stdin: bytes) -> None:
        try:
            self.write(stdin)
        except errors.Conflict:  # it ended without reading all of it, which is its right
            return
        self.close_stdin()

    def _shut(self) -> bool:
        return self._stdin_closed or self._received.over or self._received.closed


class AttachSession(Session):
    """A container's terminal; iterate over it for what it shows. Leaving the session detaches, and ends nothing."""

    @property
    def ended(self) -> model.AttachEnded | None:
        """How the terminal's program ended; None as long as it has not."""
        ended: model.AttachEnded | None = self._received.end
        return ended

    @property
    def position(self) -> int:
        """The number of the byte that comes next. Another session goes on there: `attach(doc, position=...)`."""
        return self._received.position

    def __iter__(self) -> Iterator[bytes]:
        """Yield what the terminal shows until its program has ended.

        Raises `Unavailable` when kukeond goes away before, and `Conflict` when this session is closed before.
        """
        while shown := self.read():
            yield shown

    def read(self, timeout: float | None = None) -> bytes:
        """Wait for what the terminal shows next; b"" when its program has ended. Raises like iterating.

        After `timeout` seconds `TimedOut` is raised, and the session goes on.
        """
        piece = self._received.next(timeout)
        return piece.data if piece is not None else b""

    def write(self, data: bytes) -> None:
        """Type `data`. After the end this does nothing."""
        view = memoryview(data)
        for start in range(0, len(view), parts.PIECE_BYTES):
            self._link.send("input", bytes(view[start : start + parts.PIECE_BYTES]))


SESSIONS: dict[str, type[ExecSession] | type[AttachSession]] = {"Exec": ExecSession, "Attach": AttachSession}
"""By the method that opens them."""
