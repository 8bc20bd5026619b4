"""A container's terminal through kukeond, for whoever waits for it and a keyboard at once."""

from __future__ import annotations

import collections
import contextlib
import os
import threading
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from kukeon_sdk.sessions import AttachSession

MAX_WAITING_BYTES = 1 << 20
"""What is taken from kukeond ahead of a screen that is slow."""


class StreamTerminal:
    """An attached `session`, used like `attach.Terminal`: one thread selects, takes and puts."""

    def __init__(self, session: AttachSession, position: int = 0) -> None:
        """Take over `session`; `close` closes it. `position` is where it was asked to begin."""
        self.position = position
        """The number of the byte that comes next."""
        self.ended = False
        """Whether the program has ended; then `code` is its exit code, or None when nobody knows."""
        self.code: int | None = None
        self._session = session
        self._changed = threading.Condition()
        self._pieces: collections.deque[tuple[bytes, int]] = collections.deque()
        """What came, each with the position after it."""
        self._waiting = 0
        self._over = False
        self._closed = False
        self._error: errors.KukeonError | None = None
        self._ready = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        threading.Thread(target=self._receive, name="terminal through kukeond", daemon=True).start()

    def fileno(self) -> int:
        """For select and the like: readable when `take` has something to do."""
        return self._ready

    def take(self) -> bytes:
        """Return the output that is there now, without waiting. Raises what the session ended with."""
        with self._changed:
            if self._pieces:
                shown, self.position = self._pieces.popleft()
                self._waiting -= len(shown)
                self._changed.notify_all()
                return shown
            if not self._over:
                with contextlib.suppress(BlockingIOError):  # nothing came since
                    os.eventfd_read(self._ready)
                return b""
            if self._error is not None:
                raise self._error
            ended = self._session.ended
            self.ended, self.code = True, ended.code if ended is not None else None
            return b""

    def put(self, data: bytes) -> None:
        """Have `data` typed, without waiting."""
        self._session.write(data)

    def flush(self) -> bool:
        """True: what was put is on its way."""
        return True

    def close(self) -> None:
        """Leave the terminal; the program goes on. Twice is fine."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
            os.close(self._ready)
        self._session.close()

    def _receive(self) -> None:
        try:
            for shown in self._session:
                if not self._hold(shown):
                    return
        except errors.KukeonError as error:
            self._error = error
        with self._changed:
            self._over = True
            self._tell()

    def _hold(self, shown: bytes) -> bool:
        """Keep what came once there is room for it; False when nobody wants it any more."""
        with self._changed:
            self._pieces.append((shown, self._session.position))
            self._waiting += len(shown)
            self._tell()
            self._changed.wait_for(lambda: self._waiting < MAX_WAITING_BYTES or self._closed)
            return not self._closed

    def _tell(self) -> None:
        if not self._closed:
            os.eventfd_write(self._ready, 1)
