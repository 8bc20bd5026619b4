"""The door to inotify(7): wait until something happens to the files of a directory."""

from __future__ import annotations

import ctypes
import os
import select
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from types import TracebackType

# Values from <sys/inotify.h>.
_IN_MODIFY = 0x002
_IN_MOVED_FROM = 0x040
_IN_MOVED_TO = 0x080
_IN_CREATE = 0x100
_IN_DELETE = 0x200
_IN_DELETE_SELF = 0x400
_IN_MOVE_SELF = 0x800
_IN_ONLYDIR = 0x01000000
_IN_CLOEXEC = os.O_CLOEXEC
_IN_NONBLOCK = os.O_NONBLOCK

_WATCHED = (
    _IN_MODIFY | _IN_MOVED_FROM | _IN_MOVED_TO | _IN_CREATE | _IN_DELETE | _IN_DELETE_SELF | _IN_MOVE_SELF | _IN_ONLYDIR
)
_BUFFER_BYTES = 1 << 16


class Watch:
    """Tells when something in `directory` was written, made, renamed or removed; raises OSError when it can't watch.

    The directory may go away; then `wait` returns at once and `gone` is what to ask.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(_IN_CLOEXEC | _IN_NONBLOCK)
        if self._fd < 0:
            raise _last_error(directory)
        if libc.inotify_add_watch(self._fd, os.fsencode(directory), _WATCHED) < 0:
            error = _last_error(directory)
            self.close()
            raise error

    def wait(self, timeout_s: float | None = None) -> bool:
        """Sleep until something happened since the last call, and return True; False when the time ran out."""
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        if not poll.poll(None if timeout_s is None else timeout_s * 1000):
            return False
        # What happened does not matter: whoever waits looks at the files themselves. So an overflow is harmless too.
        while True:
            try:
                if not os.read(self._fd, _BUFFER_BYTES):
                    return True
            except BlockingIOError:
                return True

    def gone(self) -> bool:
        """Tell whether the directory is no longer there."""
        return not os.path.isdir(self.directory)  # noqa: PTH112 (a string, as the watch was made with)

    def close(self) -> None:
        """Stop watching. Twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _last_error(directory: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), directory)
