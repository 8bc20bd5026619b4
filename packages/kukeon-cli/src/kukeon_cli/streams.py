"""The standard streams of this process, which a shell may close, fill up or tie to anything."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

STDOUT = "standard output"
STDIN = "standard input"


class _Out(io.FileIO):
    """Standard output as a file whose errors say that they are its own."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as exc:
            exc.filename = STDOUT
            raise


def prepare() -> None:
    """Make `sys.stdout` and `sys.stderr` fit for use, and keep their descriptors from being taken by something else.

    A closed stdout or stderr is nobody's, which is no error; a closed stdin stays None, because whoever reads from it
    wants something.
    """
    # In this order: the lowest free descriptor is the one that is missing.
    if sys.stdin is None:
        os.open(os.devnull, os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 (open as long as the process)
    else:
        # A locale without a character that somebody used in a label is no reason to fail.
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Out(1, "w", closefd=False)),
            encoding=sys.stdout.encoding,
            errors="backslashreplace",
            line_buffering=sys.stdout.isatty(),
        )
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")


def standard_input() -> BinaryIO:
    """Return standard input for reading bytes; raises `Invalid` when it is closed.

    It has no buffer: a thread that waits in a read would hold the buffer's lock, and Python dies when it ends then.
    """
    from kukeon_api import errors

    if sys.stdin is None or sys.stdin.closed:
        raise errors.Invalid(f"cannot read {STDIN}: it is closed")
    try:
        descriptor = sys.stdin.fileno()
    except io.UnsupportedOperation:
        # Somebody put another stream in its place; no thread of ours outlives it.
        return sys.stdin.buffer
    return cast("BinaryIO", open(descriptor, "rb", buffering=0, closefd=False))


def read(stream: BinaryIO, limit: int) -> bytes:
    """Return what is on `stream` up to its end, at most `limit` bytes, however small the pieces that it gives."""
    pieces: list[bytes] = []
    while limit > 0 and (piece := stream.read(min(limit, 1 << 20))):
        pieces.append(piece)
        limit -= len(piece)
    return b"".join(pieces)
