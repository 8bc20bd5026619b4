"""A pid file that is locked while its owner lives: whoever gets the lock knows that no other owner is left.

Light on purpose: the supervisor, which must stay small, imports it too.
"""

from __future__ import annotations

import fcntl
import os


class Held(Exception):
    """Another process holds the file; `pid` is what it wrote there (it may be empty)."""

    def __init__(self, path: str, pid: str) -> None:
        super().__init__(f"{path!r} is held by {f'process {pid}' if pid else 'another process'}")
        self.pid = pid


class PidFile:
    """The pid file at `path`, world-readable; the lock goes with the process, however it ends."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._fd = -1

    def take(self) -> None:
        """Lock the file and write our pid. Raises `Held`, or OSError when the file can't be made."""
        while self._fd < 0:
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                # Its last owner may have unlinked it between our open and our lock: then lock the new one.
                if same_file(os.fstat(fd), self._path):
                    self._fd, fd = fd, -1
            except BlockingIOError:
                raise Held(self._path, os.pread(fd, 32, 0).decode("ascii", "replace").strip()) from None
            finally:
                if fd >= 0:
                    os.close(fd)
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, b"%d\n" % os.getpid(), 0)

    def release(self) -> None:
        """Unlink the file if it is still ours, and unlock it. Twice is fine."""
        if self._fd < 0:
            return
        if same_file(os.fstat(self._fd), self._path):
            os.unlink(self._path)  # noqa: PTH108 - pathlib costs a megabyte that the supervisor has no use for
        os.close(self._fd)
        self._fd = -1


def same_file(ours: os.stat_result, path: str) -> bool:
    """Tell whether `path` is the very file that `ours` describes."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)
