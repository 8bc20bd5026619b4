"""One writer per resource, inside one event loop.

Everything here happens on the loop's own thread: waiting costs a future, never a thread of a pool. Locks between
processes are the run path's (`instance.py`) and the store's.

Whoever holds a lock and asks for another must ask for a greater one. A parent's `Ref` is less than its children's, so
this is "parent before child" with an order among siblings as well, and two tasks can never wait for each other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Hashable
from typing import Any, Generic, Protocol, TypeVar


class Key(Hashable, Protocol):
    """What locks are kept by: anything hashable with an order, in practice a `Ref`."""

    def __lt__(self, other: Any, /) -> bool: ...


K = TypeVar("K", bound=Key)


class _Entry:
    """One key's lock, its holder, and how many tasks hold it or wait for it."""

    __slots__ = ("holder", "leaving", "lock", "users")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.holder: asyncio.Task[Any] | None = None
        self.users = 0
        self.leaving: list[Callable[[], None]] = []


class KeyedLock(Generic[K]):
    """`async with lock(ref):` admits one task per key, first come first served; `lock(a, b)` takes several in order."""

    def __init__(self) -> None:
        self._entries: dict[K, _Entry] = {}

    @contextlib.asynccontextmanager
    async def __call__(self, *keys: K) -> AsyncIterator[None]:
        """Hold the lock of each key for the body.

        Raises RuntimeError for what would hang: a key that this task holds already, or one below a key that it holds.
        """
        wanted = sorted(set(keys))
        self._check_order(wanted)
        async with contextlib.AsyncExitStack() as held:
            for key in wanted:
                await held.enter_async_context(self._one(key))
            yield

    def at_release(self, key: K, callback: Callable[[], None]) -> None:
        """Have `callback`, which must not fail, called before whoever holds `key` now lets go of it.

        Raises RuntimeError when nobody holds it.
        """
        if not self.locked(key):
            raise RuntimeError(f"cannot wait for the end of work on {str(key)!r}: nobody is at work on it")
        self._entries[key].leaving.append(callback)

    def locked(self, key: K) -> bool:
        """Whether some task holds the lock of `key` now; periodic work asks this to skip what is busy."""
        entry = self._entries.get(key)
        return entry is not None and entry.lock.locked()

    def statistics(self) -> tuple[int, int]:
        """How many keys are held, and how many tasks wait."""
        held = sum(entry.lock.locked() for entry in self._entries.values())
        return held, sum(entry.users for entry in self._entries.values()) - held

    @contextlib.asynccontextmanager
    async def _one(self, key: K) -> AsyncIterator[None]:
        entry = self._entries.setdefault(key, _Entry())
        # Counted before the first await: an entry that somebody waits for must not be replaced by a fresh one.
        entry.users += 1
        try:
            async with entry.lock:
                entry.holder = asyncio.current_task()
                try:
                    yield
                finally:
                    entry.holder = None
                    leaving, entry.leaving = entry.leaving, []
                    for callback in leaving:
                        callback()
        finally:
            entry.users -= 1
            if not entry.users:
                del self._entries[key]

    def _check_order(self, wanted: list[K]) -> None:
        task = asyncio.current_task()
        held = [key for key, entry in self._entries.items() if entry.holder is task]
        for key in wanted:
            for other in held:
                if not other < key:
                    raise RuntimeError(f"cannot lock {str(key)!r} while holding {str(other)!r}: parents come first")
