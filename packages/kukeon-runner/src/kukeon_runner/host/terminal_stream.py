"""A client of a terminal for whoever can't reach its socket: the same bytes, without waiting threads."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time

from kukeon_api import errors
from kukeon_runner.tty import frames

RECONNECT_S = 10.0
_PAUSE_S = 0.05
_READ_BYTES = 64 * 1024

_GREETING = struct.Struct("!BBQ")
_CODE = struct.Struct("!i")


class TerminalStream:
    """A connection to the terminal at `path`, which is made anew when kuketty is."""

    def __init__(self, path: str, position: int = 0) -> None:
        self._path = path
        self.position = position
        """The number of the byte that comes next. A terminal that does not know it any more begins with another."""
        self._decoder = frames.Decoder()
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._welcome = False
        self.ended = False
        self.left = False
        self.code: int | None = None

    async def connect(self) -> None:
        """Raises Unavailable when there is no terminal (any more)."""
        try:
            self._reader, self._writer = await asyncio.open_unix_connection(self._path)
        except OSError as error:
            raise errors.Unavailable(
                f"cannot attach to the terminal at {self._path!r}: it is not there (any more)",
                hint="see whether the container runs",
            ) from error
        self._decoder = frames.Decoder()
        self._welcome = False
        self._writer.write(frames.hello(self.position or None))

    async def read(self) -> bytes:
        """Wait for output and return it; b"" when the program has ended, or the terminal has all input of who left.

        Raises Unavailable when this is cut off.
        """
        while not self.ended:
            assert self._reader is not None
            try:
                data = await self._reader.read(_READ_BYTES)
            except OSError:
                data = b""
            if not data and self.left:
                return b""
            if not data:
                await self._reconnect()
            elif shown := self._taken(data):
                return shown
        return b""

    async def write(self, data: bytes) -> None:
        """Type `data`; while nobody is there it is lost."""
        assert self._writer is not None
        for start in range(0, len(data), frames.MAX_PAYLOAD):
            self._writer.write(frames.frame(frames.INPUT, data[start : start + frames.MAX_PAYLOAD]))
        with contextlib.suppress(OSError):
            await self._writer.drain()

    async def leave(self) -> None:
        """Tell the terminal that nothing is typed any more: it hangs up when it has what was."""
        assert self._writer is not None
        self.left = True
        with contextlib.suppress(OSError):  # it is cut off, which `read` notices
            self._writer.write_eof()

    async def close(self) -> None:
        """Leave the terminal; the program goes on."""
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def _taken(self, data: bytes) -> bytes:
        shown = bytearray()
        for kind, payload in self._decoder.feed(data):
            if kind == frames.WELCOME:
                self._welcome = True
                _, _, self.position = _GREETING.unpack_from(payload)
            elif kind == frames.OUTPUT:
                shown += payload
                self.position += len(payload)
            elif kind == frames.ENDED:
                self.ended = True
                self.code = _CODE.unpack(payload)[0] if payload else None
            elif kind == frames.NOTICE and not self._welcome:
                # Who was let in was too slow, and resumes; who is not let in would not be the next time either.
                why = payload.decode(errors="replace").removeprefix("dropped: ")
                raise errors.Unavailable(
                    f"cannot attach to the terminal at {self._path!r}: {why}", hint="try again later"
                )
        return bytes(shown)

    async def _reconnect(self) -> None:
        await self.close()
        deadline = time.monotonic() + RECONNECT_S
        while True:
            try:
                await self.connect()
                return
            except errors.Unavailable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(_PAUSE_S)
