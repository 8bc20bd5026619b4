"""The link of a session in memory: parts one way, what is asked the other."""

from __future__ import annotations

import collections
import threading
from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_sdk.dialogue import AHEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_api.parts import Part
    from kukeon_sdk.deadline import Deadline


class Channel:
    """A `sessions.Link`; `asked` gets what the client sends, `hung_up` is called when it is gone."""

    def __init__(self, name: str, deadline: Deadline) -> None:
        self.asked: Callable[[str, Any], None] = lambda name, value: None
        self.hung_up: Callable[[], None] = lambda: None
        self._name = name
        self._deadline = deadline
        self._changed = threading.Condition()
        self._parts: collections.deque[Part] = collections.deque()
        self._ahead = 0
        self._over = False
        self._cancelled = False
        self._error: errors.KukeonError | None = None

    def put(self, name: str, value: Any) -> None:
        """Have a part come, without waiting."""
        with self._changed:
            if not self._over:
                self._parts.append((name, value))
                self._ahead += _size(value)
                self._changed.notify_all()

    def put_when_taken(self, name: str, value: Any) -> None:
        """The same, once there is room for it, or nobody wants it any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._ahead < AHEAD_BYTES or self._over or self._cancelled)
            self.put(name, value)

    def end(self, error: errors.KukeonError | None = None) -> None:
        """Have it over once all is taken, or fail now."""
        with self._changed:
            self._over = True
            self._error = self._error or error
            self._changed.notify_all()

    def fail(self, error: errors.KukeonError) -> None:
        """End it with an error, whatever is still to come."""
        self.end(error)
        self.hung_up()

    def send(self, name: str, value: Any) -> None:
        """Ask for something; after the end it goes nowhere."""
        if self._over or self._cancelled:
            return
        try:
            self.asked(name, value)
        except errors.KukeonError as error:
            self.fail(error)

    def receive(self) -> Part | None:
        """Wait for the next part; None at the end. Raises what it ended with."""
        with self._changed:
            there = self._changed.wait_for(
                lambda: self._parts or self._over or self._cancelled, self._deadline.left_s()
            )
            if there and not self._cancelled and self._error is None:
                if not self._parts:
                    return None
                name, value = self._parts.popleft()
                self._ahead -= _size(value)
                self._changed.notify_all()
                return name, value
        if self._error is not None:
            raise self._error
        if self._cancelled:
            return None
        self.hung_up()
        raise errors.TimedOut(
            f"cannot wait for {self._name} any longer: no answer within {self._deadline.timeout_s:g} s"
        )

    def cancel(self) -> None:
        """Hang up. Twice is fine."""
        with self._changed:
            gone, self._cancelled = self._cancelled, True
            self._changed.notify_all()
        if not gone:
            self.hung_up()


def _size(value: Any) -> int:
    return len(value) if isinstance(value, bytes) else 0
