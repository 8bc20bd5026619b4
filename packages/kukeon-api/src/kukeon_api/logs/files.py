"""A log that is rotated while it is read: `path`, `path.1` (older), `path.2` (older still), ...

Its bytes come once each and in order, whatever is renamed meanwhile. What was rotated away for good before it could be
read is lost, as it is for everybody.

A writer moves files up by one, the oldest first, and makes the new `path` last. So a name's number only grows, a look
at the names in ascending order misses no file, and whatever has the next lower number than a file that has not moved
meanwhile is what was written after it.
"""

from __future__ import annotations

import collections
import errno
import os
import stat
from typing import Self

MAX_FILES = 100
"""What kukelog keeps at most."""

_HEAD_BYTES = 64
_OPEN = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW

Key = tuple[int, int]


class File:
    """One opened file, known by its inode whatever it is called by now."""

    def __init__(self, name: str, directory: int, path: str) -> None:
        # Nothing but a regular file is a log: opening a pipe would wait for ever.
        self.fd = os.open(name, _OPEN, dir_fd=directory)
        found = os.fstat(self.fd)
        if not stat.S_ISREG(found.st_mode):
            os.close(self.fd)
            raise OSError(errno.EINVAL, "not a regular file", path)
        self.key: Key = (found.st_dev, found.st_ino)
        self.offset = 0

    @property
    def size(self) -> int:
        return os.fstat(self.fd).st_size

    @property
    def identity(self) -> tuple[Key, bytes]:
        """Tells the file from a later one that got its inode."""
        return self.key, os.pread(self.fd, _HEAD_BYTES, 0)

    def close(self) -> None:
        os.close(self.fd)


class RotatedFiles:
    """The files of one log, oldest first, of which the first is the one being read.

    There may be none yet, nor their directory; errors of opening what is there are raised as OSError.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._directory_path, self._name = os.path.split(path)
        self._directory = -1
        self._older: collections.deque[tuple[Key, bytes]] = collections.deque(maxlen=2 * MAX_FILES)
        self.files: list[File] = []
        self.stop: tuple[File, int] | None = None
        """The file in which to stop, and where in it."""
        self.taken_back = 0
        """How many of the `held` bytes the last `read` found cut off the file: half a line that the disk refused."""
        try:
            self.files = self._present()
        except BaseException:
            self.close()
            raise

    def read(self, limit: int, held: int = 0) -> bytes:
        """Return at most `limit` bytes of what comes next, b"" when there is no more for now.

        `held` says how many bytes the caller could take back. See `taken_back`.
        """
        self.taken_back = 0
        while True:
            if not self.files:
                self.files = self._present()
                if not self.files:
                    return b""
            if piece := self._read(limit, held):
                return piece
            if self.stop is not None and self.files[0] is self.stop[0]:
                return b""
            if len(self.files) == 1:
                if not self._advance():
                    return b""
                # Nothing is written any more to a file that has a successor; until now something was.
                if piece := self._read(limit, held):
                    return piece
            self.skip()

    def skip(self) -> None:
        """Go on with the file after the one being read."""
        first = self.files.pop(0)
        self._older.append(first.identity)
        first.close()

    @property
    def gone(self) -> bool:
        """Whether the log's directory was removed, or replaced, since there was one."""
        if self._directory < 0:
            return False
        mine = os.fstat(self._directory)
        try:
            found = os.stat(self._directory_path or ".")  # noqa: PTH116 (a string throughout)
        except (FileNotFoundError, NotADirectoryError):
            return True
        return (found.st_dev, found.st_ino) != (mine.st_dev, mine.st_ino)

    def close(self) -> None:
        """Close all files. Twice is fine."""
        while self.files:
            self.files.pop().close()
        if self._directory >= 0:
            os.close(self._directory)
            self._directory = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, limit: int, held: int) -> bytes:
        current = self.files[0]
        if self.stop is not None and current is self.stop[0]:
            limit = max(0, min(limit, self.stop[1] - current.offset))
        piece = os.pread(current.fd, limit, current.offset)
        if not piece and (size := current.size) < current.offset:
            # Somebody emptied it in place; or its writer, whom the disk refused the rest of a line, took back its half.
            cut = current.offset - size
            self.taken_back = cut if cut <= held else held
            current.offset = size if cut <= held else 0
            piece = os.pread(current.fd, limit, current.offset)
        current.offset += len(piece)
        return piece

    def _advance(self) -> bool:
        """Take up what came after the file being read; return whether there is any."""
        current = self.files[-1]
        while True:
            number = self._number(current)
            if number is None:
                # It was rotated away while it was read, or somebody removed it: what is not older than it is newer.
                found = self._present()
                known = {*self._older, current.identity}
                newer = [file for file in found if file.identity not in known]
                for file in found:
                    if file not in newer:
                        file.close()
                self.files += newer
                return bool(newer)
            if number == 0:
                return False
            if self._successor(current, number):
                return True
            if self._key(number) == current.key:
                # A rotation is under way, whose end will be noticed; or the newest file was removed.
                return False

    def _successor(self, current: File, number: int) -> bool:
        """Take up the file with the next lower number than `number`, unless the names change meanwhile."""
        for lower in range(number - 1, -1, -1):
            try:
                file = self._open(lower)
            except FileNotFoundError:
                continue
            between = all(self._key(each) is None for each in range(lower + 1, number))
            if between and self._key(number) == current.key:
                self.files.append(file)
                return True
            file.close()
            return False
        return False

    def _present(self) -> list[File]:
        """Open the files that there are; the caller owns them."""
        if self._directory < 0:
            try:
                self._directory = os.open(self._directory_path or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            except FileNotFoundError:
                return []
        found: list[File] = []
        seen: set[Key] = set()
        try:
            for number in range(MAX_FILES + 1):
                try:
                    file = self._open(number)
                except FileNotFoundError:
                    continue
                if file.key in seen:
                    # It was renamed between two looks.
                    file.close()
                    continue
                seen.add(file.key)
                found.append(file)
        except BaseException:
            for file in found:
                file.close()
            raise
        return found[::-1]

    def _number(self, file: File) -> int | None:
        """The number that the file has now; None when it has none any more."""
        if os.fstat(file.fd).st_nlink == 0:
            return None
        return next((number for number in range(MAX_FILES + 1) if self._key(number) == file.key), None)

    def _key(self, number: int) -> Key | None:
        try:
            found = os.stat(self._file_name(number), dir_fd=self._directory, follow_symlinks=False)
        except FileNotFoundError:
            return None
        return found.st_dev, found.st_ino

    def _open(self, number: int) -> File:
        name = self._file_name(number)
        return File(name, self._directory, f"{self._directory_path}/{name}")

    def _file_name(self, number: int) -> str:
        return f"{self._name}.{number}" if number else self._name
