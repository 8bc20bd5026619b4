"""The door to inotify(7): wait until something happens to the files of a directory."""

from __future__ import annotations

import ctypes
import os
import select
import struct
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
_IN_IGNORED = 0x8000
_IN_ONLYDIR = 0x01000000
_IN_CLOEXEC = os.O_CLOEXEC
_IN_NONBLOCK = os.O_NONBLOCK

_WATCHED = (
    _IN_MODIFY | _IN_MOVED_FROM | _IN_MOVED_TO | _IN_CREATE | _IN_DELETE | _IN_DELETE_SELF | _IN_MOVE_SELF | _IN_ONLYDIR
)
_EVENT = struct.Struct("iIII")
"""struct inotify_event without the name that follows it: watch, mask, cookie, length of the name."""
_BUFFER_BYTES = 1 << 16


class Watch:
    """Tells when something in `directory` was written, made, renamed or removed; raises OSError when it can't watch.

    `gone` turns True when the directory itself is removed (and no file in it is open any more) or renamed.
    """

    def __init__(self, directory: str) -> None:
        self.gone = False
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(_IN_CLOEXEC | _IN_NONBLOCK)
        if self._fd < 0:
            raise _last_error(directory)
        if libc.inotify_add_watch(self._fd, os.fsencode(directory), _WATCHED) < 0:
            error = _last_error(directory)
            self.close()
            raise error

    def wait(self) -> None:
        """Sleep until something happened since the last call.

        What it was does not matter, whoever waits looks at the files; so an overflow of the queue is harmless too.
        """
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.poll()
        while True:
            try:
                events = os.read(self._fd, _BUFFER_BYTES)
            except BlockingIOError:
                return
            self._note(events)

    def _note(self, events: bytes) -> None:
        offset = 0
        while offset < len(events):
            _, mask, _, length = _EVENT.unpack_from(events, offset)
            self.gone |= bool(mask & (_IN_DELETE_SELF | _IN_MOVE_SELF | _IN_IGNORED))
            offset += _EVENT.size + length

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
