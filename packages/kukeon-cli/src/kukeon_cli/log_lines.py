"""Entries of logs on stdout and stderr: as text, or as JSON, a line each."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from kukeon_api import model

if TYPE_CHECKING:
    from collections.abc import Iterable


class Text:
    """Writes what was written to where it was written: stdout to `out`, stderr to `err`, terminals to `out`.

    With `times` each line begins with its time, with `names` with its container.
    """

    def __init__(self, out: BinaryIO, err: BinaryIO, *, times: bool = False, names: bool = False) -> None:
        self._out, self._err = out, err
        self._times, self._names = times, names
        self._last = out
        self._inside: dict[tuple[str, model.LogStream], BinaryIO] = {}
        """Where a line has begun and not ended, and what it was written to."""

    def show(self, container: str, entries: Iterable[model.LogEntry]) -> None:
        """Write the entries of a container."""
        for entry in entries:
            to = self._err if entry.stream is model.LogStream.STDERR else self._out
            if to is not self._last:
                # Both may be the same terminal.
                self._last.flush()
                self._last = to
            if entry.stream is not model.LogStream.TERMINAL:
                to.write(self._begun(to, container, entry, partial=entry.partial))
                to.write(entry.data if entry.partial else entry.data + b"\n")
            elif not self._names:
                to.write(entry.data)
            else:
                for line in entry.data.splitlines(keepends=True):
                    to.write(self._begun(to, container, entry, partial=not line.endswith((b"\n", b"\r"))) + line)

    def flush(self) -> None:
        """Have everything written out."""
        self._out.flush()
        self._err.flush()

    def _begun(self, to: BinaryIO, container: str, entry: model.LogEntry, *, partial: bool) -> bytes:
        """What stands before the text, nothing where it goes on with a line."""
        key = (container, entry.stream)
        inside = self._inside.pop(key, None) is not None
        end = b""
        if self._names and to in self._inside.values():
            # Another container's line is unfinished: ours begins below it, and the rest of it is a line of its own.
            end = b"\n"
            self._inside = {other: where for other, where in self._inside.items() if where is not to}
        if partial:
            self._inside[key] = to
        if inside:
            return end
        name = f"[{container}] " if self._names else ""
        time = f"{_time(entry.at)} " if self._times else ""
        return end + (name + time).encode()


class Json:
    """Writes an object a line to `out`; bytes that are no UTF-8 become U+FFFD."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def show(self, container: str, entries: Iterable[model.LogEntry]) -> None:
        """Write the entries of a container."""
        for entry in entries:
            line = {
                "container": container,
                "at": _time(entry.at) or None,
                "stream": entry.stream.value,
                "text": entry.data.decode(errors="replace"),
                "partial": entry.partial,
            }
            self._out.write(msgspec.json.encode(line) + b"\n")

    def flush(self) -> None:
        """Have everything written out."""
        self._out.flush()


def _time(at: dt.datetime | None) -> str:
    return at.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if at is not None else ""
