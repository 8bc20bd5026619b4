"""What a container in memory has written, run by run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import model
from kukeon_api.logs import cri

if TYPE_CHECKING:
    import datetime as dt


class Logbook:
    """Lines with their times, or the transcript of a terminal, which has neither."""

    def __init__(self, *, terminal: bool) -> None:
        self.terminal = terminal
        self.entries: list[model.LogEntry] = []
        self._starts: list[int] = []
        self._unfinished: dict[str, bytes] = {}

    def start(self) -> None:
        """Begin a run."""
        self._starts.append(len(self.entries))

    def write(self, stream: str, data: bytes, at: dt.datetime) -> None:
        """Keep what a program wrote."""
        if self.terminal:
            self.entries.append(model.LogEntry(stream=model.LogStream.TERMINAL, data=data))
            return
        *lines, rest = (self._unfinished.pop(stream, b"") + data).split(b"\n")
        self.entries += (model.LogEntry(stream=model.LogStream(stream), data=line, at=at) for line in lines)
        if rest:
            self._unfinished[stream] = rest

    def finish(self, at: dt.datetime) -> None:
        """End a run: what no line end follows is a line, too."""
        for stream in list(self._unfinished):
            self.write(stream, b"\n", at)

    def read(self, tail: int, since: bytes) -> list[model.LogEntry]:
        """Return what there is: the last `tail` lines, all with -1; not what is older than the stamp `since`."""
        if not self.terminal:
            return _limited(self.entries, tail, since)
        shown = self.shown()
        data = shown if tail < 0 else b"".join(shown.splitlines(keepends=True)[-tail:] if tail else ())
        return [model.LogEntry(stream=model.LogStream.TERMINAL, data=data)] if data else []

    def previous(self, tail: int, since: bytes) -> list[model.LogEntry] | None:
        """Return what the run before the last start wrote; runs that wrote nothing are passed over. None: no such."""
        until = self._starts[-1] if self._starts else 0
        for start in reversed(self._starts[:-1]):
            if start < until:
                return _limited(self.entries[start:until], tail, since)
        return None

    def shown(self) -> bytes:
        """Return what the terminal has shown."""
        return b"".join(each.data for each in self.entries)


def _limited(entries: list[model.LogEntry], tail: int, since: bytes) -> list[model.LogEntry]:
    found = [each for each in entries if each.at is not None and cri.stamp_of(each.at) >= since]
    return found if tail < 0 else found[max(0, len(found) - tail) :]
