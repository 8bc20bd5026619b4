"""The terminal that this process runs at: handed through key by key, and given back as it was however this ends."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import termios
import tty
from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_sdk.terminal_modes import TerminalModes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Left(SystemExit):
    """A signal said that it is time to leave, as the terminal is gone or somebody wants us to end."""


def size(*descriptors: int) -> tuple[int, int]:
    """Return rows and columns of the first of `descriptors` that is a terminal; zeros when none is."""
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            found = os.get_terminal_size(descriptor)
            return found.lines, found.columns
    return 0, 0


@contextlib.contextmanager
def leaving(*numbers: signal.Signals) -> Iterator[None]:
    """Have these signals raise `Left` in the block, with the exit code that a shell would tell. In the main thread."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise Left(128 + number)

    with _handling(dict.fromkeys(numbers, leave)):
        yield


@contextlib.contextmanager
def raw(keyboard: int) -> Iterator[None]:
    """Have every key that is typed at the terminal `keyboard` come at once and unchanged, Ctrl-C and all.

    It is given back at the end of the block, and while this process is stopped from outside (SIGTSTP). Call it in the
    main thread. Raises `Invalid` for what is no terminal.
    """
    try:
        before = termios.tcgetattr(keyboard)
    except termios.error as error:
        raise errors.Invalid("cannot use the keyboard: this is not a terminal") from error

    def stop(number: int, frame: FrameType | None) -> None:
        termios.tcsetattr(keyboard, termios.TCSANOW, before)
        os.kill(os.getpid(), signal.SIGSTOP)
        # Going on from here is SIGCONT.
        tty.setraw(keyboard, termios.TCSADRAIN)

    with _handling({signal.SIGTSTP: stop}):
        try:
            tty.setraw(keyboard, termios.TCSADRAIN)  # what was typed ahead is kept
            yield
        finally:
            # A terminal that is gone needs nothing back, and one that takes no output is not waited for.
            with contextlib.suppress(termios.error):
                termios.tcsetattr(keyboard, termios.TCSANOW, before)


class Screen:
    """What shows a program's output; leaving the block takes back the modes that the program has left a terminal in.

    A program that does not know of the terminal (`its`) means what it writes for whoever comes after it.
    """

    def __init__(self, descriptor: int, *, its: bool = True) -> None:
        self._descriptor = descriptor
        self._modes = TerminalModes() if its and os.isatty(descriptor) else None

    def show(self, data: bytes) -> None:
        """Write all of `data`, also to a pipe that does not block. Raises BrokenPipeError when nobody reads."""
        if self._modes is not None:
            self._modes.feed(data)
        write(self._descriptor, data)

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *_: object) -> None:
        if self._modes is not None:
            # The screen itself may be gone.
            with contextlib.suppress(OSError):
                os.write(self._descriptor, self._modes.undo())


def write(descriptor: int, data: bytes) -> None:
    """Write all of `data`, also to a pipe that does not block. Raises BrokenPipeError when nobody reads."""
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[os.write(descriptor, rest) :]
        except BlockingIOError:
            room = select.poll()
            room.register(descriptor, select.POLLOUT)
            room.poll()


@contextlib.contextmanager
def _handling(handlers: dict[signal.Signals, Any]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
