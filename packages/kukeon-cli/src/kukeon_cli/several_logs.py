"""The logs of several containers as one: by time while they are read, as they come while they are followed."""

from __future__ import annotations

import datetime as dt
import heapq
import queue
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from kukeon_api import model

    Entries = tuple[model.LogEntry, ...]
    Sources = Mapping[str, Iterator[Entries]]

_AHEAD = 16
"""How many batches are read ahead of whoever prints them."""

_BEGINNING = dt.datetime.min.replace(tzinfo=dt.UTC)


def merged(sources: Sources) -> Iterator[tuple[str, Entries]]:
    """Yield the entries of all containers by their times; what has none comes with what precedes it."""

    def timed(name: str, source: Iterator[Entries]) -> Iterator[tuple[dt.datetime, str, model.LogEntry]]:
        last = _BEGINNING
        for entries in source:
            for entry in entries:
                last = max(last, entry.at or last)
                yield last, name, entry

    found = heapq.merge(*(timed(name, source) for name, source in sources.items()), key=lambda each: each[0])
    for _, name, entry in found:
        yield name, (entry,)


def at_once(sources: Sources) -> Iterator[tuple[str, Entries]]:
    """Yield the entries of all containers as they come, until all sources end. Raises what one of them raises."""
    arrived: queue.Queue[tuple[str, Entries | Exception | None]] = queue.Queue(_AHEAD)

    def take(name: str, source: Iterator[Entries]) -> None:
        try:
            for entries in source:
                arrived.put((name, entries))
            arrived.put((name, None))
        except Exception as error:
            arrived.put((name, error))

    for name, source in sources.items():
        # Not waited for: who stops reading ends the process, and the threads with it.
        threading.Thread(target=take, args=(name, source), name=f"log of {name}", daemon=True).start()
    running = len(sources)
    while running:
        name, what = arrived.get()
        if isinstance(what, Exception):
            raise what
        if what is None:
            running -= 1
        else:
            yield name, what
