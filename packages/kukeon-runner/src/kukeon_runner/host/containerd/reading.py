"""Reads the documents of one image: as many, as large and as deep as an image has a use for, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.containerd import documents

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kukeon_runner.host.containerd.values import Descriptor

    ReadBlob = Callable[[Descriptor], Awaitable[bytes]]

NESTING_LIMIT = 8

BYTES_LIMIT = 16 * 1024 * 1024
"""What all documents of an image may have together: what they say is kept in memory, at many times its length."""


class Reader:
    """One look through an image's documents; `read` raises NotFound for a blob that is not there."""

    def __init__(self, read: ReadBlob, limit: int) -> None:
        self._read = read
        self._limit = limit
        self._reads = 0
        self._left_bytes = BYTES_LIMIT

    async def document(self, descriptor: Descriptor) -> bytes:
        """Return a document, checked against its descriptor's size and our limits; raises InvalidArchive."""
        self._reads += 1
        if self._reads > self._limit:
            raise invalid(f"more than {self._limit} documents belong to it")
        if descriptor.size > documents.DOCUMENT_LIMIT_BYTES:
            raise invalid(f"the document {descriptor.digest} has {descriptor.size} bytes, too many")
        self._left_bytes -= descriptor.size
        if self._left_bytes < 0:
            raise invalid(f"its documents have more than {BYTES_LIMIT} bytes")
        data = await self._read(descriptor)
        if len(data) != descriptor.size:
            raise invalid(f"{descriptor.digest} has {len(data)} bytes, its descriptor says {descriptor.size}")
        return data


def check_depth(depth: int) -> None:
    """Refuse an index that has `depth` others around it when those are too many; raises InvalidArchive."""
    if depth >= NESTING_LIMIT:
        raise invalid(f"indexes are nested more than {NESTING_LIMIT} deep")


def invalid(why: str) -> errors.InvalidArchive:
    """Return the error for an image that is wrong."""
    return errors.InvalidArchive(f"cannot use the image: {why}")
