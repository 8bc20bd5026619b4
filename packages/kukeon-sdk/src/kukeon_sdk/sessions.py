"""Sessions: programs and terminals in containers, to talk with for as long as they last."""

from __future__ import annotations

import functools
import threading
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, Self

from kukeon_api import errors, model
from kukeon_sdk import dialogue
from kukeon_sdk.deadline import Deadline
from kukeon_sdk.dialogue import Dialogue

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from kukeon_api.parts import Part


LEAVING_S = 1.0
"""How long leaving a terminal waits for it to take what was typed."""


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


def _receive(link: Link, talk: Dialogue, changed: threading.Condition) -> None:
    """Take what comes until the end, on a thread that does not know the session, so that it can be dropped."""
    error = None
    try:
        while (part := link.receive()) is not None:
            with changed:
                changed.wait_for(functools.partial(talk.fits, part))
                talk.take(part)
                changed.notify_all()
    except errors.KukeonError as caught:
        error = caught
    finally:
        with changed:
            talk.finish(error)
            changed.notify_all()


def _hang_up(link: Link, talk: Dialogue, changed: threading.Condition) -> None:
    with changed:
        talk.closed = True
        changed.notify_all()
    link.cancel()


class Session:
    """Both ends of a stream that has started.

    A thread receives, so that writing goes on while nobody reads. Any thread may write or close, and one at a time
    read. A session that is dropped hangs up.
    """

    def __init__(self, link: Link) -> None:
        try:
            self._started = dialogue.started(link.receive())
        except BaseException:
            link.cancel()
            raise
        self._link = link
        self._dialogue = Dialogue()
        self._changed = threading.Condition()
        shared = (link, self._dialogue, self._changed)
        self._hang_up = weakref.finalize(self, _hang_up, *shared)
        self._hang_up.atexit = False  # a process that ends closes its connections
        threading.Thread(target=_receive, args=shared, name="kukeon session", daemon=True).start()

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

    def _next(self, deadline: Deadline) -> Part | None:
        with self._changed:
            if not self._changed.wait_for(lambda: self._dialogue.readable, deadline.left_s()):
                raise errors.TimedOut(
                    f"cannot wait for the program any longer: {deadline.timeout_s:g} s have passed",
                    hint="the session goes on: wait again, or close it",
                )
            piece = self._dialogue.read()
            self._changed.notify_all()
            return piece


class ExecSession(Session):
    """A program that was started in a container; iterate over it for what it writes.

    The program waits while nobody reads what it writes. Leaving the session before the program has ended ends it:
    SIGHUP, then SIGKILL. Sizes and signals that are none end the session with `Invalid`.
    """

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
        piece = self._next(Deadline(timeout))
        return Output(*piece) if piece is not None else None

    def write(self, data: bytes) -> None:
        """Give `data` to the program's input; waits while the program does not take it.

        Raises `Conflict` when the program has ended or its input was closed.
        """
        view = memoryview(data).cast("B")
        while len(view):
            with self._changed:
                self._changed.wait_for(lambda: self._dialogue.writable)
                piece = self._dialogue.write(view)
                self._link.send("stdin", piece)
            view = view[len(piece) :]

    def close_stdin(self) -> None:
        """End the program's input. Twice is fine."""
        with self._changed:
            if self._dialogue.close_stdin():
                self._changed.notify_all()
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
        try:
            while self._next(deadline) is not None:
                pass
        except errors.Conflict:  # closed, here or by another thread
            if self._dialogue.end is None:
                raise
        return self._dialogue.status()

    def communicate(self, stdin: bytes = b"") -> Completed:
        """Give the program its input, collect what it writes, and wait until it has ended. Raises like iterating.

        When this is interrupted, the session is closed.
        """
        feeding = threading.Thread(target=self._feed, args=(stdin,), name="kukeon session input", daemon=True)
        written: dict[str, list[bytes]] = {"stdout": [], "stderr": []}
        try:
            memoryview(stdin)  # what has no bytes is refused here, not on that thread
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


class AttachSession(Session):
    """A container's terminal; iterate over it for what it shows. Leaving the session detaches, and ends nothing.

    What was typed before reaches the program, unless that takes no input.
    """

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
        piece = self._next(Deadline(timeout))
        return piece[1] if piece is not None else b""

    def write(self, data: bytes) -> None:
        """Type `data`. After the end this does nothing."""
        for piece in dialogue.pieces(data):
            self._typed = True
            self._link.send("input", piece)

    def close(self) -> None:
        """Detach, once the terminal has what was typed; whoever waits gets `Conflict`. Twice is fine."""
        with self._changed:
            leaving, self._dialogue.closed = self._typed and not self._dialogue.closed, True
            self._changed.notify_all()
            if leaving:
                self._link.send("leave", True)
                self._changed.wait_for(lambda: self._dialogue.over, LEAVING_S)
        super().close()


SESSIONS: dict[str, type[ExecSession] | type[AttachSession]] = {"Exec": ExecSession, "Attach": AttachSession}
"""By the method that opens them."""
