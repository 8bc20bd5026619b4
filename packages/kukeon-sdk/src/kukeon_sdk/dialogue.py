"""Dialogue: where a session stands, both ways. Nothing here waits: who does may use threads or an event loop."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kukeon_api import model
    from kukeon_api.parts import Part

# What is read ahead of a caller who does not take it: enough to keep both sides busy, then the program has to wait.
AHEAD_BYTES = 4 * parts.PIECE_BYTES


def started(first: Part | None) -> Any:
    """Return what kukeond says it has started, in the `first` part; raises `HostError` when it says something else."""
    if first is None or first[0] != parts.STARTED:
        raise errors.HostError("cannot start: kukeond did not answer with what it had started")
    return first[1]


def pieces(data: bytes) -> Iterator[bytes]:
    """Yield `data` in pieces that fit into a part."""
    view = memoryview(data).cast("B")
    for start in range(0, len(view), parts.PIECE_BYTES):
        yield bytes(view[start : start + parts.PIECE_BYTES])


class Dialogue:
    """What has come and was not taken yet, what the program would take, and how it ended."""

    def __init__(self) -> None:
        self.position = 0
        """The number of the byte that is read next."""
        self.end: Any = None
        """How the program ended, when that was told."""
        self.closed = False
        """Whether this side has hung up: nobody reads or writes any more."""
        self.over = False
        """Whether nothing comes any more."""
        self._error: errors.KukeonError | None = None
        self._pieces: collections.deque[Part] = collections.deque()
        self._ahead = 0
        self._room = parts.WINDOW_BYTES
        """How many bytes of input the program would take now."""
        self._stdin_closed = False

    # What comes.

    def fits(self, part: Part) -> bool:
        """Whether there is room for `part`; else somebody has to read first."""
        match part[0]:
            case "stdout" | "stderr" | "output":
                return self.closed or self._ahead < AHEAD_BYTES
            case "position":  # it is about what comes after what is there
                return self.closed or not self._pieces
        return True

    def take(self, part: Part) -> None:
        """Keep `part`, which fits."""
        match part:
            case ("exit" | "ended", end):
                self.end = end
            case _ if self.closed:
                return
            case ("stdout" | "stderr" | "output", data):
                self._pieces.append(part)
                self._ahead += len(data)
            case ("stdin_taken", count):
                self._room += count
            case ("position", position):
                self.position = position

    def finish(self, error: errors.KukeonError | None = None) -> None:
        """Nothing comes any more, because of `error` if there is one; after the program's end none counts."""
        self.over = True
        self._error = error if self.end is None else None

    @property
    def readable(self) -> bool:
        """Whether `read` knows what to answer."""
        return bool(self._pieces) or self.over or self.closed

    def read(self) -> Part | None:
        """Return the next piece of output; None after the last one. Raises what the session ended with, or `Conflict`.

        Only when `readable`.
        """
        if self.closed:
            raise errors.Conflict("cannot go on: this session was closed")
        if self._pieces:
            piece = self._pieces.popleft()
            self._ahead -= len(piece[1])
            self.position += len(piece[1])
            return piece
        if self._error is not None:
            raise self._error
        return None

    def status(self) -> model.ExitStatus:
        """Return how the program ended, once that is over. Raises `HostError` when it was not told."""
        if self.end is None:
            raise errors.HostError("cannot tell how the program ended: kukeond did not say")
        status: model.ExitStatus = self.end
        return status

    # What goes.

    @property
    def writable(self) -> bool:
        """Whether `write` knows what to answer."""
        return self._room > 0 or self._shut

    def write(self, data: memoryview) -> bytes:
        """Return as much from the beginning of `data` as may be sent now. Only when `writable`.

        Raises `Conflict` when the program has ended or its input was closed.
        """
        if self._shut:
            raise errors.Conflict("cannot write to the program: it has ended or its input is closed")
        piece = bytes(data[: min(self._room, parts.PIECE_BYTES)])
        self._room -= len(piece)
        return piece

    def close_stdin(self) -> bool:
        """End the input; False when it was ended before."""
        before, self._stdin_closed = self._stdin_closed, True
        return not before

    @property
    def _shut(self) -> bool:
        return self._stdin_closed or self.over or self.closed
