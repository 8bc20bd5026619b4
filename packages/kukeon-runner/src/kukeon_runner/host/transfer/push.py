"""Pushes an image: its layers first, what refers to them after that, its tag last."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from kukeon_api import errors, image_ref, model
from kukeon_runner.host.containerd import inventory, platforms, resolve
from kukeon_runner.host.containerd.inventory import Inventory
from kukeon_runner.host.containerd.leases import TRANSFER_EXPIRY_S
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kukeon_runner.host.containerd.client import Namespaced
    from kukeon_runner.host.containerd.values import Descriptor
    from kukeon_runner.host.registry.client import Registry
    from kukeon_runner.host.transfer.progress import Progress

UPLOADS_AT_ONCE = 3
_STAGE = model.TransferStage


async def push(
    within: Namespaced, registry: Registry, name: str, ref: image_ref.ImageRef, platform: str, progress: Progress
) -> tuple[str, int, bool]:
    """Have the image `name` at its registry as `ref`; return digest, size, and whether the tag pointed elsewhere.

    Everything that the name points at is sent, or with `platform` that one alone.  Raises ImageNotFound; Conflict when
    part of it is not here; the registry's errors.
    """
    progress.tell(_STAGE.RESOLVING)
    async with within.lease("image push", expires_s=TRANSFER_EXPIRY_S) as leased:
        record = await leased.images.get(name)
        await leased.leases.add(leased.lease_id, "content", record.target.digest)
        image = await _whole(leased, name, record.target, platform)
        before = await _digest(registry, ref)
        blobs = {part.digest: part for variant in image.variants for part in variant.parts}
        for part in blobs.values():
            progress.tell(_STAGE.WAITING, part.digest, 0, part.size)
        slots = asyncio.Semaphore(UPLOADS_AT_ONCE)
        source = image_ref.parse(name)

        async def send(part: Descriptor) -> None:
            async with slots:
                await _send(leased, registry, source, ref, part, progress)

        await together(*(send(part) for part in blobs.values()))
        await _manifests(leased, registry, ref, image)
    size = sum({part.digest: part.size for part in image.blobs()}.values())
    return image.target.digest, size, before != image.target.digest


async def _whole(leased: Namespaced, name: str, target: Descriptor, platform: str) -> Inventory:
    async def read(descriptor: Descriptor) -> bytes:
        return await leased.content.read(descriptor.digest)

    blobs = {blob.digest for blob in await leased.content.list()}
    wanted = platforms.wanted(platform, leased.platform) if platform else None
    try:
        if wanted is not None:
            with resolve.naming(f"cannot push image {name!r}", "choose one that it has, or leave --platform out"):
                found = await resolve.resolve(target, wanted, read)
            one = Inventory.of(found.descriptor, found)
            image = Inventory(one.target, (), one.variants)
        else:
            image = await inventory.take(target, read, blobs)
    except errors.NotFound as error:
        raise _incomplete(name, str(error), platform) from error
    for variant in image.variants:
        gone = {variant.descriptor.digest, *(part.digest for part in variant.parts)} - blobs
        if gone:
            raise _incomplete(name, f"{min(gone)}, which is for {variant.platform}, is not here", platform)
    return image


async def _digest(registry: Registry, ref: image_ref.ImageRef) -> str:
    """Return what `ref` is at the registry now, "" for nothing that it shows."""
    try:
        return (await registry.resolve_pushed(ref)).digest
    except (errors.ImageNotFound, errors.ManifestNotSupported):
        return ""
    except (errors.RegistryDenied, errors.RegistryUnauthorized, errors.RegistryRefused):
        # So some speak of a repository that is yet to come. Who may not push is told by the push.
        return ""


async def _send(
    leased: Namespaced,
    registry: Registry,
    source: image_ref.ImageRef,
    ref: image_ref.ImageRef,
    part: Descriptor,
    progress: Progress,
) -> None:
    if await registry.has_blob(ref, part):
        progress.tell(_STAGE.PRESENT, part.digest, part.size, part.size)
        return
    near = source.registry == ref.registry and source.repository != ref.repository
    if near and await registry.mount_blob(ref, part, source.repository):
        progress.tell(_STAGE.PRESENT, part.digest, part.size, part.size)
        return

    async def pieces() -> AsyncIterator[bytes]:
        done = 0
        async for data in leased.content.stream(part.digest, part.size):
            progress.tell(_STAGE.UPLOADING, part.digest, done, part.size)
            yield data
            done += len(data)

    await registry.upload_blob(ref, part, pieces)
    progress.tell(_STAGE.UPLOADED, part.digest, part.size, part.size)


async def _manifests(leased: Namespaced, registry: Registry, ref: image_ref.ImageRef, image: Inventory) -> None:
    """Store manifests and indexes by their digests, those inside first, and the outermost one by its tag."""
    below = image_ref.ImageRef(ref.registry, ref.repository)
    inside = [variant.descriptor for variant in image.variants]
    inside += [index.descriptor for index in reversed(image.indexes)]
    for each in inside:
        at = ref if each.digest == image.target.digest else below
        await registry.put_manifest(at, each, await leased.content.read(each.digest))


def _incomplete(name: str, why: str, platform: str) -> errors.Conflict:
    hint = "pull it again" if platform else "push one platform with --platform, or pull it with --platform all first"
    return errors.Conflict(f"cannot push image {name!r}: part of it is missing: {why}", hint=hint)
