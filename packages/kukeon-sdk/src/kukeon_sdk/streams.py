"""Streams of items: what `Client.events`, `Client.logs` and the transfers of images return."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import TracebackType

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Source(Protocol[T_co]):
    """Where a stream's items come from."""

    def receive(self) -> Iterable[T_co] | None:
        """Wait for the next items; None at the end. Raises what it ended with."""

    def cancel(self) -> None:
        """Hang up, from whatever thread; whoever receives stops waiting."""


class Stream(Generic[T]):
    """Items as they come, until they end or somebody closes this; use it in a `with` block, or close it.

    One thread at a time iterates. Any may close, and whoever waits for the next item then sees the end. One that is
    dropped closes itself. It can be iterated over once: a second loop goes on where the first one stopped.
    """

    def __init__(self, source: Source[T]) -> None:
        self._source = source
        self._items: Iterator[T] = iter(())
        self._over = False
        self._hang_up = weakref.finalize(self, source.cancel)
        self._hang_up.atexit = False  # a process that ends closes its connections

    def __iter__(self) -> Self:
        """Return the stream itself."""
        return self

    def __next__(self) -> T:
        """Wait for the next item. Raises what the stream ended with, once."""
        while not self._over:
            for item in self._items:
                return item
            try:
                found = self._source.receive()
            except errors.KukeonError:
                if self._over:  # closed meanwhile
                    break
                self.close()
                raise
            if found is None:
                self.close()
            else:
                self._items = iter(found)
        raise StopIteration

    def close(self) -> None:
        """End it: nothing comes any more. Twice is fine."""
        self._over = True
        self._hang_up()

    def __enter__(self) -> Self:
        """Return the stream itself; leaving the block closes it."""
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        """Close the stream."""
        self.close()
