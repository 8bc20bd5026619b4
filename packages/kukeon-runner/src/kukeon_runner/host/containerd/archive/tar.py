"""Reads a tar stream member by member, and refuses whatever an image archive has no reason to contain.

Headers are decoded by the standard library (`tarfile.TarInfo.frombuf`); extension headers, which it would read without
bound, are read here.  Formats: ustar, GNU long names, pax (POSIX.1-2001, pax "Interchange Format").
"""

from __future__ import annotations

import dataclasses
import posixpath
import tarfile
from enum import Enum
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.containerd.archive.source import PIECE_BYTES, TRUNCATED_HINT

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kukeon_runner.host.containerd.archive.source import Source

BLOCK_BYTES = 512
MEMBERS_LIMIT = 20_000
"""An archive of a hundred images with a hundred layers each has about as many."""

EXTENSION_LIMIT_BYTES = 1024 * 1024
EXTENSIONS_LIMIT = 8
NAME_LIMIT_BYTES = 1024
SIZE_LIMIT_BYTES = 1 << 50

_FILES = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_REFUSED = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a character device",
    tarfile.BLKTYPE: "a block device",
    tarfile.FIFOTYPE: "a FIFO",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
}


class Kind(Enum):
    """What a member is; other kinds never leave this module."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"


@dataclasses.dataclass(frozen=True)
class Member:
    """One member.  `name` and a symlink's `target` are relative to the archive's top and stay inside it."""

    name: str
    kind: Kind
    size: int = 0
    target: str = ""


class TarReader:
    """One pass over a tar stream: `next()` for the next member, then at most once `body()`."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = 0
        self._padding = 0
        self._members = 0
        self._current = ""

    async def next(self) -> Member | None:
        """Return the next member, None at the end; what was not read of the last one is skipped."""
        async for _ in self.body():
            pass
        pax: dict[str, str] = {}
        long_name = long_target = ""
        for _ in range(EXTENSIONS_LIMIT):
            header = await self._header()
            if header is None:
                if pax or long_name or long_target:
                    raise truncated("its last header describes a member that is not there")
                await self._source.drain()
                return None
            if header.type == tarfile.XHDTYPE:
                pax.update(_pax_records(await self._extension(header)))
            elif header.type == tarfile.XGLTYPE:
                _refuse_overrides(_pax_records(await self._extension(header)))
            elif header.type == tarfile.GNUTYPE_LONGNAME:
                long_name = _text(await self._extension(header))
            elif header.type == tarfile.GNUTYPE_LONGLINK:
                long_target = _text(await self._extension(header))
            else:
                return self._member(header, pax, long_name, long_target)
        raise invalid(f"a member after {self._current!r} has more than {EXTENSIONS_LIMIT} extension headers")

    async def body(self) -> AsyncIterator[bytes]:
        """Yield what is left of the current member in pieces of at most a mebibyte."""
        while self._left:
            data = await self._source.up_to(min(self._left, PIECE_BYTES))
            self._left -= len(data)
            if not data:
                raise truncated(f"it ends inside {self._current!r}")
            yield data
        if self._padding:
            if len(await self._source.up_to(self._padding)) < self._padding:
                raise truncated(f"it ends after {self._current!r}")
            self._padding = 0

    async def read(self, member: Member, limit_bytes: int) -> bytes:
        """Return the whole current member; InvalidArchive when it is larger than the limit."""
        if member.size > limit_bytes:
            raise invalid(f"{member.name!r} has {member.size} bytes, the limit is {limit_bytes}")
        return b"".join([data async for data in self.body()])

    async def _header(self) -> tarfile.TarInfo | None:
        block = await self._source.up_to(BLOCK_BYTES)
        if not block or not block.strip(b"\0"):
            # A block of zeros ends an archive; some writers leave it out, and a cut is noticed by what is missing.
            return None
        if len(block) < BLOCK_BYTES:
            raise (
                truncated(f"it ends inside the header after {self._current!r}")
                if self._members
                else invalid("it is no tar file")
            )
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except (tarfile.HeaderError, ValueError) as error:
            why = f"damaged after {self._current!r}" if self._members else "no tar file"
            raise invalid(f"it is {why}: {error}") from error
        self._members += 1
        if self._members > MEMBERS_LIMIT:
            raise invalid(f"it has more than {MEMBERS_LIMIT} members")
        if not 0 <= header.size <= SIZE_LIMIT_BYTES:
            raise invalid(f"{header.name[:100]!r} claims to have {header.size} bytes")
        return header

    async def _extension(self, header: tarfile.TarInfo) -> bytes:
        if header.size > EXTENSION_LIMIT_BYTES:
            raise invalid(f"an extension header after {self._current!r} has {header.size} bytes")
        self._expect(header.size)
        return b"".join([data async for data in self.body()])

    def _member(self, header: tarfile.TarInfo, pax: dict[str, str], long_name: str, long_target: str) -> Member:
        raw_name = pax.get("path") or long_name or header.name
        if any(key.startswith("GNU.sparse.") for key in pax):
            raise invalid(f"{raw_name[:100]!r} is a sparse file")
        name = inside(raw_name, "", "member")
        self._current = name
        if header.type in _FILES:
            size = _pax_size(pax["size"], name) if "size" in pax else header.size
            self._expect(size)
            return Member(name, Kind.FILE, size)
        self._expect(0)
        if header.type == tarfile.DIRTYPE:
            return Member(name, Kind.DIRECTORY)
        if header.type == tarfile.SYMTYPE:
            raw_target = pax.get("linkpath") or long_target or header.linkname
            return Member(name, Kind.SYMLINK, target=inside(raw_target, posixpath.dirname(name), f"link {name!r} to"))
        what = _REFUSED.get(header.type, f"of type {header.type!r}")
        raise invalid(f"{name!r} is {what}; an image archive has files, directories and symlinks only")

    def _expect(self, size: int) -> None:
        self._left = size
        self._padding = -size % BLOCK_BYTES


def inside(path: str, directory: str, what: str) -> str:
    """Return `path`, relative to `directory`, in its shortest form; InvalidArchive when it leaves the archive."""
    shown = path[:100]
    try:
        length = len(path.encode())
    except UnicodeEncodeError:
        raise invalid(f"the {what} {shown!r} is not UTF-8") from None
    if length > NAME_LIMIT_BYTES:
        raise invalid(f"the {what} {shown!r}... has a name of {length} bytes, the limit is {NAME_LIMIT_BYTES}")
    if not path or "\0" in path:
        raise invalid(f"the {what} {shown!r} has no usable name")
    joined = posixpath.join(directory, path)
    if path.startswith("/") or (".." in path.split("/") and what == "member"):
        raise invalid(f"the {what} {shown!r} points outside the archive")
    normal = posixpath.normpath(joined)
    if normal == ".." or normal.startswith("../"):
        raise invalid(f"the {what} {shown!r} points outside the archive")
    return normal


def _pax_records(data: bytes) -> dict[str, str]:
    """Return the records of a pax header: "<length> <key>=<value>\\n", where length counts the whole record."""
    records: dict[str, str] = {}
    at = 0
    while at < len(data):
        space = data.find(b" ", at, at + 20)
        digits = data[at:space] if space > 0 else b""
        if not digits.isdigit():
            if not data[at:].strip(b"\0"):
                break
            raise invalid("a pax header is malformed")
        end = at + int(digits)
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if end > len(data) or end <= space + 1 or not equals or data[end - 1 : end] != b"\n":
            raise invalid("a pax header is malformed")
        records[_text(key)] = _text(value)
        at = end
    return records


def _refuse_overrides(records: dict[str, str]) -> None:
    for key in ("path", "linkpath", "size"):
        if key in records:
            raise invalid(f"a global pax header sets {key!r}")


def _pax_size(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= SIZE_LIMIT_BYTES):
        raise invalid(f"{name!r} claims to have {text[:30]!r} bytes")
    return int(text)


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


def invalid(why: str, hint: str = "") -> errors.InvalidArchive:
    """Return the error for an archive that is wrong."""
    return errors.InvalidArchive(f"cannot load the archive: {why}", hint=hint)


def truncated(why: str) -> errors.InvalidArchive:
    """Return the error for an archive that stops too early."""
    return errors.InvalidArchive(f"cannot load the archive: {why}", hint=TRUNCATED_HINT)
