"""The file that keeps what a terminal showed, rotated by size: `path`, `path.1` (older), `path.2`, ...

A disk that is full, or gone, costs the bytes that it did not take and nothing else: what is missing is counted, tried
again, and told in the file when it takes bytes again.
"""
# ruff: noqa: PTH104, PTH108 - pathlib would cost memory, and os has the flags that we need

from __future__ import annotations

import errno
import os
import stat
import time

RETRY_S = 1.0
"""How long a file that could not be opened is left alone."""

_NEWLINE = ord("\n")

SLACK_BYTES = 64 * 1024
"""How far beyond its limit a file may grow in order to end with a line."""


class Capture:
    """Appends to `path`; `rotated` counts the bytes that have left the file of this name since the beginning."""

    def __init__(self, path: str, gid: int, *, max_bytes: int, max_files: int, rotated: int = 0) -> None:
        self.path = path
        self.rotated = rotated
        self.lost = 0
        """Bytes that were never written, since the last time that this was told in the file."""
        self.error = ""
        self._gid = gid
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._fd = -1
        self._size = 0
        self._line_ended = False
        self._retry_at = 0.0
        self._open()

    @property
    def written(self) -> int:
        """Bytes written since the beginning, over all files."""
        return self.rotated + self._size

    def append(self, chunk: bytes) -> bool:
        """Write `chunk`; True when the file was rotated for it. What can't be written is counted as lost."""
        if self._fd < 0 and time.monotonic() >= self._retry_at:
            self._open()
        if self._fd < 0:
            self.lost += len(chunk)
            return False
        if self.lost and not self._tell():
            self.lost += len(chunk)
            return False
        rotated = False
        room = self._max_bytes - self._size
        if self._size and len(chunk) > room:
            cut = chunk.rfind(b"\n", 0, max(room, 0)) + 1
            if cut or self._line_ended or -room > SLACK_BYTES:
                self._write(chunk[:cut])
                self._rotate()
                chunk, rotated = chunk[cut:], True
        self._write(chunk)
        return rotated

    def tail(self, size: int) -> bytes:
        """The last `size` bytes written, or as many as there are in this file and the one before."""
        last = _end_of(self.path, size)
        if len(last) < size:
            last = _end_of(f"{self.path}.1", size - len(last)) + last
        return last

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        try:
            self._fd = os.open(self.path, flags, 0o640)
            if not stat.S_ISREG(os.fstat(self._fd).st_mode):
                raise OSError(errno.EINVAL, "not a regular file", self.path)
            os.fchmod(self._fd, 0o640)
            if self._gid:
                os.fchown(self._fd, -1, self._gid)
            self._size = os.fstat(self._fd).st_size
        except OSError as error:
            self._failed(error)
            self.close()
            self._retry_at = time.monotonic() + RETRY_S

    def _write(self, chunk: bytes) -> None:
        rest = memoryview(chunk)
        while rest and self._fd >= 0:
            try:
                count = os.write(self._fd, rest)
            except OSError as error:
                self._failed(error)
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    self.close()
                    self._retry_at = time.monotonic() + RETRY_S
                break
            self._size += count
            self._line_ended = rest[count - 1] == _NEWLINE
            rest = rest[count:]
        self.lost += len(rest)

    def _tell(self) -> bool:
        """Write how much is missing here; False when the disk does not take even that."""
        # The line that was cut off ends first.
        text = f"\r\n[kukeon: {self.lost} bytes of output are missing here: {self.error}]\r\n".encode()
        try:
            count = os.write(self._fd, text)
        except OSError as error:
            self._failed(error)
            return False
        self._size += count
        self.lost = 0
        self.error = ""
        return True

    def _failed(self, error: OSError) -> None:
        if not self.error:
            print(f"cannot write {self.path!r}: {error.strerror}", flush=True)
        self.error = error.strerror or str(error)

    def _rotate(self) -> None:
        try:
            for number in range(self._max_files - 1, 0, -1):
                older = f"{self.path}.{number}"
                newer = self.path if number == 1 else f"{self.path}.{number - 1}"
                if newer == self.path or os.path.lexists(newer):
                    os.rename(newer, older)
            if self._max_files == 1:
                os.unlink(self.path)
        except OSError as error:
            self._failed(error)
            return
        self.rotated += self._size
        self._size = 0
        self.close()
        self._open()


def _end_of(path: str, size: int) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return b""
    try:
        whole = os.fstat(fd).st_size
        return os.pread(fd, size, max(0, whole - size))
    except OSError:
        return b""
    finally:
        os.close(fd)
