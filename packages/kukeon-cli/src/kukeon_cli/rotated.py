"""A log that is rotated while it is read: `path`, `path.1` (older), `path.2` (older still), ...

Lines are delivered once each and in order. What was rotated away for good before it could be read is lost, as it is
for everybody.
"""

from __future__ import annotations

import collections
import errno
import os
import stat
from typing import TYPE_CHECKING, Self

from kukeon_cli import inotify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

_PIECE_BYTES = 1 << 16
_MAX_LINE_BYTES = 1 << 20
"""A longer line is delivered in pieces, so that a file without line ends cannot take all memory."""
_MAX_FILES = 1000
"""More rotated files than any logger keeps."""


class _File:
    """One opened file, known by its inode whatever it is called by now."""

    def __init__(self, path: str) -> None:
        # Nothing but a regular file is a log: opening a pipe would wait for ever.
        self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        found = os.fstat(self.fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(self.fd)
            raise OSError(errno.EINVAL, "not a regular file", path)
        self.key = (found.st_dev, found.st_ino)

    def truncated(self) -> bool:
        """Tell whether the file is shorter than what was read of it: somebody emptied it in place."""
        return os.fstat(self.fd).st_size < os.lseek(self.fd, 0, os.SEEK_CUR)

    def rewind(self) -> None:
        os.lseek(self.fd, 0, os.SEEK_SET)


class RotatedLog:
    """The lines of a log and of its rotated predecessors, oldest first; raises OSError when there is none to open."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._rest = b""
        self._files = _history(path)

    def lines(self, *, follow: bool = False, tail: int | None = None) -> Iterator[bytes]:
        """Yield lines with their ends, all or the last `tail` of what there is.

        With `follow` go on as they are written, until the log is removed.
        """
        if not follow:
            yield from _last(self._everything(), tail)
            return
        directory = os.path.dirname(self.path) or "."  # noqa: PTH120 (a string throughout)
        with inotify.Watch(directory) as watch:
            # The watch is in place before the first look, so nothing that happens after the look is missed.
            yield from _last(self._available(), tail)
            while True:
                yield from self._available()
                if self._advance():
                    continue
                if self._removed():
                    # What was written between the look and the removal is still in the open file.
                    yield from self._available()
                    break
                watch.wait()
        if self._rest:
            yield self._take_rest()

    def _everything(self) -> Iterator[bytes]:
        yield from self._available()
        if self._rest:
            yield self._take_rest()

    def _available(self) -> Iterator[bytes]:
        """Yield what can be read now; the last file stays open for what comes."""
        while True:
            current = self._files[0]
            if current.truncated():
                current.rewind()
            while piece := os.read(current.fd, _PIECE_BYTES):
                yield from self._split(piece)
            if len(self._files) == 1:
                return
            self._close_first()

    def _split(self, piece: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            yield line + b"\n"
        if len(self._rest) > _MAX_LINE_BYTES:
            yield self._take_rest()

    def _take_rest(self) -> bytes:
        rest, self._rest = self._rest, b""
        return rest

    def _advance(self) -> bool:
        """Take up the files that came after the one being read; return whether there are any."""
        newer = _newer_than(self.path, self._files[-1].key)
        self._files += newer
        return bool(newer)

    def _removed(self) -> bool:
        """Tell whether the log was deleted. A rotation renames it, and so leaves a link to the file being read.

        The directory can't tell: as long as a file of it is open, inotify does not see it go.
        """
        return os.fstat(self._files[-1].fd).st_nlink == 0 and not os.path.exists(self.path)  # noqa: PTH110

    def _close_first(self) -> None:
        os.close(self._files.pop(0).fd)

    def close(self) -> None:
        """Close all files. Twice is fine."""
        while self._files:
            self._close_first()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _last(lines: Iterator[bytes], count: int | None) -> Iterator[bytes]:
    return lines if count is None else iter(collections.deque(lines, maxlen=count))


def wait_until_written(path: str) -> None:
    """Sleep until there is a file at `path`; raises OSError when its directory is not there, or goes away."""
    directory = os.path.dirname(path) or "."  # noqa: PTH120
    with inotify.Watch(directory) as watch:
        while not os.path.exists(path):  # noqa: PTH110
            if watch.gone:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
            watch.wait()


def _walk(path: str) -> Iterator[_File]:
    """Yield the log's files, newest first, each once; the caller owns them."""
    seen = set()
    for number in range(_MAX_FILES):
        try:
            file = _File(f"{path}.{number}" if number else path)
        except FileNotFoundError:
            if number:
                return
            # A rotation is under way: the file has its new name and its successor is not there yet.
            continue
        if file.key in seen:
            # It was renamed between two looks.
            os.close(file.fd)
            continue
        seen.add(file.key)
        yield file


def _history(path: str) -> list[_File]:
    files = list(_walk(path))
    if not files:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return files[::-1]


def _newer_than(path: str, key: tuple[int, int]) -> list[_File]:
    """Return the files that came after the one with `key`, oldest first; all of them when it is gone.

    Without a file at `path` there is none: a rotation is under way, or everything is being removed.
    """
    newer: list[_File] = []
    if not os.path.exists(path):  # noqa: PTH110
        return newer
    for file in _walk(path):
        if file.key == key:
            os.close(file.fd)
            break
        newer.append(file)
    return newer[::-1]
