"""One client of a terminal: what it said, and what it has not taken yet. It can be slow; nobody waits for it."""

from __future__ import annotations

import collections
import itertools
import select

from kukeon_runner.tty import frames
from kukeon_runner.tty.loop import READ, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from kukeon_runner.tty.loop import Loop
    from kukeon_runner.tty.terminal import Terminal

MAX_WAITING_BYTES = 1 << 20
"""A client that is further behind is dropped."""
FAIR_WAITING_BYTES = 128 * 1024
MAX_ALL_WAITING_BYTES = 4 << 20
"""While all clients together are further behind than this, so is each that is behind by more than its fair part."""

HELLO_TIMEOUT_S = 10.0
LINGER_S = 5.0
"""How long a client that is to go may take for its last frames."""

_READ_BYTES = 64 * 1024
_PIECES_AT_ONCE = 64

PIECE_BYTES = 8 * 1024
"""Frames that wait are put together up to this size: each small one would take several times its size as an object."""


class Backlog:
    """What the clients of all terminals together have not taken yet."""

    def __init__(self) -> None:
        self.waiting = 0


BACKLOG = Backlog()
"""That of this process."""


class Client:
    def __init__(self, loop: Loop, terminal: Terminal, connection: socket.socket) -> None:
        self.greeted = False
        self._loop = loop
        self._terminal = terminal
        self._connection = connection
        self._fd = connection.fileno()
        self._decoder = frames.Decoder()
        self._out: collections.deque[bytearray] = collections.deque()
        """Pieces of one or more whole frames."""
        self._sent = 0
        """How much of the first piece in `_out` is gone already."""
        self._waiting = 0
        self._leaving = False
        self._deaf = False
        """Whether it takes nothing any more; what it typed before is still to be read, and then its end."""
        self._paused = False
        connection.setblocking(False)
        loop.call_in((self, "patience"), HELLO_TIMEOUT_S, lambda: self.drop("no hello came"))
        self._watch()

    def send(self, frame: bytes) -> None:
        """Queue a frame and send what goes now."""
        if self._leaving or self._deaf or self._fd < 0:
            return
        self._queue(frame)
        self._flush()
        if self._waiting > _limit():
            self.drop("dropped: output comes faster than you take it")

    def drop(self, why: str) -> None:
        """Say why, forget everything else that is queued, and hang up."""
        if not self._leaving and self._fd >= 0:
            # A piece that has begun must end, else the last frame could not be told from a payload.
            self._out = collections.deque([self._out[0]] if self._sent else [])
            self._count(sum(map(len, self._out)) - self._sent - self._waiting)
            self._leave(frames.notice(why))

    def finish(self, code: int | None) -> None:
        """The program has ended: send what is queued, say so, and hang up."""
        if not self._leaving and self._fd >= 0:
            self._leave(frames.ended(code))

    def pause(self, paused: bool) -> None:
        """Take no input for now, as the program reads none."""
        if paused and self._deaf:
            self.close()
        elif paused != self._paused:
            self._paused = paused
            self._watch()

    def close_if_hung_up(self) -> None:
        """Notice a client that has left, which does not show by itself while nothing of it is read."""
        if self._fd >= 0:
            poll = select.poll()
            poll.register(self._fd, 0)
            if poll.poll(0):
                self.close()

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.watch(self._fd, 0, self._ready)
            self._loop.forget((self, "patience"))
            self._connection.close()
            self._count(-self._waiting)
            self._fd = -1
            self._terminal.left(self)

    def _leave(self, last: bytes) -> None:
        self._leaving = True
        self._queue(last)
        self._loop.call_in((self, "patience"), LINGER_S, self.close)
        self._flush()

    def _queue(self, frame: bytes) -> None:
        if self._out and len(self._out[-1]) + len(frame) <= PIECE_BYTES:
            self._out[-1] += frame
        else:
            self._out.append(bytearray(frame))
        self._count(len(frame))

    def _count(self, more: int) -> None:
        """Have `more` bytes waiting."""
        self._waiting += more
        BACKLOG.waiting += more

    def _watch(self) -> None:
        if self._fd >= 0:
            listening = 0 if self._paused or self._leaving else READ
            self._loop.watch(self._fd, listening | (WRITE if self._out else 0), self._ready)

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & READ and self._fd >= 0 and not self._leaving:
            self._receive()

    def _flush(self) -> None:
        try:
            while self._out:
                with memoryview(self._out[0]) as first, first[self._sent :] as rest:
                    sent = self._connection.sendmsg([rest, *itertools.islice(self._out, 1, _PIECES_AT_ONCE)])
                self._taken(sent)
        except BlockingIOError:
            pass
        except OSError:
            self._hung_up()
            return
        if self._leaving and not self._out:
            self.close()
            return
        self._watch()

    def _hung_up(self) -> None:
        if self._leaving or self._paused:
            self.close()
            return
        self._deaf = True
        self._out.clear()
        self._sent = 0
        self._count(-self._waiting)
        self._watch()

    def _taken(self, count: int) -> None:
        self._count(-count)
        count += self._sent
        while self._out and count >= len(self._out[0]):
            count -= len(self._out.popleft())
        self._sent = count

    def _receive(self) -> None:
        try:
            data = self._connection.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        try:
            for kind, payload in self._decoder.feed(data):
                self._handle(kind, payload)
                if self._leaving or self._fd < 0:
                    return
        except frames.ProtocolError as error:
            self.drop(f"protocol error: {error}")

    def _handle(self, kind: int, payload: bytes) -> None:
        if not self.greeted:
            if kind != frames.HELLO:
                raise frames.ProtocolError(f"a frame of kind {kind:#04x} before the hello")
            version, position, replay = frames.parse_hello(payload)
            self._loop.forget((self, "patience"))
            self.greeted = True
            self._terminal.greet(self, min(version, frames.VERSION), position, replay=replay)
        elif kind == frames.INPUT:
            self._terminal.type(payload)
        elif kind == frames.RESIZE:
            self.send(frames.refused(kind, "the size is changed by a call to kukeond, ResizeTerminal"))
        else:
            self.send(frames.refused(kind, "unknown"))


def _limit() -> int:
    return FAIR_WAITING_BYTES if BACKLOG.waiting > MAX_ALL_WAITING_BYTES else MAX_WAITING_BYTES
