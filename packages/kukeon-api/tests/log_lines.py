"""Logs on disk, written line by line and read again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api.logs import reader, selection

if TYPE_CHECKING:
    from pathlib import Path

    from kukeon_api.model.streams import LogEntry

DEADLINE_S = 20
START = "\0start"


def stamp(second: int) -> str:
    return f"2026-11-21T10:{second // 60:02d}:{second % 60:02d}.123456789Z"


def line(text: str, second: int = 0, stream: str = "stdout", tag: str = "F") -> bytes:
    if text == START:
        return f"{stamp(second)} stderr F:start \n".encode()
    return f"{stamp(second)} {stream} {tag} {text}\n".encode()


def now(follower: reader.Reader) -> list[str]:
    """What there is to read for now."""
    entries: list[LogEntry] = []
    while more := follower.read():
        entries += more
    return [entry.data.decode() for entry in entries]


def everything(path: Path, wanted: selection.Selection | None = None, *, terminal: bool = False) -> list[LogEntry]:
    with reader.Reader(str(path), wanted or selection.Selection(), terminal=terminal) as found:
        entries: list[LogEntry] = []
        while more := found.read():
            entries += more
        return entries + list(found.finish())


def texts(path: Path, **wanted: object) -> list[str]:
    return [entry.data.decode() for entry in everything(path, selection.Selection(**wanted))]  # type: ignore[arg-type] # by the case
