"""The last output of a terminal, with the position that each byte has in the whole. Pure."""

from __future__ import annotations

SLACK_BYTES = 32 * 1024
"""How much more than it must a ring keeps, so that it moves its bytes only now and then."""


class Ring:
    """Keeps at least the last `size` bytes, in one piece; `end` is the position after the last byte.

    Programs write in small pieces, of which each would take several times its size as an object of its own.
    """

    def __init__(self, size: int, end: int = 0) -> None:
        self.size = size
        self.end = end
        self._kept = bytearray()

    @property
    def begin(self) -> int:
        """The position of the first byte that is still there."""
        return self.end - len(self._kept)

    def append(self, chunk: bytes) -> None:
        self._kept += chunk
        self.end += len(chunk)
        if len(self._kept) > self.size + SLACK_BYTES:
            del self._kept[: -self.size]

    def recall(self, tail: bytes) -> None:
        """Hold `tail` as the bytes before `end`, which an earlier process has seen."""
        self.append(tail)
        self.end -= len(tail)

    def since(self, position: int | None) -> tuple[int, bytes]:
        """Where what follows begins, and the bytes.

        Begins at `position` when that is still there. Otherwise (also for None) with the first whole line, as a part
        of an escape sequence would be shown as text; with the first byte where no line ends.
        """
        if position is not None and self.begin <= position <= self.end:
            return position, bytes(self._kept[position - self.begin :])
        if self.begin == 0:
            return 0, bytes(self._kept)
        start = self._kept.find(b"\n") + 1
        return self.begin + start, bytes(self._kept[start:])
