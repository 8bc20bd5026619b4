"""Cutting an image archive into pieces of a bounded size, whatever it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, cast

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# One piece is one message: large enough that the cost per message vanishes, small enough that memory stays flat.
PIECE_BYTES = 1 << 20


def pieces(tarball: bytes | bytearray | memoryview | BinaryIO | Iterable[bytes]) -> Iterator[bytes]:
    """Yield the bytes of `tarball` in pieces of 1 MiB (the last one may be smaller); never an empty one.

    A file is read from where it stands and is left open. Raises `Invalid` when what arrives is not bytes.
    """
    if isinstance(tarball, (bytes, bytearray, memoryview)):
        return _slices(memoryview(tarball).cast("B"))
    if hasattr(tarball, "read"):
        return _regroup(_reads(cast("BinaryIO", tarball)))
    if isinstance(tarball, str) or not hasattr(tarball, "__iter__"):
        raise errors.Invalid(
            f"cannot load an image from {type(tarball).__name__}: expected bytes, an open binary file or an iterable "
            "of bytes",
            hint='open a file with open(path, "rb")',
        )
    return _regroup(tarball)


def _slices(view: memoryview) -> Iterator[bytes]:
    for start in range(0, len(view), PIECE_BYTES):
        yield bytes(view[start : start + PIECE_BYTES])


def _reads(file: BinaryIO) -> Iterator[bytes]:
    while True:
        # Raw files answer None when nothing is there yet; to wait for more is the owner's business, not ours.
        data = cast("bytes | None", file.read(PIECE_BYTES))
        if data is None:
            raise errors.Invalid("cannot load an image from a non-blocking file: it has no data yet")
        if not data:
            return
        yield data


def _regroup(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Join what is small and cut what is large, so that neither costs more than it must."""
    held: list[bytes] = []
    held_bytes = 0
    for part in parts:
        if isinstance(part, bytes) and len(part) == PIECE_BYTES and not held:
            yield part
            continue
        view = _view(part)
        while len(view):
            room = PIECE_BYTES - held_bytes
            held.append(bytes(view[:room]))
            held_bytes += len(held[-1])
            view = view[room:]
            if held_bytes == PIECE_BYTES:
                yield b"".join(held)
                held, held_bytes = [], 0
    if held:
        yield b"".join(held)


def _view(part: object) -> memoryview:
    if not isinstance(part, (bytes, bytearray, memoryview)):
        raise errors.Invalid(
            f"cannot load an image from pieces of {type(part).__name__}: expected bytes",
            hint='open a file with open(path, "rb")',
        )
    return memoryview(part).cast("B")
