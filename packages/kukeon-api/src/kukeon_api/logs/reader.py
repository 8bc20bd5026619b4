"""Reading a log as entries, as far as it is written: a part of it, and what comes after that."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from kukeon_api.logs import cri, selection
from kukeon_api.logs.files import RotatedFiles
from kukeon_api.model.streams import LogEntry, LogStream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kukeon_api.logs.selection import Place

BATCH_BYTES = 1 << 17
"""How much is read at once: an answer's worth."""


class NoPreviousRun(LookupError):
    """The log knows of no run before the present one."""


class Lines:
    """The lines of a rotated log, with their ends, as far as they are written."""

    def __init__(self, path: str) -> None:
        self.files = RotatedFiles(path)
        self._rest = b""

    def begin_at(self, place: Place) -> None:
        """Leave out what is before `place`; called before the first `read`."""
        for _ in range(place.file):
            self.files.skip()
        if self.files.files:
            self.files.files[0].offset = place.offset

    def end_at(self, place: Place) -> None:
        """Leave out what is behind `place`; called before `begin_at`."""
        self.files.stop = (self.files.files[place.file], place.offset)

    def read_bytes(self) -> bytes:
        """Return what comes next as it is, b"" when there is no more for now."""
        piece = self.files.read(BATCH_BYTES, len(self._rest))
        self._rest = self._rest[: len(self._rest) - self.files.taken_back]
        return piece

    def read(self) -> list[bytes]:
        """Return the next whole lines, [] when there are none for now; one that is too long comes in pieces."""
        while piece := self.read_bytes():
            *lines, self._rest = (self._rest + piece).split(b"\n")
            found = [line + b"\n" for line in lines]
            if len(self._rest) > cri.MAX_JOINED_BYTES:
                found.append(self.take_rest())
            if found:
                return found
        return []

    def take_rest(self) -> bytes:
        """Return what there is of a line that has not ended."""
        rest, self._rest = self._rest, b""
        return rest


class Reader:
    """Reads the entries of a log that are meant by a selection; raises OSError for files that cannot be read.

    It never waits. The log may be rotated meanwhile, or not be there yet. Of a terminal's transcript (`terminal`) come
    the bytes as they are. Calls may come from several threads.
    """

    def __init__(self, path: str, wanted: selection.Selection, *, terminal: bool = False) -> None:
        """Raises NoPreviousRun when one is asked for and the log has none."""
        self._terminal = terminal
        self._lock = threading.Lock()
        self._since = wanted.since
        self._joiner = cri.Joiner()
        self._lines = Lines(path)
        try:
            self._select(wanted)
        except BaseException:
            self._lines.files.close()
            raise

    @property
    def found(self) -> bool:
        """Whether there is a file to read."""
        return bool(self._lines.files.files)

    @property
    def gone(self) -> bool:
        """Whether the log was removed with its directory: after the next `read` that returns nothing, nothing comes."""
        with self._lock:
            return self._lines.files.gone

    def read(self) -> tuple[LogEntry, ...]:
        """Return the next entries, () when there is nothing for now. A line comes whole unless it is still written."""
        with self._lock:
            if self._terminal:
                piece = self._lines.read_bytes()
                return (LogEntry(stream=LogStream.TERMINAL, data=piece),) if piece else ()
            while lines := self._lines.read():
                if entries := tuple(self._entries(lines)):
                    return entries
            return tuple(self._joiner.flush())

    def finish(self) -> tuple[LogEntry, ...]:
        """Return what is left: a line that a writer that was killed has not ended."""
        with self._lock:
            rest = self._lines.take_rest()
            return (*self._entries([rest] if rest else []), *self._joiner.flush())

    def close(self) -> None:
        """Close all files. Twice is fine."""
        with self._lock:
            self._lines.files.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _entries(self, lines: list[bytes]) -> Iterator[LogEntry]:
        for line in lines:
            whole = line[:-1] if line.endswith(b"\n") else line
            said = cri.parse(whole)
            if not said.stamp and cri.is_start(whole):
                continue
            if self._since:
                if said.stamp < self._since:
                    continue
                # From here on everything is wanted, even if the clock was set back.
                self._since = b""
            if (entry := self._joiner.add(said)) is not None:
                yield entry

    def _select(self, wanted: selection.Selection) -> None:
        files = self._lines.files.files
        begin, end = selection.Place(0, 0), selection.end_of(files)
        if wanted.previous:
            run = selection.previous_run(files, end)
            if run is None:
                raise NoPreviousRun
            begin, end = run
            self._lines.end_at(end)
        if not files:
            return
        if wanted.tail is not None:
            begin = selection.tail(files, begin, end, wanted, terminal=self._terminal)
        elif wanted.since:
            begin = selection.since(files, begin, wanted.since)
        self._lines.begin_at(begin)
