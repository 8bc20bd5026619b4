"""The door to inotify(7): learn that something happened to the files of directories."""

from __future__ import annotations

import ctypes
import os
import select
import struct
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable
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

_WATCHED = (
    _IN_MODIFY | _IN_MOVED_FROM | _IN_MOVED_TO | _IN_CREATE | _IN_DELETE | _IN_DELETE_SELF | _IN_MOVE_SELF | _IN_ONLYDIR
)
_EVENT = struct.Struct("iIII")
"""struct inotify_event without the name that follows it: watch, mask, cookie, length of the name."""
_BUFFER_BYTES = 1 << 16
OVERFLOW = -1
"""The watch of the event that says that events were lost."""

POLL_S = 0.2
"""How often files are looked at where the kernel gives no more watches."""


class Inotify:
    """One inotify instance. Raises OSError where the kernel gives none, or no more watches."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self.fd: int = self._libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        if self.fd < 0:
            raise _last_error("inotify")

    def add(self, directory: str) -> int:
        """Watch `directory` and return the number of the watch; a directory has one, however often it is added."""
        watch: int = self._libc.inotify_add_watch(self.fd, os.fsencode(directory), _WATCHED)
        if watch < 0:
            raise _last_error(directory)
        return watch

    def remove(self, watch: int) -> None:
        """Watch no longer; a watch that went with its directory is no error."""
        self._libc.inotify_rm_watch(self.fd, watch)

    def read(self) -> tuple[set[int], set[int]]:
        """The watches of what happened since the last call, without waiting, and those of them that have ended.

        What it was does not matter, whoever waits looks at the files; so an overflow of the queue is harmless too.
        """
        happened: set[int] = set()
        ended: set[int] = set()
        while True:
            try:
                events = os.read(self.fd, _BUFFER_BYTES)
            except BlockingIOError:
                return happened, ended
            offset = 0
            while offset < len(events):
                watch, mask, _, length = _EVENT.unpack_from(events, offset)
                happened.add(watch)
                if mask & _IN_IGNORED:
                    ended.add(watch)
                offset += _EVENT.size + length

    def close(self) -> None:
        """Stop watching. Twice is fine."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class Watch:
    """Waits for something to happen in directories; looks now and then where inotify is not to be had."""

    def __init__(self) -> None:
        self._inotify: Inotify | None = None
        self._watched: dict[str, int] = {}
        try:
            self._inotify = Inotify()
        except OSError:
            self._inotify = None

    def cover(self, directories: Iterable[str]) -> bool:
        """Watch `directories` as well, whichever there are; True when one of them was not watched before.

        Whoever gets True looks at the files once more before waiting: what happened until now was not watched.
        """
        before = len(self._watched)
        for directory in directories:
            if self._inotify is None or directory in self._watched:
                continue
            try:
                self._watched[directory] = self._inotify.add(directory)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError:
                self.close()
        return len(self._watched) > before

    def wait(self) -> None:
        """Sleep until something has happened since the last call."""
        if self._inotify is None:
            time.sleep(POLL_S)
            return
        poll = select.poll()
        poll.register(self._inotify.fd, select.POLLIN)
        poll.poll()
        _, ended = self._inotify.read()
        self._watched = {name: watch for name, watch in self._watched.items() if watch not in ended}

    def close(self) -> None:
        """Stop watching. Twice is fine."""
        if self._inotify is not None:
            self._inotify.close()
            self._inotify = None
        self._watched = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _last_error(what: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), what)
