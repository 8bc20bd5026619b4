"""A program in a container at the other end of our own standard streams.

The main thread copies what the program writes. One thread copies what we read, another hands signals on, because what
waits for the program's input must not keep a Ctrl-C from it.
"""

from __future__ import annotations

import contextlib
import os
import queue
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_sdk import own_terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from kukeon_api.model import ExitStatus
    from kukeon_sdk.sessions import ExecSession

PIECE_BYTES = 256 * 1024

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)

PRESSES = 3
WITHIN_S = 1.0
"""Ctrl-C so often in so many seconds is for kuke itself: the program does not want to hear it."""


def hold(start: Callable[[], ExecSession], *, stdin: int | None, terminal: int | None) -> ExitStatus:
    """Have the program started, talk until it has ended, and return how.

    `stdin` is the descriptor that it reads from, None when it reads nothing; `terminal` that of our terminal, if it is
    the program's, too. Leaving this early ends the session; the terminal is always given back.
    """
    with contextlib.ExitStack() as held:
        # Before the start, or a program that has just begun would be left behind by what ends us then.
        signals = held.enter_context(_Signals(terminal).handled())
        session = held.enter_context(start())
        signals.belong_to(session)
        if terminal is not None and stdin is not None:
            held.enter_context(own_terminal.raw(stdin))
        shown = held.enter_context(own_terminal.Screen(sys.stdout.fileno(), its=terminal is not None))
        if stdin is not None:
            threading.Thread(target=_feed, args=(session, stdin), name="kuke input", daemon=True).start()
        elif terminal is None:
            session.close_stdin()
        for stream, data in session:
            if stream == "stdout":
                shown.show(data)
            else:
                own_terminal.write(sys.stderr.fileno(), data)
        return session.wait()


def _feed(session: ExecSession, stdin: int) -> None:
    """Copy what we read to the program. Runs on a thread that ends with the process."""
    # Input that is closed under us, or a terminal that is gone, has ended like any other.
    with contextlib.suppress(errors.Conflict, OSError):
        while data := os.read(stdin, PIECE_BYTES):
            session.write(data)
    session.close_stdin()


class _Signals:
    """Signals for us that are meant for the program."""

    def __init__(self, terminal: int | None) -> None:
        self._session: ExecSession | None = None
        self._terminal = terminal
        self._pressed: list[float] = []
        # May be put to at any moment, also in the middle of a put.
        self._queue: queue.SimpleQueue[int | None] = queue.SimpleQueue()

    @contextlib.contextmanager
    def handled(self) -> Iterator[_Signals]:
        """Handle them in the block. Only the main thread may do this."""
        handlers = dict.fromkeys(FORWARDED, self._forward) | {signal.SIGHUP: _hang_up}
        if self._terminal is not None:
            handlers[signal.SIGWINCH] = self._forward
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            self._queue.put(None)

    def belong_to(self, session: ExecSession) -> None:
        """From now on hand them on; before, they are for us."""
        self._session = session
        threading.Thread(target=self._send, args=(session,), name="kuke signals", daemon=True).start()

    def _forward(self, number: int, frame: FrameType | None) -> None:
        if self._session is None and number != signal.SIGWINCH:
            raise KeyboardInterrupt if number == signal.SIGINT else own_terminal.Left(128 + number)
        if number == signal.SIGINT:
            now = time.monotonic()
            self._pressed = [*(at for at in self._pressed if now - at < WITHIN_S), now]
            if len(self._pressed) >= PRESSES:
                raise KeyboardInterrupt
        self._queue.put(number)

    def _send(self, session: ExecSession) -> None:
        while (number := self._queue.get()) is not None:
            if number == signal.SIGWINCH and self._terminal is not None:
                session.resize(*own_terminal.size(self._terminal))
            else:
                session.signal(number)


def _hang_up(number: int, frame: FrameType | None) -> None:
    raise own_terminal.Left(128 + number)
