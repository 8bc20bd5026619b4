"""What kukeond asks of kuketty: one JSON object a line, one line in reply, on a socket for root only.

    {"do": "hello"}                                      -> {"pid": ..., "version": ..., "terminals": [task...]}
    {"do": "open", "name": ..., "task": ..., ...}        -> {"stdin": path, "stdout": path, "socket": path}
    {"do": "started", "task": ...}                       -> {"known": bool}
    {"do": "ended", "task": ..., "code": number or null} -> {"known": bool}
    {"do": "close", "task": ...}                         -> {"known": bool}

A request that can't be done is answered with {"error": words}.
"""

from __future__ import annotations

import json

from kukeon_runner.tty.loop import READ, WRITE

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    from kukeon_runner.tty.loop import Loop
    from kukeon_runner.tty.server import Server

MAX_LINE_BYTES = 4 << 20
"""More than any manifest has to type."""


class Control:
    """One connection of kukeond, which is root and waits for its answers."""

    def __init__(self, loop: Loop, server: Server, connection: socket.socket) -> None:
        self._loop = loop
        self._server = server
        self._connection = connection
        self._line = bytearray()
        self._answers = bytearray()
        """What was not taken yet: with many terminals, a hello's answer is more than a socket holds."""
        connection.setblocking(False)
        loop.watch(connection.fileno(), READ, self._ready)

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if events & READ and self._connection.fileno() >= 0:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._connection.recv(64 * 1024)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._line += data
        if not data or len(self._line) > MAX_LINE_BYTES:
            self._close()
            return
        while (end := self._line.find(b"\n")) >= 0:
            line = bytes(self._line[:end])
            del self._line[: end + 1]
            self._answers += json.dumps(self._answer(line)).encode() + b"\n"
        self._flush()

    def _flush(self) -> None:
        try:
            while self._answers:
                del self._answers[: self._connection.send(self._answers)]
        except BlockingIOError:
            pass
        except OSError:
            self._close()
            return
        self._loop.watch(self._connection.fileno(), WRITE if self._answers else READ, self._ready)

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            do = request.pop("do")
            if do not in ("hello", "open", "started", "ended", "close"):
                raise ValueError(f"{do!r} is nothing to do")
            found: dict[str, Any] = getattr(self._server, do)(**request)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            print(f"refused {line[:200]!r}: {error}", flush=True)
            return {"error": str(error)}
        return found

    def _close(self) -> None:
        self._loop.watch(self._connection.fileno(), 0, self._ready)
        self._connection.close()
