"""What happens to resources, as it happens: kukeond's events, through its restarts, for commands that wait.

A kukeond that has no events, and work without one, leave looking again and again; whoever waits does both anyway,
because an event only says that a look is worthwhile.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Self

from kukeon_api import errors, model

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from kukeon_sdk.client import Client

RECONNECT_S = 30.0
"""How long kukeond may be away, as when it is restarted, before that is an error."""
AGAIN_S = 0.2
"""How long to wait before trying to reach a kukeond again that is away. Nothing tells when it listens: the socket may
be a relay of another host's."""
LOOK_S = 5.0
"""With events: how long to wait for one before looking anyway."""
POLL_S = 0.25
"""Without events: how long to wait between two looks."""


class Happenings:
    """The events of a place (realm, space, stack, cell; an empty name means any), from now on or from a cursor.

    A thread reads them; it ends with the client, or with the process.
    """

    def __init__(
        self, client: Client, place: Sequence[str] = (), *, kinds: Sequence[str] = (), since: str = ""
    ) -> None:
        self._client = client
        self._place = tuple(place)
        self._kinds = tuple(kinds)
        self._cursor = since
        self._queue: queue.SimpleQueue[model.Event | errors.KukeonError] = queue.SimpleQueue()
        self._closed = threading.Event()
        self.supported = True
        """Whether there are events at all, as far as is known."""

    def __enter__(self) -> Self:
        threading.Thread(target=self._read, name="kuke events", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closed.set()

    def next(self, timeout_s: float | None = None) -> model.Event | None:
        """Wait for the next event; None when none came in time, which is soon where there are no events.

        Raises what the stream ended with, when kukeond does not come back.
        """
        if not self.supported:
            pause = POLL_S if timeout_s is None else min(POLL_S, timeout_s)
            self._closed.wait(pause)
            return None
        try:
            found = self._queue.get(timeout=LOOK_S if timeout_s is None else max(0.0, min(LOOK_S, timeout_s)))
        except queue.Empty:
            return None
        if isinstance(found, errors.Unsupported):
            self.supported = False
            return None
        if isinstance(found, errors.KukeonError):
            raise found
        return found

    def pending(self) -> list[model.Event]:
        """Return the events that have come already: one look serves them all."""
        found: list[model.Event] = []
        while self.supported and not self._queue.empty():
            try:
                event = self.next(0.0)
            except errors.KukeonError as exc:
                # It is the last: whoever waits next gets it.
                self._queue.put(exc)
                return found
            if event is not None:
                found.append(event)
        return found

    def _read(self) -> None:
        lost: float | None = None
        while not self._closed.is_set():
            try:
                for event in self._client.events(*self._place, kinds=self._kinds, since=self._cursor, follow=True):
                    lost = None
                    self._cursor = event.cursor or self._cursor
                    self._queue.put(event)
                    if self._closed.is_set():
                        return
                error: errors.KukeonError = errors.Unavailable("cannot go on with the events: kukeond ended the stream")
            except errors.Unavailable as exc:
                error = exc
            except errors.KukeonError as exc:
                self._queue.put(exc)
                return
            lost = lost or time.monotonic()
            if time.monotonic() - lost > RECONNECT_S:
                self._queue.put(error)
                return
            self._closed.wait(AGAIN_S)
            if not self._cursor:
                # Nothing says where to go on, so what happened meanwhile has to be looked up.
                self._queue.put(_missed())


def _missed() -> model.Event:
    import datetime as dt

    return model.Event(cursor="", at=dt.datetime.now(dt.UTC), type=model.EventType.RESYNC)


def remembered(client: Client, place: Sequence[str] = (), kinds: Sequence[str] = ()) -> list[model.Event]:
    """Return the events of a place that kukeond remembers, oldest first; raises `Unsupported` where it has none."""
    return list(client.events(*place, kinds=tuple(kinds), timeout=30.0))
