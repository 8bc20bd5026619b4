"""The bytes of an archive as they arrive: read in the sizes that the reader wants, decompressed on the way."""

from __future__ import annotations

import asyncio
import zlib
from typing import IO, TYPE_CHECKING, cast

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PIECE_BYTES = 1024 * 1024
"""What is handed on at once, and so the unit of memory that a load takes."""

# First bytes of compressed files -> (what they are, the program that undoes it).
_UNSUPPORTED = {
    b"\xfd7zXZ": ("xz", "xz -d"),
    b"BZh": ("bzip2", "bunzip2"),
}
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
ZSTD_WINDOW_LIMIT_BYTES = 32 * 1024 * 1024
"""What a stream may have us remember; `zstd -19` needs 8 MiB, only --ultra and --long need more."""
_ZLIB_GZIP_WINDOW = 31  # zlib: 16 for the gzip format and 15 for the largest window


class Source:
    """Bytes to be read forwards."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._chunk = b""
        self._at = 0

    async def some(self, limit: int) -> bytes:
        """Return the next 1 to `limit` bytes, b"" at the end."""
        while self._at >= len(self._chunk):
            try:
                self._chunk = await anext(self._chunks)
            except StopAsyncIteration:
                self._chunk = b""
                self._at = 0
                return b""
            self._at = 0
        data = self._chunk[self._at : self._at + limit]
        self._at += len(data)
        return data

    async def up_to(self, size: int) -> bytes:
        """Return the next `size` bytes, fewer only at the end."""
        data = await self.some(size)
        if len(data) == size or not data:
            return data
        parts = [data]
        left = size - len(data)
        while left and (data := await self.some(left)):
            parts.append(data)
            left -= len(data)
        return b"".join(parts)

    async def drain(self) -> None:
        """Read and forget everything that is left."""
        while await self.some(PIECE_BYTES):
            pass


async def open_archive(chunks: AsyncIterator[bytes]) -> Source:
    """Return the plain bytes of an archive that is plain or compressed with gzip or zstd.

    Raises TarballRequired when there is nothing at all, InvalidArchive for other compressions.
    """
    raw = Source(chunks)
    head = await raw.up_to(6)
    if not head:
        raise errors.TarballRequired("cannot load an image: image tarball is required", hint="the archive is empty")
    for magic, (name, program) in _UNSUPPORTED.items():
        if head.startswith(magic):
            raise errors.InvalidArchive(
                f"cannot load the archive: it is compressed with {name}; plain tar, gzip and zstd can be read",
                hint=f"decompress it first with `{program}`",
            )
    whole = _rejoin(head, raw)
    if head.startswith(_GZIP):
        return Source(_gunzip(whole))
    return Source(_unzstd(whole) if head.startswith(_ZSTD) else whole)


async def _rejoin(head: bytes, rest: Source) -> AsyncIterator[bytes]:
    yield head
    while data := await rest.some(PIECE_BYTES):
        yield data


async def _gunzip(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield decompressed pieces of bounded size; members may follow each other, as gzip(1) allows."""
    stream = zlib.decompressobj(_ZLIB_GZIP_WINDOW)
    async for chunk in chunks:
        data = chunk
        while True:
            try:
                # On a thread: a megabyte takes milliseconds, in which the daemon would answer nobody.
                piece = await asyncio.to_thread(stream.decompress, data, PIECE_BYTES)
            except zlib.error as error:
                raise errors.InvalidArchive(f"cannot load the archive: its gzip stream is damaged: {error}") from error
            if piece:
                yield piece
            if stream.eof:
                data = stream.unused_data.lstrip(b"\0")
                if not data:
                    break
                stream = zlib.decompressobj(_ZLIB_GZIP_WINDOW)
                continue
            data = stream.unconsumed_tail
            if not data and len(piece) < PIECE_BYTES:
                break
    if not stream.eof:
        raise errors.InvalidArchive("cannot load the archive: its gzip stream ends in the middle", hint=TRUNCATED_HINT)


async def _unzstd(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Yield decompressed pieces of bounded size; frames may follow each other, as zstd(1) and pzstd write them.

    The reader does not tell a frame that ends in the middle, but what is read shows it: a tar file ends there, too.
    """
    import zstandard  # brings a few megabytes, which most daemons never need

    feed = _Feed()
    made = zstandard.ZstdDecompressor(max_window_size=ZSTD_WINDOW_LIMIT_BYTES)
    # Unlike a decompressobj, which would return a whole bomb at once, the reader makes pieces of the size asked for.
    reader = made.stream_reader(cast("IO[bytes]", feed), read_size=PIECE_BYTES, read_across_frames=True)
    nothing = True
    async for chunk in chunks:
        feed.data = chunk
        while True:
            try:
                piece = await asyncio.to_thread(reader.read1, PIECE_BYTES)
            except _Feed.Empty:
                break
            except zstandard.ZstdError as error:
                raise errors.InvalidArchive(
                    f"cannot load the archive: its zstd stream cannot be read: {error}",
                    hint="it is damaged, or made with more than `zstd -19`; decompress it first with `zstd -d`",
                ) from error
            yield piece
            nothing = False
    if nothing:
        raise errors.InvalidArchive("cannot load the archive: its zstd stream ends in the middle", hint=TRUNCATED_HINT)


class _Feed:
    """What a decompressor reads from: one chunk at a time, and `Empty` in place of waiting for the next one."""

    class Empty(Exception):
        """There is nothing to read now; what was read before is not lost."""

    def __init__(self) -> None:
        self.data = b""

    def read(self, _size: int) -> bytes:
        """Return the chunk, however large; the reader takes any size."""
        if not self.data:
            raise self.Empty
        data, self.data = self.data, b""
        return data


TRUNCATED_HINT = "the file is incomplete; save or copy it again"
