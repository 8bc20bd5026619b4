"""What is spoken on a terminal's socket, see docs/terminal-protocol.md: frames of one byte of kind, four of length
and that many of payload, numbers in network order. Pure.
"""

from __future__ import annotations

import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 1

HELLO = 0x01
INPUT = 0x02
RESIZE = 0x03

WELCOME = 0x81
OUTPUT = 0x82
LIVE = 0x83
ENDED = 0x84
NOTICE = 0x85
REFUSED = 0x86

RESUME = 0x01
"""Flag of HELLO: begin at the given position."""
NO_REPLAY = 0x02
"""Flag of HELLO: begin with what comes next."""

MAX_PAYLOAD = 64 * 1024

_HEADER = struct.Struct("!BI")
_HELLO = struct.Struct("!BBQ")
_CODE = struct.Struct("!i")

HEADER_BYTES = _HEADER.size


class ProtocolError(Exception):
    """The other side speaks something else. The text says what."""


class Decoder:
    """Frames out of a stream of bytes."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield the frames that are complete with `data`. Raises ProtocolError for one that is too long."""
        self._rest += data
        start = 0
        try:
            while len(self._rest) - start >= HEADER_BYTES:
                kind, size = _HEADER.unpack_from(self._rest, start)
                if size > MAX_PAYLOAD:
                    raise ProtocolError(f"a frame of {size} bytes: the most is {MAX_PAYLOAD}")
                end = start + HEADER_BYTES + size
                if len(self._rest) < end:
                    break
                payload = bytes(self._rest[start + HEADER_BYTES : end])
                start = end
                yield kind, payload
        finally:
            del self._rest[:start]


def header(kind: int, size: int) -> bytes:
    """The five bytes before a payload of `size` bytes."""
    return _HEADER.pack(kind, size)


def frame(kind: int, payload: bytes = b"") -> bytes:
    return header(kind, len(payload)) + payload


def hello(position: int | None = None, *, replay: bool = True) -> bytes:
    """The first frame of a client: from `position` on, or else with recent output unless `replay` is False."""
    flags = (RESUME if position is not None else 0) | (0 if replay else NO_REPLAY)
    return frame(HELLO, _HELLO.pack(VERSION, flags, position or 0))


def parse_hello(payload: bytes) -> tuple[int, int | None, bool]:
    """Version, position to resume at (None: none) and whether recent output is wanted. Raises ProtocolError."""
    if len(payload) < _HELLO.size:
        raise ProtocolError(f"a hello of {len(payload)} bytes: it has {_HELLO.size}")
    version, flags, position = _HELLO.unpack_from(payload)
    if version < 1:
        raise ProtocolError(f"protocol version {version}: the first is 1")
    return version, position if flags & RESUME else None, not flags & NO_REPLAY


def welcome(version: int, position: int) -> bytes:
    """The answer to a hello: the version spoken from here on, and the position of the first byte that follows."""
    return frame(WELCOME, _HELLO.pack(version, 0, position))


def ended(code: int | None) -> bytes:
    return frame(ENDED, b"" if code is None else _CODE.pack(code))


def notice(text: str) -> bytes:
    return frame(NOTICE, text.encode()[:MAX_PAYLOAD])


def refused(kind: int, text: str) -> bytes:
    return frame(REFUSED, bytes((kind,)) + text.encode())
