"""Loads an archive: store, find, check, unpack, and only then name."""

from __future__ import annotations

import dataclasses
import logging
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.containerd import documents, inventory, keep, platforms, resolve
from kukeon_runner.host.containerd.archive import formats, source
from kukeon_runner.host.containerd.archive.contents import Contents
from kukeon_runner.host.containerd.archive.tar import TarReader, invalid
from kukeon_runner.host.containerd.leases import TRANSFER_EXPIRY_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kukeon_runner.host.containerd.client import Namespaced
    from kukeon_runner.host.containerd.values import Descriptor

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class _Ready:
    names: tuple[str, ...]
    target: Descriptor


async def import_archive(namespaced: Namespaced, chunks: AsyncIterator[bytes], platform: str = "") -> tuple[str, ...]:
    """Load the images of an OCI layout or Docker archive (tar; plain, in gzip or in zstd); return their names in full.

    Only what `platform` needs is kept: "" is this host's, "all" everything that is in the archive.  An image for other
    platforms only is left out as long as another one fits.  What this host can run is unpacked.  A name that exists
    points to the new image afterwards.  Memory stays flat whatever the archive's size.

    Raises TarballRequired for an empty stream, InvalidArchive for anything wrong with the archive, HostError when this
    host cannot take it (disk full).  Then no image has been added or changed.
    """
    wanted = platforms.wanted(platform, namespaced.platform)
    async with namespaced.lease("image load", expires_s=TRANSFER_EXPIRY_S) as leased:
        archive = await source.open_archive(chunks)
        contents = Contents(leased)
        await contents.fill(TarReader(archive))
        ready: list[_Ready] = []
        refused: list[resolve.NoPlatform] = []
        for image in await formats.offered(contents):
            try:
                ready.append(await _prepare(leased, contents, image, wanted))
            except resolve.NoPlatform as error:
                log.info("left out image %s: %s", ", ".join(image.names), error)
                refused.append(error)
        if not ready:
            raise refused[0]
        return await _name(leased, ready)


async def _prepare(
    leased: Namespaced, contents: Contents, image: formats.Offered, wanted: platforms.Platform | None
) -> _Ready:
    """Check and unpack one image, and tie its parts together for the collector."""
    if image.manifest:
        await leased.content.write(image.manifest)
        contents.blobs[image.target.digest] = image.target.size
    try:
        if wanted is None:
            found = await inventory.take(image.target, contents.read, contents.blobs)
        else:
            found = inventory.Inventory.of(image.target, await resolve.resolve(image.target, wanted, contents.read))
    except errors.NotFound as error:
        raise errors.InvalidArchive(error.message, hint=source.TRUNCATED_HINT) from error
    # Manifests that the archive lacks are those of platforms that whoever made it left out.
    found = dataclasses.replace(found, variants=tuple(each for each in found.variants if each.parts))
    if not found.variants:
        raise invalid(f"no manifest of {image.names[0]} is in it", source.TRUNCATED_HINT)
    for part in (part for variant in found.variants for part in variant.parts):
        if part.digest not in contents.blobs:
            what = "config" if part.media_type in documents.CONFIG_TYPES else "layer"
            raise invalid(f"{what} {part.digest} is referred to, but not in it", source.TRUNCATED_HINT)
        if contents.blobs[part.digest] != part.size:
            raise invalid(f"{part.digest} has {contents.blobs[part.digest]} bytes, not {part.size}")
    await keep.keep(leased, found, leased.platform)
    return _Ready(image.names, image.target)


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
