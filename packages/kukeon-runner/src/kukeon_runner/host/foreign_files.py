"""Files that a manifest names: anything may be there, and nothing of it may hold us up."""

from __future__ import annotations

import os
import stat


class Unreadable(Exception):
    """Why a file is not what was asked for, in words that follow the file's name."""


def read(path: str, limit_bytes: int) -> bytes:
    """The content of a regular file of at most `limit_bytes`; links are followed. Raises Unreadable."""
    try:
        # Not to wait for the other end of a FIFO, nor to get a terminal that hangs up on us.
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise Unreadable("it is not a regular file")
            # One byte more than is allowed, not by the file's size: files in /proc have none.
            content = b""
            while len(content) <= limit_bytes and (piece := os.read(handle, limit_bytes + 1 - len(content))):
                content += piece
        finally:
            os.close(handle)
    except OSError as error:
        raise Unreadable((error.strerror or str(error)).lower()) from None
    if len(content) > limit_bytes:
        raise Unreadable(f"it has more than {limit_bytes} bytes")
    return content
