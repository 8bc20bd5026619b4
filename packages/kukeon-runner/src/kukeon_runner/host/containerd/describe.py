"""Describes images to people: platforms, sizes, configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, model
from kukeon_runner.host.containerd import inventory, resolve

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kukeon_runner.host.containerd.client import Namespaced
    from kukeon_runner.host.containerd.images import ImageRecord
    from kukeon_runner.host.containerd.values import Descriptor


async def present(within: Namespaced) -> Mapping[str, int]:
    """Return the size of every blob of the namespace by its digest, as the two others want it."""
    return {blob.digest: blob.size for blob in await within.content.list()}


async def brief(within: Namespaced, record: ImageRecord, present: Mapping[str, int]) -> model.ImageInfo:
    """Return an image as lists show it; what is damaged about it is left out, and then its size is -1."""
    return (await _described(within, record, present))[0]


async def full(within: Namespaced, record: ImageRecord, present: Mapping[str, int]) -> model.ImageInfo:
    """Return everything about an image; layers and config of the platform that this host runs, where it has that."""
    info, found = await _described(within, record, present)
    if found is None:
        return info
    layers = tuple(
        model.ImageLayer(digest=layer.digest, media_type=layer.media_type, size=layer.size)
        for layer in found.manifest.layers
    )
    said = found.config
    config = model.ImageConfig(
        user=said.user,
        env=said.env,
        entrypoint=said.entrypoint,
        cmd=said.cmd,
        working_dir=said.working_dir,
        stop_signal=said.stop_signal,
        volumes=said.volumes,
        exposed_ports=said.exposed_ports,
        labels=dict(said.labels),
        healthcheck=said.healthcheck,
    )
    return msgspec.structs.replace(info, layers=layers, config=config)


async def _described(
    within: Namespaced, record: ImageRecord, present: Mapping[str, int]
) -> tuple[model.ImageInfo, resolve.Resolved | None]:
    documents: dict[str, bytes] = {}

    async def read(descriptor: Descriptor) -> bytes:
        if descriptor.digest not in present:
            raise errors.NotFound(f"{descriptor.digest} is not there")
        if descriptor.digest not in documents:
            documents[descriptor.digest] = await within.content.read(descriptor.digest)
        return documents[descriptor.digest]

    info = model.ImageInfo(
        name=record.name,
        size=-1,
        created_at=record.created_at,
        digest=record.target.digest,
        media_type=record.target.media_type,
        labels=dict(record.labels),
    )
    try:
        image = await inventory.take(record.target, read, present)
    except (errors.NotFound, errors.Invalid):
        return info, None
    platforms = tuple(
        model.ImagePlatform(
            platform=str(each.platform), digest=each.descriptor.digest, size=each.size, present=each.complete
        )
        for each in image.variants
        if each.known
    )
    built = [each.config.built_at for each in image.variants if each.config and each.config.built_at]
    info = msgspec.structs.replace(info, platforms=platforms, built_at=built[0] if built else None)
    try:
        found = await resolve.resolve(record.target, within.platform, read)
    except (errors.NotFound, errors.Invalid):
        # For other platforms only: the size is that of what is there.
        sizes = {part.digest: part.size for part in image.blobs()}
        complete = any(each.complete for each in image.variants)
        return msgspec.structs.replace(info, size=sum(sizes.values()) if complete else -1), None
    return msgspec.structs.replace(info, size=found.size, built_at=found.config.built_at or info.built_at), found
