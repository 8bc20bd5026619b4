"""Archives of images on their way to a file, a directory or standard output; never half of one under its name."""

from __future__ import annotations

import os
import re
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, cast

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

STDOUT = "-"
_PATH = re.compile(r"(oci-layout|index\.json|manifest\.json)|blobs/sha256/[0-9a-f]{64}")
"""What an archive has that kukeond writes."""


def write(archive: Iterator[bytes], to: str) -> None:
    """Write `archive` to `to`: - is standard output, what is or ends like a directory gets its files.

    Nothing is made, or changed, before the first piece has come. Raises what the iterator raises, and OSError.
    """
    first = next(archive, b"")
    if to == STDOUT:
        _to(archive, first, sys.stdout.buffer)
        sys.stdout.buffer.flush()
    elif to.endswith("/") or Path(to).is_dir():
        _to_directory(archive, first, Path(to))
    elif Path(to).exists() and not Path(to).is_file():
        with open(to, "wb") as device:  # /dev/null, a FIFO
            _to(archive, first, device)
    else:
        _to_file(archive, first, Path(to))


def _to(archive: Iterator[bytes], first: bytes, file: IO[bytes]) -> None:
    file.write(first)
    for piece in archive:
        file.write(piece)


def _to_file(archive: Iterator[bytes], first: bytes, path: Path) -> None:
    path = path.resolve()  # a symlink keeps pointing to the file
    umask = os.umask(0)
    os.umask(umask)
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
        try:
            _to(archive, first, file)
            os.fchmod(file.fileno(), 0o666 & ~umask)
            file.flush()
            os.fsync(file.fileno())
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def _to_directory(archive: Iterator[bytes], first: bytes, directory: Path) -> None:
    """Write the files of a layout; its index comes last, so that a layout is complete as soon as there is one."""
    if (directory / "index.json").exists():
        raise errors.Invalid(
            f"cannot write {str(directory)!r}: it has an index.json", hint="name a new directory, or remove that one"
        )
    last: dict[str, bytes] = {}
    with tarfile.open(fileobj=cast("BinaryIO", _Reader(first, archive)), mode="r|") as tar:
        for member in tar:
            stream = tar.extractfile(member)
            if not _PATH.fullmatch(member.name) or stream is None:
                raise errors.Invalid(
                    f"cannot write {member.name[:100]!r}: kukeond sent a file that is none of a layout"
                )
            path = directory / member.name
            if path.parent == directory:
                last[member.name] = stream.read()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.exists() and path.stat().st_size == member.size:
                continue  # the same content: its name is its digest
            _to_file(_read(stream), b"", path)
    for name in sorted(last, key=lambda name: name == "index.json"):
        _to_file(iter(()), last[name], directory / name)


def _read(file: IO[bytes]) -> Iterator[bytes]:
    while piece := file.read(1 << 20):
        yield piece


class _Reader:
    """A file to read from, over pieces."""

    def __init__(self, first: bytes, rest: Iterator[bytes]) -> None:
        self._held = first
        self._rest = rest

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end."""
        parts: list[bytes] = []
        while size:
            if not self._held and not (piece := next(self._rest, b"")):
                break
            self._held = self._held or piece
            parts.append(self._held[:size])
            self._held = self._held[size:]
            size -= len(parts[-1])
        return b"".join(parts)
