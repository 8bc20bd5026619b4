"""Deadline: the moment until which one call may take, over all its parts."""

from __future__ import annotations

import time


class Deadline:
    """The moment `timeout_s` seconds from now; None: never."""

    def __init__(self, timeout_s: float | None) -> None:
        self.timeout_s = timeout_s
        self._at = None if timeout_s is None else time.monotonic() + timeout_s

    def left_s(self) -> float | None:
        """Return the seconds that are left, 0 when none are; None: no end."""
        return None if self._at is None else max(0.0, self._at - time.monotonic())

    def at_most(self, limit_s: float) -> float:
        """Return the seconds that are left, but never more than `limit_s`."""
        left_s = self.left_s()
        return limit_s if left_s is None else min(limit_s, left_s)
