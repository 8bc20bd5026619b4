"""The log format of container runtimes: `2026-11-21T10:00:00.123456789Z stdout F message`, a line each.

The tag `P` says that the message goes on in the next line of the same stream, `F` that it ends here.
"""

from __future__ import annotations

from typing import NamedTuple

_STREAMS = {b"stdout": 1, b"stderr": 2}


class Entry(NamedTuple):
    """What a program wrote: on which descriptor (1 or 2), and the bytes, with their line end where there was one."""

    descriptor: int
    message: bytes


def parse(line: bytes) -> Entry:
    """Return what one line of a log says; a line that is in another format is taken as it is, as stdout."""
    parts = line.split(b" ", 3)
    if len(parts) < 4 or parts[1] not in _STREAMS or parts[2] not in (b"F", b"P"):
        return Entry(1, line)
    message = parts[3]
    if parts[2] == b"P":
        message = message.removesuffix(b"\n")
    return Entry(_STREAMS[parts[1]], message)
