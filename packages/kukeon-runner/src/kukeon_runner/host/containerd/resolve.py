"""Finds what an image means on this host: target -> manifest for our platform -> config and layers."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.containerd import documents, reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kukeon_runner.host.containerd.platforms import Platform
    from kukeon_runner.host.containerd.reading import ReadBlob
    from kukeon_runner.host.containerd.values import Descriptor

READS_LIMIT = 200
"""Documents looked at for one image; an index that needs more is built to waste our time."""


@dataclasses.dataclass(frozen=True)
class Resolved:
    """The image of one platform: the indexes passed through (outermost first), its manifest, config and layers."""

    indexes: tuple[tuple[Descriptor, tuple[documents.IndexEntry, ...]], ...]
    descriptor: Descriptor
    manifest: documents.Manifest
    config: documents.ImageConfig

    @property
    def size(self) -> int:
        """Return the bytes of everything it is made of, compressed as it is stored."""
        parts = (*(index for index, _ in self.indexes), self.descriptor, self.manifest.config, *self.manifest.layers)
        return sum(part.size for part in parts)


@dataclasses.dataclass(frozen=True)
class _Candidate:
    misfit: int
    descriptor: Descriptor
    indexes: tuple[tuple[Descriptor, tuple[documents.IndexEntry, ...]], ...]


class _Search:
    """One look through an image's documents.  `read` raises NotFound for a blob that is not there."""

    def __init__(self, platform: Platform, read: ReadBlob) -> None:
        self.platform = platform
        self._reader = reading.Reader(read, READS_LIMIT)
        self._seen: set[str] = set()
        self._contents: dict[str, tuple[documents.Manifest, documents.ImageConfig]] = {}
        self.candidates: list[_Candidate] = []
        self.others: list[str] = []
        self.missing: list[errors.NotFound] = []

    async def look(
        self,
        descriptor: Descriptor,
        platform: Platform | None,
        indexes: tuple[tuple[Descriptor, tuple[documents.IndexEntry, ...]], ...] = (),
    ) -> None:
        """Collect the manifests below `descriptor` that fit; blobs absent from an index are other platforms'."""
        if descriptor.digest in self._seen:
            return
        self._seen.add(descriptor.digest)
        if descriptor.media_type in documents.MANIFEST_TYPES:
            await self._manifest(descriptor, platform, indexes)
        elif descriptor.media_type in documents.INDEX_TYPES:
            reading.check_depth(len(indexes))
            try:
                data = await self._reader.document(descriptor)
            except errors.NotFound as error:
                self.missing.append(error)
                return
            entries = documents.parse_index(data, f"the index {descriptor.digest}")
            for entry in entries:
                await self.look(entry.descriptor, entry.platform, (*indexes, (descriptor, entries)))
        elif not indexes:
            raise reading.invalid(f"{descriptor.digest} has the unknown type {descriptor.media_type!r}")
        # An unknown type inside an index is something beside the image, such as a signature.

    async def _manifest(
        self,
        descriptor: Descriptor,
        platform: Platform | None,
        indexes: tuple[tuple[Descriptor, tuple[documents.IndexEntry, ...]], ...],
    ) -> None:
        if platform is None or not platform.architecture:
            try:
                _, config = await self.contents(descriptor)
            except errors.NotFound as error:
                self.missing.append(error)
                return
            platform = config.platform
        misfit = platform.misfit(self.platform) if platform.architecture else 0
        if misfit is None:
            self.others.append(str(platform))
        else:
            self.candidates.append(_Candidate(misfit, descriptor, indexes))

    async def contents(self, descriptor: Descriptor) -> tuple[documents.Manifest, documents.ImageConfig]:
        """Return a manifest and its config, which must belong together."""
        if descriptor.digest in self._contents:
            return self._contents[descriptor.digest]
        what = f"the manifest {descriptor.digest}"
        manifest = documents.parse_manifest(await self._reader.document(descriptor), what)
        config = documents.parse_config(
            await self._reader.document(manifest.config), f"the config {manifest.config.digest}"
        )
        if len(config.diff_ids) != len(manifest.layers):
            raise reading.invalid(f"{what} has {len(manifest.layers)} layers, its config has {len(config.diff_ids)}")
        self._contents[descriptor.digest] = manifest, config
        return manifest, config


async def resolve(target: Descriptor, platform: Platform, read: ReadBlob) -> Resolved:
    """Return the image below `target` that fits `platform` best.

    Raises NotFound when a document that is needed is not there, InvalidArchive when one is wrong, `NoPlatform` when
    the image is for other platforms only.
    """
    search = _Search(platform, read)
    await search.look(target, None)
    if not search.candidates:
        if search.missing:
            raise search.missing[0]
        raise NoPlatform(platform, tuple(search.others))
    best = min(search.candidates, key=lambda candidate: candidate.misfit)
    manifest, config = await search.contents(best.descriptor)
    if config.platform.architecture and _kind(config.platform) != _kind(platform):
        raise NoPlatform(platform, (str(config.platform),))
    return Resolved(best.indexes, best.descriptor, manifest, config)


def _kind(platform: Platform) -> tuple[str, str]:
    return platform.os or "linux", platform.architecture


class NoPlatform(errors.InvalidArchive):
    """The image is for other platforms only; `found` lists them."""

    def __init__(self, wanted: Platform, found: tuple[str, ...]) -> None:
        has = ", ".join(sorted({name for name in found if "unknown" not in name})[:10]) or "no platform at all"
        super().__init__(
            f"cannot use the image: it is for {has}, not for {wanted}",
            hint=f"build or save it with --platform {wanted}, or choose one that it has",
            kind=errors.InvalidArchive.__name__,
        )
        self.found = found


@contextlib.contextmanager
def naming(doing: str, hint: str = "") -> Iterator[None]:
    """Have errors about an image that is wrong say what was to be done, and with which one.

    `hint` is for an image that is for other platforms only, if it can be told better here.
    """
    try:
        yield
    except errors.InvalidArchive as error:
        words = error.message.removeprefix("cannot use the image: ")
        told = hint if hint and isinstance(error, NoPlatform) else error.hint
        raise errors.InvalidArchive(f"{doing}: {words}", hint=told) from error
