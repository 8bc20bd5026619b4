"""Loads an archive: store, find, check, unpack, and only then name."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.containerd import resolve
from kukeon_runner.host.containerd.archive import formats, source
from kukeon_runner.host.containerd.archive.contents import Contents
from kukeon_runner.host.containerd.archive.tar import TarReader, invalid
from kukeon_runner.host.containerd.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kukeon_runner.host.containerd.client import Namespaced
    from kukeon_runner.host.containerd.values import Descriptor

log = logging.getLogger(__name__)

LEASE_EXPIRES_S = 24 * 3600.0
"""Leases can't be renewed, and a load lasts as long as its client takes to send it."""

# The garbage collector follows these from a blob to what it needs.  The keys are those that `ctr image import` of
# containerd 1.6 and later sets (seen with `ctr content ls`; docs/content-flow.md and docs/garbage-collection.md there).
_CONFIG_LABEL = "containerd.io/gc.ref.content.config"
_LAYER_LABEL = "containerd.io/gc.ref.content.l."
_MANIFEST_LABEL = "containerd.io/gc.ref.content.m."
_SNAPSHOT_LABEL = "containerd.io/gc.ref.snapshot."


@dataclasses.dataclass(frozen=True)
class _Ready:
    names: tuple[str, ...]
    target: Descriptor


async def import_archive(namespaced: Namespaced, chunks: AsyncIterator[bytes]) -> tuple[str, ...]:
    """Load the images of an OCI layout or Docker archive (tar, or tar in gzip) and return their names in full.

    Only what this host's platform needs is kept; an image for other platforms only is left out as long as another one
    fits.  Each image is unpacked.  A name that exists points to the new image afterwards.  Memory stays flat whatever
    the archive's size.

    Raises TarballRequired for an empty stream, InvalidArchive for anything wrong with the archive, HostError when this
    host cannot take it (disk full).  Then no image has been added or changed.
    """
    async with namespaced.lease("image load", expires_s=LEASE_EXPIRES_S) as leased:
        archive = await source.open_archive(chunks)
        contents = Contents(leased)
        await contents.fill(TarReader(archive))
        ready: list[_Ready] = []
        refused: list[resolve.NoPlatform] = []
        for image in await formats.offered(contents):
            try:
                ready.append(await _prepare(leased, contents, image))
            except resolve.NoPlatform as error:
                log.info("left out image %s: %s", ", ".join(image.names), error)
                refused.append(error)
        if not ready:
            raise refused[0]
        return await _name(leased, ready)


async def _prepare(leased: Namespaced, contents: Contents, image: formats.Offered) -> _Ready:
    """Check and unpack one image, and tie its parts together for the collector."""
    if image.manifest:
        await leased.content.write(image.manifest)
        contents.blobs[image.target.digest] = image.target.size
    try:
        found = await resolve.resolve(image.target, leased.platform, contents.read)
    except errors.NotFound as error:
        raise errors.InvalidArchive(error.message, hint=source.TRUNCATED_HINT) from error
    for layer in found.manifest.layers:
        if layer.digest not in contents.blobs:
            raise errors.InvalidArchive(
                f"cannot load the archive: layer {layer.digest} is referred to, but not in it",
                hint=source.TRUNCATED_HINT,
            )
        if contents.blobs[layer.digest] != layer.size:
            raise invalid(f"{layer.digest} has {contents.blobs[layer.digest]} bytes, not {layer.size}")
    chain_id = await unpack(leased, found.manifest.layers, found.config.diff_ids)
    await _label(leased, found, chain_id)
    return _Ready(image.names, image.target)


async def _label(leased: Namespaced, found: resolve.Resolved, chain_id: str) -> None:
    if chain_id:
        labels = {_SNAPSHOT_LABEL + leased.snapshotter: chain_id}
        await leased.content.set_labels(found.manifest.config.digest, labels)
    labels = {_LAYER_LABEL + str(i): layer.digest for i, layer in enumerate(found.manifest.layers)}
    labels[_CONFIG_LABEL] = found.manifest.config.digest
    await leased.content.set_labels(found.descriptor.digest, labels)
    below = found.descriptor.digest
    for index, entries in reversed(found.indexes):
        labels = {
            _MANIFEST_LABEL + str(i): below for i, entry in enumerate(entries) if entry.descriptor.digest == below
        }
        await leased.content.set_labels(index.digest, labels)
        below = index.digest


async def _name(leased: Namespaced, ready: list[_Ready]) -> tuple[str, ...]:
    """Point the names at the images; a name that the archive gives to two different ones is refused before that."""
    targets: dict[str, Descriptor] = {}
    for image in ready:
        for name in image.names:
            if targets.setdefault(name, image.target).digest != image.target.digest:
                raise invalid(f"it gives the name {name!r} to two different images")
    for name, target in targets.items():
        await leased.images.create_or_update(name, target)
    return tuple(targets)
