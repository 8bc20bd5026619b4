"""Deadline: the moment until which one call may take, over all its parts."""

from __future__ import annotations

import math
import time
from typing import Any

from kukeon_api import errors

LONGEST_S = 1e9
"""Some thirty years. From about ten times as long on, gRPC takes what is to come for what is over."""


def seconds(timeout: Any) -> float | None:
    """Return the timeout that a caller gives; None, which is no limit, also for one that nobody will see the end of.

    Raises `Invalid` for what is no number.
    """
    if timeout is None:
        return None
    if not isinstance(timeout, (int, float)) or math.isnan(timeout):
        raise errors.Invalid(
            f"cannot wait {timeout!r}: a timeout is a number of seconds", hint="None waits as long as it takes"
        )
    return float(timeout) if timeout < LONGEST_S else None


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
