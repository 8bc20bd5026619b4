"""Stores the files of an archive in containerd as they pass, and remembers what was where."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import re
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.containerd import documents
from kukeon_runner.host.containerd.archive.tar import Kind, Member, TarReader, invalid

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kukeon_runner.host.containerd.client import Namespaced
    from kukeon_runner.host.containerd.values import Descriptor

DOCUMENTS = ("index.json", "oci-layout", "manifest.json")
"""Files at the top that say what the archive is; small, and kept in memory."""

_BLOB = re.compile(r"blobs/([^/]+)/([^/]+)")
# What `docker save` wrote before images had manifests: nothing in it is needed.
_LEGACY = re.compile(r"repositories|(.*/)?(VERSION|json)")
_LINKS_LIMIT = 16
_HEAD_BYTES = 8


@dataclasses.dataclass(frozen=True)
class StoredFile:
    """A file that went into the content store; `head` is its first bytes."""

    digest: str
    size: int
    head: bytes


class Contents:
    """What an archive held."""

    def __init__(self, leased: Namespaced) -> None:
        self._leased = leased
        self.documents: dict[str, bytes] = {}
        self.blobs: dict[str, int] = {}
        self._files: dict[str, StoredFile] = {}
        self._links: dict[str, str] = {}

    async def fill(self, tar: TarReader) -> None:
        """Read the archive to its end."""
        while (member := await tar.next()) is not None:
            if member.kind is Kind.SYMLINK:
                self._link(member)
            elif member.kind is Kind.FILE:
                await self._file(member, tar)

    def _link(self, member: Member) -> None:
        if member.name in self._files or self._links.get(member.name, member.target) != member.target:
            raise _twice(member.name)
        self._links[member.name] = member.target

    async def _file(self, member: Member, tar: TarReader) -> None:
        if member.name in self._links:
            raise _twice(member.name)
        if member.name in DOCUMENTS:
            data = await tar.read(member, documents.DOCUMENT_LIMIT_BYTES)
            if self.documents.setdefault(member.name, data) != data:
                raise _twice(member.name)
        elif _LEGACY.fullmatch(member.name):
            return
        elif blob := _BLOB.fullmatch(member.name):
            expected = documents.check_digest(f"{blob[1]}:{blob[2]}", f"the file {member.name!r}")
            self._add(member.name, await self._store(member, tar, expected))
        else:
            self._add(member.name, await self._store(member, tar, ""))

    def _add(self, name: str, stored: StoredFile) -> None:
        if self._files.setdefault(name, stored) != stored:
            raise _twice(name)
        self.blobs[stored.digest] = stored.size

    async def _store(self, member: Member, tar: TarReader, expected: str) -> StoredFile:
        """Put the current member into the content store, under the lease; with `expected` it must be that blob."""
        passing = _Passing(tar.body(), hashed=True)
        content = self._leased.content
        if expected and await self._have(expected):
            # It is there already: what passes is only checked, so that a damaged archive is refused every time.
            async for _ in passing:
                pass
        else:
            passing.hashed = not expected
            try:
                written = await content.write_stream(passing, size=member.size, expected=expected)
            except errors.Conflict as error:
                raise _wrong(member.name, expected) from error
            # Another load may have stored the same blob meanwhile; then the rest has not passed yet.
            async for _ in passing:
                pass
            if expected:
                return StoredFile(written, member.size, passing.head)
        digest = passing.digest
        if expected and digest != expected:
            raise _wrong(member.name, expected)
        return StoredFile(digest, member.size, passing.head)

    async def _have(self, digest: str) -> bool:
        await self._leased.leases.add(self._leased.lease_id, "content", digest)
        return await self._leased.content.exists(digest)

    def file(self, path: str, what: str) -> StoredFile:
        """Return the file at `path`, through symlinks, or raise InvalidArchive; `what` says who asks for it."""
        name = path
        for _ in range(_LINKS_LIMIT):
            if name in self._files:
                return self._files[name]
            if name not in self._links:
                raise invalid(f"{what} refers to {path[:200]!r}, which is not in it")
            name = self._links[name]
        raise invalid(f"{what} refers to {path[:200]!r}, a symlink that leads nowhere")

    async def read(self, descriptor: Descriptor) -> bytes:
        """Return a document among the blobs; NotFound when the archive has no such blob."""
        if descriptor.digest not in self.blobs:
            raise errors.NotFound(f"cannot load the archive: {descriptor.digest} is referred to, but not in it")
        return await self._leased.content.read(descriptor.digest)


class _Passing:
    """An iterator over a member's pieces that keeps the first bytes and, if `hashed`, the sha256 of all."""

    def __init__(self, pieces: AsyncIterator[bytes], *, hashed: bool) -> None:
        self._pieces = pieces
        self._hash = hashlib.sha256()
        self.hashed = hashed
        self.head = b""

    def __aiter__(self) -> _Passing:
        return self

    async def __anext__(self) -> bytes:
        data = await anext(self._pieces)
        if len(self.head) < _HEAD_BYTES:
            self.head = (self.head + data[:_HEAD_BYTES])[:_HEAD_BYTES]
        if self.hashed:
            await asyncio.to_thread(self._hash.update, data)
        return data

    @property
    def digest(self) -> str:
        return f"sha256:{self._hash.hexdigest()}"


def _twice(name: str) -> errors.InvalidArchive:
    return invalid(f"{name!r} is in it twice, with different content")


def _wrong(name: str, expected: str) -> errors.InvalidArchive:
    return invalid(f"the content of {name!r} does not have the digest {expected}")
