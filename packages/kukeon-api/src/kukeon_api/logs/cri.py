"""The log format of container runtimes: `2026-11-21T10:00:00.123456789Z stdout F text`, a line each. Pure.

The tag `P` says that the text goes on in the next line of the same stream, `F` that it ends here. A line tagged
`F:start`, without text, is where a run of the container begins: programs cannot write one, since whatever they write
gets a time, a stream and a tag of its own in front. Readers that know one letter of a tag take it for an empty line.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import NamedTuple

from kukeon_api import duration, errors
from kukeon_api.model.streams import LogEntry, LogStream

STAMP_BYTES = 30
_TEXT_AT = STAMP_BYTES + 10
"""Where the text begins behind a tag of one letter."""

START = b" stderr F:start "
"""What follows the time where a run begins."""

MAX_JOINED_BYTES = 1 << 20
"""A longer line is delivered in pieces, so that a program that never ends one cannot take all memory."""

_STREAMS = {b" stdout ": LogStream.STDOUT, b" stderr ": LogStream.STDERR}
_DATE = re.compile(r"\d{4}-")
_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z")


class Line(NamedTuple):
    """One line of a log; `stamp` is its time as written, empty when the line is in another format."""

    stamp: bytes
    stream: LogStream
    partial: bool
    text: bytes


def parse(line: bytes) -> Line:
    """Return what one line (without its end) says; a line in another format is text, as if from stdout."""
    stream = _STREAMS.get(line[STAMP_BYTES : STAMP_BYTES + 8])
    tag = line[STAMP_BYTES + 8 : _TEXT_AT]
    if stream is None or tag not in (b"F ", b"P ") or not _STAMP.match(line):
        return Line(b"", LogStream.STDOUT, partial=False, text=line)
    return Line(line[:STAMP_BYTES], stream, tag == b"P ", line[_TEXT_AT:])


def is_start(line: bytes) -> bool:
    """Tell whether a run begins with this line (without its end)."""
    return line[STAMP_BYTES:] == START and _STAMP.match(line) is not None


def time_of(stamp: bytes) -> dt.datetime | None:
    """The time that a stamp says, to the microsecond; None for an empty one, or one that is no time."""
    try:
        return dt.datetime.fromisoformat(stamp.decode("ascii")) if stamp else None
    except ValueError:
        return None


def stamp_of(time: dt.datetime) -> bytes:
    """`time` as it is written in logs. Stamps compare as times do."""
    utc = time.astimezone(dt.UTC)
    return f"{utc:%Y-%m-%dT%H:%M:%S}.{utc.microsecond:06d}000Z".rjust(STAMP_BYTES, "0").encode()


def read_since(text: str, now: dt.datetime) -> bytes:
    """The stamp that `text` means, a time (RFC 3339) or an age like 5m; empty for empty. Raises Invalid."""
    if not text:
        return b""
    try:
        if _DATE.match(text):
            return stamp_of(_time(text))
        return stamp_of(now - dt.timedelta(seconds=abs(duration.parse(text))))
    except (ValueError, OverflowError, errors.Invalid):
        raise errors.Invalid(
            f"cannot read {text[:64]!r} as a time or an age",
            hint="write 2026-11-21T10:00:00Z, or how long ago it was, like 5m",
        ) from None


def _time(text: str) -> dt.datetime:
    found = dt.datetime.fromisoformat(text.upper())
    # A time without its offset is meant as this host's clock shows it.
    return found if found.tzinfo is not None else found.astimezone()


class Joiner:
    """Makes entries out of lines: pieces of one line are put together."""

    def __init__(self) -> None:
        self._open: dict[LogStream, tuple[bytes, bytearray]] = {}

    def add(self, line: Line) -> LogEntry | None:
        """The entry that `line` completes; None when it goes on, and is not too long yet."""
        if not line.partial and line.stream not in self._open:
            return LogEntry(stream=line.stream, data=line.text, at=time_of(line.stamp))
        stamp, text = self._open.setdefault(line.stream, (line.stamp, bytearray()))
        text += line.text
        if line.partial and len(text) < MAX_JOINED_BYTES:
            return None
        del self._open[line.stream]
        return LogEntry(stream=line.stream, data=bytes(text), at=time_of(stamp), partial=line.partial)

    def flush(self) -> list[LogEntry]:
        """What there is of lines that have not ended, since nothing more comes for now."""
        found, self._open = self._open, {}
        return [
            LogEntry(stream=stream, data=bytes(text), at=time_of(stamp), partial=True)
            for stream, (stamp, text) in found.items()
        ]
