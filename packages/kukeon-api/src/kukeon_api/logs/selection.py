"""Which part of a log is meant: the last lines, those since a time, those of the run before the present one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from kukeon_api.logs import cri

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kukeon_api.logs.files import File

_BLOCK_BYTES = 1 << 16


@dataclass(frozen=True)
class Selection:
    """What to read of a log. `since` is a stamp (see `cri.read_since`), empty for no limit; `tail` counts lines."""

    tail: int | None = None
    since: bytes = b""
    previous: bool = False
    """The run before the last start; runs that wrote nothing are passed over."""


class Place(NamedTuple):
    """Where in a log: the number of the file, oldest first, and the offset in it."""

    file: int
    offset: int


def end_of(files: Sequence[File]) -> Place:
    """Where the log ends now."""
    return Place(len(files) - 1, files[-1].size) if files else Place(0, 0)


def previous_run(files: Sequence[File], end: Place) -> tuple[Place, Place] | None:
    """Where the run before the last start begins and ends; None when the log knows of none that wrote anything."""
    until: Place | None = None
    for start in _starts(files, end):
        after = Place(start.file, start.offset + cri.STAMP_BYTES + len(cri.START) + 1)
        if until is not None and _holds_anything(files, after, until):
            return after, until
        until = start
    # What precedes the oldest start that is left is a run whose own start was rotated away, or was never written.
    beginning = Place(0, 0)
    return (beginning, until) if until is not None and _holds_anything(files, beginning, until) else None


def tail(files: Sequence[File], begin: Place, end: Place, selection: Selection, *, terminal: bool) -> Place:
    """Where the last `selection.tail` lines before `end` begin, within `begin` and what `since` allows."""
    assert selection.tail is not None
    first, count = end, 0
    if selection.tail == 0:
        return end
    for number, (place, line) in enumerate(_lines_backwards(files, begin, end)):
        if terminal:
            # What follows the last line end comes first, and is a line, too, unless it is empty.
            counts, older = bool(line) or number > 0, False
        else:
            said = cri.parse(line)
            counts = not said.partial and not cri.is_start(line) and bool(line)
            older = bool(said.stamp) and said.stamp < selection.since
        if older or (counts and count == selection.tail):
            break
        count += counts
        first = place
    return first


def since(files: Sequence[File], begin: Place, stamp: bytes) -> Place:
    """Where to begin looking for what was written at `stamp` or later: in the first file that can have it."""
    for number in range(len(files) - 1, begin.file, -1):
        first = os.pread(files[number].fd, cri.STAMP_BYTES, 0)
        if len(first) == cri.STAMP_BYTES and first < stamp:
            return Place(number, 0)
    return begin


def _holds_anything(files: Sequence[File], begin: Place, end: Place) -> bool:
    if begin.file == end.file:
        return begin.offset < end.offset
    between = (files[number].size for number in range(begin.file + 1, end.file))
    return begin.offset < files[begin.file].size or any(between) or end.offset > 0


def _starts(files: Sequence[File], end: Place) -> Iterator[Place]:
    """Yield where lines begin that begin a run, the last one first."""
    size = cri.STAMP_BYTES + len(cri.START) + 1
    for number in range(end.file, -1, -1):
        high = end.offset if number == end.file else files[number].size
        while high > 0:
            low = max(0, high - _BLOCK_BYTES)
            # As many bytes more as keep a line that crosses the block's end whole.
            block = os.pread(files[number].fd, high - low + size - 1, low)
            at = len(block)
            while (at := block.rfind(cri.START, 0, at)) >= 0:
                begin = low + at - cri.STAMP_BYTES
                if low <= begin < high and _begins_run(files[number], begin, size):
                    yield Place(number, begin)
            high = low


def _begins_run(file: File, begin: int, size: int) -> bool:
    """Whether a line that begins a run, and not a text that looks so, stands there."""
    before = os.pread(file.fd, 1, begin - 1) if begin else b"\n"
    line = os.pread(file.fd, size, begin)
    return before == b"\n" and line[-1:] == b"\n" and cri.is_start(line[:-1])


def _lines_backwards(files: Sequence[File], begin: Place, end: Place) -> Iterator[tuple[Place, bytes]]:
    """Yield the lines between, the last one first, without their ends; what follows the last line end comes first."""
    pieces: list[bytes] = []
    for number in range(end.file, begin.file - 1, -1):
        if not files:
            return
        high = end.offset if number == end.file else files[number].size
        floor = begin.offset if number == begin.file else 0
        while high > floor:
            low = max(floor, high - _BLOCK_BYTES)
            block = os.pread(files[number].fd, high - low, low)
            at = len(block)
            while (newline := block.rfind(b"\n", 0, at)) >= 0:
                pieces.append(block[newline + 1 : at])
                yield Place(number, low + newline + 1), b"".join(reversed(pieces))
                pieces, at = [], newline
            pieces.append(block[:at])
            high = low
    if pieces:  # something was read, so there is a first line
        yield begin, b"".join(reversed(pieces))
