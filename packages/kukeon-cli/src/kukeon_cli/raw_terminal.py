"""The person's own terminal, handed through key by key, and given back as it was however this ends."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
import tty
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


def size(*descriptors: int) -> tuple[int, int]:
    """Return rows and columns of the first of `descriptors` that is a terminal; zeros when none is."""
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            found = os.get_terminal_size(descriptor)
            return found.lines, found.columns
    return 0, 0


@contextlib.contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """Have every key that is typed at the terminal `descriptor` come at once and unchanged, Ctrl-C and all.

    It is given back at the end of the block, and while this process is stopped from outside (SIGTSTP).
    """
    before = termios.tcgetattr(descriptor)

    def stop(number: int, frame: FrameType | None) -> None:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        os.kill(os.getpid(), signal.SIGSTOP)
        # Going on from here is SIGCONT.
        tty.setraw(descriptor, termios.TCSADRAIN)

    previous = signal.signal(signal.SIGTSTP, stop)
    try:
        tty.setraw(descriptor, termios.TCSADRAIN)  # what was typed ahead is kept
        yield
    finally:
        # A terminal that is gone needs nothing back.
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        signal.signal(signal.SIGTSTP, previous)
