"""A container's terminal through its socket on this host, as docs/terminal-protocol.md describes it.

    with attach.Terminal(client.attach_container(doc).host_socket_path) as terminal:
        terminal.write(b"ls\\r")
        for shown in terminal:
            ...

Standard library only. `interaction.interact` gives the terminal to a person at this one.
"""

from __future__ import annotations

import contextlib
import errno
import select
import socket
import struct
import time
from typing import TYPE_CHECKING, Self

from kukeon_api import errors
from kukeon_sdk import reach

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

PROTOCOL_VERSION = 1
DIAL_TIMEOUT_S = 10.0

_HELLO, _INPUT = 0x01, 0x02
_WELCOME, _OUTPUT, _LIVE, _ENDED, _NOTICE = 0x81, 0x82, 0x83, 0x84, 0x85
_RESUME, _NO_REPLAY = 0x01, 0x02
_MAX_PAYLOAD = 64 * 1024

_HEADER = struct.Struct("!BI")
_GREETING = struct.Struct("!BBQ")
_CODE = struct.Struct("!i")


class Terminal:
    """A connection to a terminal. Any thread may close; one at a time reads, and one at a time writes."""

    def __init__(
        self, path: str, *, position: int | None = None, replay: bool = True, timeout: float = DIAL_TIMEOUT_S
    ) -> None:
        """Connect, and go on at `position` when that is still known; else begin with recent output if `replay`.

        Raises `Unavailable` when there is no terminal at `path` (any more), `Denied` when this user may not connect.
        """
        self.path = path
        self.position = 0
        """The number of the byte that comes next."""
        self.live = False
        """Whether everything recent was shown, so that what comes now is new."""
        self.ended = False
        """Whether the program has ended; then `code` is its exit code, or None when nobody knows."""
        self.code: int | None = None
        self._rest = bytearray()
        self._unsent = bytearray()
        self._closed = False
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._greet(position, replay, timeout)
        except BaseException:
            self._socket.close()
            raise

    def _greet(self, position: int | None, replay: bool, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(self.path)
            flags = (0 if position is None else _RESUME) | (0 if replay else _NO_REPLAY)
            hello = _GREETING.pack(PROTOCOL_VERSION, flags, position or 0)
            self._socket.sendall(_HEADER.pack(_HELLO, len(hello)) + hello)
            while (first := self._frame()) is None:
                self._socket.settimeout(max(0.001, deadline - time.monotonic()))
                if not self._receive():
                    raise self._lost("it hung up")
        except OSError as error:
            raise unreachable(self.path, error) from error
        kind, payload = first
        if kind == _NOTICE:
            raise self._lost(payload.decode(errors="replace"))
        if kind != _WELCOME or len(payload) < _GREETING.size:
            raise errors.Unsupported(f"cannot attach to {self.path!r}: what answers there is no terminal of kukeon")
        _, _, self.position = _GREETING.unpack_from(payload)
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """For select and the like: readable when `take` has something to do."""
        return self._socket.fileno()

    def read(self) -> bytes:
        """Wait for output and return it; b"" when the program has ended. Raises `Unavailable` when this is cut off."""
        while True:
            if shown := self.take():
                return shown
            if self.ended:
                return b""
            self._wait(select.POLLIN)

    def __iter__(self) -> Iterator[bytes]:
        """Yield output until the program has ended."""
        while shown := self.read():
            yield shown

    def take(self) -> bytes:
        """Return the output that is there now, without waiting. Raises `Unavailable` when this is cut off."""
        shown = self._decode()
        if shown or self.ended:
            return shown
        try:
            there = self._receive()
        except BlockingIOError:
            return b""
        except OSError as error:
            self._check_open(error)
            there = False
        if not there:
            self._check_open()
            raise self._lost("it hung up")
        return self._decode()

    def write(self, data: bytes) -> None:
        """Type `data`, waiting while the program takes no input. Raises `Unavailable` when this is cut off."""
        self.put(data)
        while not self.flush():
            self._wait(select.POLLOUT)

    def put(self, data: bytes) -> None:
        """Have `data` typed by the next `flush`."""
        for start in range(0, len(data), _MAX_PAYLOAD):
            piece = data[start : start + _MAX_PAYLOAD]
            self._unsent += _HEADER.pack(_INPUT, len(piece)) + piece

    def flush(self) -> bool:
        """Send what goes without waiting; True when nothing is left. Raises `Unavailable` when this is cut off."""
        while self._unsent:
            try:
                del self._unsent[: self._socket.send(self._unsent)]
            except BlockingIOError:
                return False
            except OSError as error:
                self._check_open(error)
                # Why it hung up is still to be read.
                self._unsent.clear()
        return True

    def close(self) -> None:
        """Leave the terminal; the program goes on. Whoever waits gets `Conflict`. Twice is fine."""
        self._closed = True
        with contextlib.suppress(OSError):  # it has hung up before
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None, /
    ) -> None:
        self.close()

    def _wait(self, event: int) -> None:
        # Not select(), which knows no descriptors beyond 1023 (select(2)).
        number = self._socket.fileno()
        if number >= 0:
            poll = select.poll()
            poll.register(number, event)
            poll.poll()

    def _check_open(self, error: OSError | None = None) -> None:
        if self._closed:
            raise errors.Conflict(f"cannot go on with the terminal at {self.path!r}: it was closed") from error

    def _receive(self) -> bool:
        data = self._socket.recv(_MAX_PAYLOAD)
        self._rest += data
        return bool(data)

    def _frame(self) -> tuple[int, bytes] | None:
        if len(self._rest) < _HEADER.size:
            return None
        kind, size = _HEADER.unpack_from(self._rest)
        if size > _MAX_PAYLOAD:
            raise errors.Unsupported(f"cannot attach to {self.path!r}: what answers there is no terminal of kukeon")
        end = _HEADER.size + size
        if len(self._rest) < end:
            return None
        payload = bytes(self._rest[_HEADER.size : end])
        del self._rest[:end]
        return kind, payload

    def _decode(self) -> bytes:
        shown = bytearray()
        while not self.ended and (frame := self._frame()) is not None:
            kind, payload = frame
            if kind == _OUTPUT:
                shown += payload
                self.position += len(payload)
            elif kind == _LIVE:
                self.live = True
            elif kind == _ENDED:
                self.ended = True
                self.code = _CODE.unpack(payload)[0] if len(payload) == _CODE.size else None
            elif kind == _NOTICE and not shown:
                raise self._lost(payload.decode(errors="replace"))
            elif kind == _NOTICE:
                self._rest[:0] = _HEADER.pack(kind, len(payload)) + payload
                break
        return bytes(shown)

    def _lost(self, why: str) -> errors.Unavailable:
        return errors.Unavailable(f"cannot go on with the terminal at {self.path!r}: {why}", hint="attach again")


def unreachable(path: str, error: OSError) -> errors.KukeonError:
    """What `error`, met while connecting to the terminal at `path`, means to a person."""
    prefix = f"cannot attach to the terminal at {path!r}"
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR | errno.ECONNREFUSED:
            return errors.Unavailable(f"{prefix}: it is not there (any more)", hint="see whether the container runs")
        case errno.EACCES | errno.EPERM:
            return errors.Denied(f"{prefix}: permission denied", hint=reach.permission_hint(path))
        case _:
            reason = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or str(error)
            return errors.Unavailable(f"{prefix}: {reason}")
