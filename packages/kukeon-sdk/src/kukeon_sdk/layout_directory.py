"""Directories with what an image archive holds: sent as an archive, and made of one.

Skopeo's `oci:` and umoci work on such directories.
"""

from __future__ import annotations

import os
import stat
import tarfile
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIECE_BYTES = 1 << 20
_MARKS = ("oci-layout", "manifest.json")


def archive(directory: Path) -> Iterator[bytes]:
    """Yield the files below `directory` as one tar archive, in the order of their names; nothing of it is held.

    Raises `Invalid`, at once, for a directory that holds no image; OSError while it is read, as it comes.
    """
    if not any((directory / mark).is_file() for mark in _MARKS):
        raise errors.Invalid(
            f"cannot load {str(directory)!r}: it is a directory without oci-layout or manifest.json",
            hint="name the directory of an OCI layout, or an archive",
        )
    return _members(directory)


def _members(directory: Path) -> Iterator[bytes]:
    for folder, inside, names in os.walk(directory, onerror=_raised):
        inside.sort()
        for name in sorted(names):
            path = os.path.join(folder, name)  # noqa: PTH118 - os.walk speaks in strings
            yield from _member(path, os.path.relpath(path, directory))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _raised(error: OSError) -> None:
    raise error


def _member(path: str, name: str) -> Iterator[bytes]:
    # What is no file is left out: neither a symlink to elsewhere nor a FIFO is to be followed.
    try:
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        if os.path.islink(path):  # noqa: PTH114
            return
        raise
    with open(number, "rb") as file:
        status = os.fstat(number)
        if not stat.S_ISREG(status.st_mode):
            return
        member = tarfile.TarInfo(name)
        member.size = left = status.st_size
        yield member.tobuf(tarfile.PAX_FORMAT)
        while left:
            data = file.read(min(left, PIECE_BYTES))
            if not data:
                raise OSError(0, f"{path!r} became shorter while it was read")
            left -= len(data)
            yield data
        yield bytes(-member.size % tarfile.BLOCKSIZE)
