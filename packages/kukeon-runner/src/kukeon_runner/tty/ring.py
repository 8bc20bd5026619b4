"""The last output of a terminal, with the position that each byte has in the whole. Pure."""

from __future__ import annotations

import collections


class Ring:
    """Keeps at least the last `size` bytes and at most one chunk more; `end` is the position after the last byte."""

    def __init__(self, size: int, end: int = 0) -> None:
        self.size = size
        self.end = end
        self._chunks: collections.deque[bytes] = collections.deque()
        self._held = 0

    @property
    def begin(self) -> int:
        """The position of the first byte that is still there."""
        return self.end - self._held

    def append(self, chunk: bytes) -> None:
        """Add `chunk`, which is kept as it is: clients' queues hold the same object."""
        self._chunks.append(chunk)
        self._held += len(chunk)
        self.end += len(chunk)
        while self._held - len(self._chunks[0]) >= self.size:
            self._held -= len(self._chunks.popleft())

    def recall(self, tail: bytes) -> None:
        """Hold `tail` as the bytes before `end`, which an earlier process has seen."""
        if tail:
            self.append(tail)
            self.end -= len(tail)

    def since(self, position: int | None) -> tuple[int, list[bytes]]:
        """Where what follows begins, and its chunks.

        Begins at `position` when that is still there. Otherwise (also for None) with the first whole line, as a part
        of an escape sequence would be shown as text; the first chunk goes on for ever where no line ends.
        """
        if position is not None and self.begin <= position <= self.end:
            return position, self._from(position)
        if self.begin == 0:
            return 0, list(self._chunks)
        skipped = 0
        for chunk in self._chunks:
            found = chunk.find(b"\n")
            if found >= 0:
                start = self.begin + skipped + found + 1
                return start, self._from(start)
            skipped += len(chunk)
        return self.begin, list(self._chunks)

    def _from(self, position: int) -> list[bytes]:
        skip = position - self.begin
        chosen = []
        for chunk in self._chunks:
            if skip >= len(chunk):
                skip -= len(chunk)
                continue
            chosen.append(chunk[skip:] if skip else chunk)
            skip = 0
        return chosen
