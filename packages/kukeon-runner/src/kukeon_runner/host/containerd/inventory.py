"""What there is of an image: every platform that it names, and what each of them is made of.

`resolve` answers what to run and is strict; this one answers what to show, keep, send or remove, and carries along what
it does not know, such as signatures.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.containerd import documents, reading
from kukeon_runner.host.containerd.platforms import Platform

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from kukeon_runner.host.containerd.reading import ReadBlob
    from kukeon_runner.host.containerd.resolve import Resolved
    from kukeon_runner.host.containerd.values import Descriptor

DOCUMENTS_LIMIT = 1000
"""Indexes, manifests and configs looked at for one image."""
PARTS_LIMIT = 10_000
"""Layers and configs of all its platforms: twenty of them with a hundred layers each have a fifth of that."""

UNKNOWN = Platform("unknown", "unknown")
"""What builders write for what is no image, such as an attestation."""


@dataclasses.dataclass(frozen=True)
class Index:
    """An index and what it lists."""

    descriptor: Descriptor
    entries: tuple[documents.IndexEntry, ...]


@dataclasses.dataclass(frozen=True)
class Variant:
    """The image of one platform: a manifest, and what it refers to.  `parts` is empty where the manifest is missing."""

    platform: Platform
    descriptor: Descriptor
    parts: tuple[Descriptor, ...] = ()
    config: documents.ImageConfig | None = None
    complete: bool = False
    """Whether the manifest and all parts were there."""

    @property
    def size(self) -> int:
        """Return the bytes of manifest and parts; -1 when the manifest is missing."""
        return self.descriptor.size + sum(part.size for part in self.parts) if self.parts else -1

    @property
    def known(self) -> bool:
        """Tell whether it is an image, not something beside one."""
        return "unknown" not in (self.platform.os, self.platform.architecture)


@dataclasses.dataclass(frozen=True)
class Inventory:
    """An image: the indexes that were there, outermost first, and the variants that they or the target name."""

    target: Descriptor
    indexes: tuple[Index, ...]
    variants: tuple[Variant, ...]

    @classmethod
    def of(cls, target: Descriptor, found: Resolved) -> Inventory:
        """Return the inventory of the one platform that was resolved."""
        parts = (found.manifest.config, *found.manifest.layers)
        variant = Variant(found.config.platform, found.descriptor, parts, found.config, complete=True)
        return cls(target, tuple(Index(index, entries) for index, entries in found.indexes), (variant,))

    def blobs(self) -> Iterator[Descriptor]:
        """Yield everything that the complete variants are made of, what is referred to before what refers to it."""
        for variant in self.variants:
            if variant.complete:
                yield from variant.parts
                yield variant.descriptor
        for index in reversed(self.indexes):
            yield index.descriptor


async def take(target: Descriptor, read: ReadBlob, present: Container[str] | None = None) -> Inventory:
    """Return what is below `target`; `read` raises NotFound for what is not there.

    `present` are the digests in the store, for layers, which nobody reads; None: all are.  Raises NotFound when the
    target itself is missing, InvalidArchive when a document is wrong.
    """
    walk = _Walk(read, present)
    await walk.look(target, None, 0)
    return Inventory(target, tuple(walk.indexes), tuple(walk.variants.values()))


class _Walk:
    def __init__(self, read: ReadBlob, present: Container[str] | None) -> None:
        self._reader = reading.Reader(read, DOCUMENTS_LIMIT)
        self._present = present
        self._parts = 0
        self._seen: set[str] = set()
        self.indexes: list[Index] = []
        self.variants: dict[str, Variant] = {}

    async def look(self, descriptor: Descriptor, platform: Platform | None, depth: int) -> None:
        if descriptor.digest in self._seen:
            return
        self._seen.add(descriptor.digest)
        if descriptor.media_type in documents.INDEX_TYPES:
            await self._index(descriptor, depth)
        elif descriptor.media_type in documents.MANIFEST_TYPES:
            self.variants[descriptor.digest] = await self._variant(descriptor, platform, required=not depth)
        elif not depth:
            raise reading.invalid(f"{descriptor.digest} has the unknown type {descriptor.media_type!r}")

    async def _index(self, descriptor: Descriptor, depth: int) -> None:
        reading.check_depth(depth)
        try:
            data = await self._reader.document(descriptor)
        except errors.NotFound:
            if not depth:
                raise
            return
        entries = documents.parse_index(data, f"the index {descriptor.digest}")
        self.indexes.append(Index(descriptor, entries))
        for entry in entries:
            await self.look(entry.descriptor, entry.platform, depth + 1)

    async def _variant(self, descriptor: Descriptor, platform: Platform | None, *, required: bool) -> Variant:
        try:
            data = await self._reader.document(descriptor)
        except errors.NotFound:
            if required:
                raise
            return Variant(platform or UNKNOWN, descriptor)
        what = f"the manifest {descriptor.digest}"
        parts = documents.parse_references(data, what)
        self._parts += len(parts)
        if self._parts > PARTS_LIMIT:
            raise reading.invalid(f"more than {PARTS_LIMIT} parts belong to it")
        complete = self._present is None or all(part.digest in self._present for part in parts)
        config = None
        if parts and parts[0].media_type in documents.CONFIG_TYPES and (platform is None or platform != UNKNOWN):
            try:
                config = documents.parse_config(await self._reader.document(parts[0]), f"the config {parts[0].digest}")
            except errors.NotFound:
                complete = False
            if config and len(config.diff_ids) != len(parts) - 1:
                raise reading.invalid(f"{what} has {len(parts) - 1} layers, its config has {len(config.diff_ids)}")
        found = platform if platform and platform.architecture else config.platform if config else UNKNOWN
        return Variant(found, descriptor, parts, config, complete=complete)
