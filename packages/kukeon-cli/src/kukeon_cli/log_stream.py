"""What a container writes, as kukeond tells it, also while kukeond is restarted."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors
from kukeon_cli import happenings

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator

    from kukeon_api import model
    from kukeon_sdk.client import Client


def follow(client: Client, doc: model.ContainerDoc, *, tail: int = -1, since: str = "") -> Iterator[model.LogEntry]:
    """Yield what the container has written and writes, until it is deleted; nothing twice.

    Raises what `Client.logs` raises; `Unavailable` when kukeond is away for longer than a restart takes, or when
    nothing tells where to go on: the last lines of a terminal's transcript, which has no times.
    """
    seen = _Seen(whole=tail < 0 and not since)
    lost: float | None = None
    while True:
        try:
            asked = {"since": seen.since} if seen.since else {"tail": tail, "since": since}
            for entry in client.logs(doc, follow=True, **asked):
                new = seen.unseen(entry)
                if new is not None:
                    lost = None
                    yield new
            return
        except errors.Unavailable:
            lost = lost or time.monotonic()
            if not seen.can_go_on or time.monotonic() - lost > happenings.RECONNECT_S:
                raise
            time.sleep(happenings.AGAIN_S)  # nobody tells when kukeond is back
            seen.begin_again()


class _Seen:
    """How far a log was told: up to a time and an entry of that time, or a number of bytes where there are no times."""

    def __init__(self, *, whole: bool) -> None:
        self._whole = whole
        self._at: dt.datetime | None = None
        self._of_that_time = 0
        self._bytes = 0
        self._skip = 0
        """How many entries of that time, or bytes, come again."""

    @property
    def since(self) -> str:
        """Where to go on; "" for the beginning."""
        return self._at.isoformat() if self._at is not None else ""

    @property
    def can_go_on(self) -> bool:
        return self._whole or not self._bytes

    def begin_again(self) -> None:
        self._skip = self._of_that_time if self._at is not None else self._bytes

    def unseen(self, entry: model.LogEntry) -> model.LogEntry | None:
        """Return what of `entry` was not told before."""
        if entry.at is None:
            known = min(self._skip, len(entry.data))
            self._skip -= known
            self._bytes += len(entry.data) - known
            return msgspec.structs.replace(entry, data=entry.data[known:]) if known < len(entry.data) else None
        if entry.at == self._at and self._skip:
            self._skip -= 1
            return None
        self._skip = 0
        self._of_that_time = self._of_that_time + 1 if entry.at == self._at else 1
        self._at = entry.at
        return entry
