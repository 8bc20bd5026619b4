"""The log file of a supervised daemon: appended to, and rotated between lines before it grows past its size.

Light on purpose: standard modules that the supervisor has loaded anyway, nothing else.
"""

from __future__ import annotations

import os

MODE = 0o640


class LogFile:
    """`path` with at most `max_bytes` bytes, and the `keep` older ones as `path.1` (newest) to `path.<keep>`."""

    def __init__(self, path: str, max_bytes: int, keep: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._keep = keep
        self._lost_bytes = 0
        self._at_line_start = True
        self._open()

    def _open(self) -> None:
        self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, MODE)
        self._size = os.fstat(self._fd).st_size

    def reopen(self) -> None:
        """Open the path anew, for whoever moved the file away."""
        os.close(self._fd)
        self._open()

    def write(self, data: bytes) -> None:
        """Append `data`. A full disk loses log lines, never the daemon; the loss is noted when it is over."""
        if self._size and self._size + len(data) > self._max_bytes:
            end = 0 if self._at_line_start else data.find(b"\n") + 1
            if end or self._at_line_start:
                self._append(data[:end])
                self._rotate()
                data = data[end:]
        self._append(data)

    def _append(self, data: bytes) -> None:
        if not data:
            return
        if self._lost_bytes:
            data = b"\n(%d bytes of log are lost: the disk refused them)\n" % self._lost_bytes + data
        try:
            written = os.write(self._fd, data)
        except OSError:
            self._lost_bytes += len(data)
            return
        self._lost_bytes = len(data) - written
        self._size += written
        self._at_line_start = data.endswith(b"\n")

    def _rotate(self) -> None:
        os.close(self._fd)
        try:
            for number in range(self._keep, 0, -1):
                older = self._path if number == 1 else f"{self._path}.{number - 1}"
                if os.path.exists(older):  # noqa: PTH110 - pathlib costs a megabyte
                    os.replace(older, f"{self._path}.{number}")  # noqa: PTH105
            if not self._keep:
                os.unlink(self._path)  # noqa: PTH108
        finally:
            self._open()
