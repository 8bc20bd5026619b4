"""The loop of kuketty: descriptors that are ready, and moments that have come."""

from __future__ import annotations

import selectors
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

READ = selectors.EVENT_READ
WRITE = selectors.EVENT_WRITE


class Loop:
    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._moments: dict[Hashable, tuple[float, Callable[[], None]]] = {}

    def watch(self, fd: int, events: int, ready: Callable[[int], None]) -> None:
        """Have `ready` called when `fd` can be read or written, as `events` says; 0 stops that."""
        known = fd in self._selector.get_map()
        if not events:
            if known:
                self._selector.unregister(fd)
        elif known:
            self._selector.modify(fd, events, ready)
        else:
            self._selector.register(fd, events, ready)

    def call_in(self, key: Hashable, delay_s: float, call: Callable[[], None]) -> None:
        """Call `call` in `delay_s` seconds; a later call with the same `key` replaces it."""
        self._moments[key] = (time.monotonic() + delay_s, call)

    def forget(self, key: Hashable) -> None:
        self._moments.pop(key, None)

    def turn(self) -> None:
        """Wait until there is something to do, and do it."""
        for key, events in self._selector.select(self._patience()):
            # What came before in this turn may have closed this one, or given its number to another.
            now = self._selector.get_map().get(key.fd)
            if now is not None and now.data == key.data:
                key.data(events)
        present = time.monotonic()
        for name in [name for name, (due, _) in self._moments.items() if due <= present]:
            moment = self._moments.pop(name, None)
            if moment is not None:
                moment[1]()

    def _patience(self) -> float | None:
        if not self._moments:
            return None
        return max(0.0, min(due for due, _ in self._moments.values()) - time.monotonic())
