"""One client of a terminal: what it said, and what it has not taken yet. It can be slow; nobody waits for it."""

from __future__ import annotations

import collections
import itertools

from kukeon_runner.tty import frames
from kukeon_runner.tty.loop import READ, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket

    from kukeon_runner.tty.loop import Loop
    from kukeon_runner.tty.terminal import Terminal

MAX_WAITING_BYTES = 1 << 20
"""A client that is further behind is dropped."""

HELLO_TIMEOUT_S = 10.0
LINGER_S = 5.0
"""How long a client that is to go may take for its last frames."""

_READ_BYTES = 64 * 1024
_FRAMES_AT_ONCE = 64


class Client:
    def __init__(self, loop: Loop, terminal: Terminal, connection: socket.socket) -> None:
        self.greeted = False
        self._loop = loop
        self._terminal = terminal
        self._connection = connection
        self._fd = connection.fileno()
        self._decoder = frames.Decoder()
        self._out: collections.deque[bytes] = collections.deque()
        self._sent = 0
        """How much of the first frame in `_out` is gone already."""
        self._waiting = 0
        self._leaving = False
        self._paused = False
        connection.setblocking(False)
        loop.call_in((self, "patience"), HELLO_TIMEOUT_S, lambda: self.drop("no hello came"))
        self._watch()

    def send(self, frame: bytes) -> None:
        """Queue a frame and send what goes now."""
        if self._leaving or self._fd < 0:
            return
        self._out.append(frame)
        self._waiting += len(frame)
        self._flush()
        if self._waiting > MAX_WAITING_BYTES:
            self.drop("dropped: output comes faster than you take it")

    def drop(self, why: str) -> None:
        """Say why, forget everything else that is queued, and hang up."""
        if not self._leaving and self._fd >= 0:
            # A frame that has begun must end, else the last one could not be told from its payload.
            self._out = collections.deque([self._out[0]] if self._sent else [])
            self._leave(frames.notice(why))

    def finish(self, code: int | None) -> None:
        """The program has ended: send what is queued, say so, and hang up."""
        if not self._leaving and self._fd >= 0:
            self._leave(frames.ended(code))

    def pause(self, paused: bool) -> None:
        """Take no input for now, as the program reads none."""
        if paused != self._paused:
            self._paused = paused
            self._watch()

    def close(self) -> None:
        if self._fd >= 0:
            self._loop.watch(self._fd, 0, self._ready)
            self._loop.forget((self, "patience"))
            self._connection.close()
            self._fd = -1
            self._terminal.left(self)

    def _leave(self, last: bytes) -> None:
        self._leaving = True
        self._out.append(last)
        self._loop.call_in((self, "patience"), LINGER_S, self.close)
        self._flush()

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
                first = memoryview(self._out[0])[self._sent :]
                self._taken(self._connection.sendmsg([first, *itertools.islice(self._out, 1, _FRAMES_AT_ONCE)]))
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if self._leaving and not self._out:
            self.close()
            return
        self._watch()

    def _taken(self, count: int) -> None:
        self._waiting -= count
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
