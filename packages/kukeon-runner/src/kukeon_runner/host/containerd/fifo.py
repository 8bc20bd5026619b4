"""FIFOs between containerd's shim and us: made by us, opened by both, never waited for by a thread.

A shim opens its ends when the program starts. Before that a FIFO that is read says "end" all the time, so reading
begins afterwards.
"""

from __future__ import annotations

import contextlib
import fcntl
import os

CAPACITY_BYTES = 1024 * 1024
"""The most that a pipe may hold where nobody has changed it: /proc/sys/fs/pipe-max-size, pipe(7)."""

PIECE_BYTES = 256 * 1024


def make(path: str) -> None:
    """Make the FIFO at `path`, for us alone."""
    os.mkfifo(path, 0o600)


class Reader:
    """The reading end of the FIFO at `path`."""

    def __init__(self, path: str) -> None:
        self.fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        # Less is slower and works, too: the kernel limits what all pipes of a user may hold.
        with contextlib.suppress(OSError):
            fcntl.fcntl(self.fd, fcntl.F_SETPIPE_SZ, CAPACITY_BYTES)

    def take(self) -> bytes | None:
        """Return what is there, at most `PIECE_BYTES`; None when nothing is there yet, b"" at the end."""
        try:
            return os.read(self.fd, PIECE_BYTES)
        except BlockingIOError:
            return None

    def close(self) -> None:
        """Let go of it. Twice is fine."""
        self.fd = _closed(self.fd)


class Writer:
    """The writing end of the FIFO at `path`. Nobody needs to read yet."""

    def __init__(self, path: str) -> None:
        # Opened for writing only, a FIFO without a reader is refused: fifo(7).
        self.fd = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._path = path

    def settle(self) -> None:
        """Now that somebody reads, write only: then it shows when they stop. Raises OSError when nobody does."""
        settled = os.open(self._path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        os.close(self.fd)
        self.fd = settled

    def give(self, data: memoryview) -> int:
        """Write what fits and return how much; 0 when nothing does. Raises BrokenPipeError when nobody reads."""
        try:
            return os.write(self.fd, data)
        except BlockingIOError:
            return 0

    def close(self) -> None:
        """Let go of it. Twice is fine."""
        self.fd = _closed(self.fd)


def _closed(fd: int) -> int:
    if fd >= 0:
        os.close(fd)
    return -1
