"""Pulls an image: find out what it is, fetch what is missing, unpack while more comes, and only then name it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING

from kukeon_api import errors, model
from kukeon_runner.host.containerd import documents, ingest, inventory, keep, platforms, prune, resolve
from kukeon_runner.host.containerd.inventory import Inventory
from kukeon_runner.host.containerd.leases import TRANSFER_EXPIRY_S
from kukeon_runner.host.containerd.values import Descriptor
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from kukeon_api.image_ref import ImageRef
    from kukeon_runner.host.containerd.client import Namespaced
    from kukeon_runner.host.registry.client import Registry
    from kukeon_runner.host.transfer.progress import Progress
    from kukeon_runner.locks import KeyedLock

DOWNLOADS_AT_ONCE = 3
"""As many as docker and containerd take: more share the same line."""

_STAGE = model.TransferStage


@dataclasses.dataclass(frozen=True)
class Pulled:
    """What came of a pull: digest and size of the image, and whether its name pointed elsewhere before."""

    digest: str
    size_bytes: int
    changed: bool


async def pull(
    within: Namespaced,
    registry: Registry,
    ref: ImageRef,
    platform: str,
    progress: Progress,
    fetching: KeyedLock[tuple[str, str]],
) -> Pulled:
    """Have the image `ref` in the namespace, for `platform` ("" is this host's, "all" every one).

    `fetching` is shared by all pulls of this process: of two that need the same blob, one fetches it.  What a pull that
    broke off has fetched of a blob serves the next one of the same image and is dropped by the next one of another.

    Raises the registry's errors; InvalidArchive for an image that is wrong or not for the platform; HostError when this
    host cannot take it.  Then no name has been given or moved.
    """
    name = str(ref)
    wanted = platforms.wanted(platform, within.platform)
    progress.tell(_STAGE.RESOLVING)
    found = await registry.resolve(ref)
    target = Descriptor(found.media_type, found.digest, found.size)
    with resolve.naming(f"cannot pull {name!r}"):
        documents.check_digest(target.digest, "it")
    async with within.lease("image pull", expires_s=TRANSFER_EXPIRY_S) as leased:
        fetch = _Fetch(leased, registry, ref, progress, fetching)
        with resolve.naming(f"cannot pull {name!r}"):
            if wanted is None:
                image = await inventory.take(target, fetch.document)
            else:
                image = Inventory.of(target, await resolve.resolve(target, wanted, fetch.document))
            missing = [variant.descriptor.digest for variant in image.variants if not variant.parts]
            if missing:
                raise errors.BlobNotFound(f"cannot pull {name!r}: its registry does not have {missing[0]}")
            blobs = {part.digest: part for variant in image.variants for part in variant.parts}
            await prune.clear(leased, keeping={ingest.ref_of(digest) for digest in blobs})
            for part in blobs.values():
                progress.tell(_STAGE.WAITING, part.digest, 0, part.size)
            downloads = {digest: asyncio.Event() for digest in blobs}

            async def download(part: Descriptor) -> None:
                await fetch.blob(part)
                downloads[part.digest].set()

            async def ready(layer: Descriptor) -> None:
                await downloads[layer.digest].wait()
                progress.tell(_STAGE.UNPACKING, layer.digest, layer.size, layer.size)

            async def unpack() -> None:
                await keep.keep(leased, image, leased.platform, ready)

            await together(unpack(), *(download(part) for part in blobs.values()))
        before = await leased.images.find(name)
        await leased.images.create_or_update(name, target)
    size = sum({part.digest: part.size for part in image.blobs()}.values())
    return Pulled(target.digest, size, before is None or before.target.digest != target.digest)


class _Fetch:
    """Brings blobs and documents of one image from its registry into the content store."""

    def __init__(
        self,
        leased: Namespaced,
        registry: Registry,
        ref: ImageRef,
        progress: Progress,
        fetching: KeyedLock[tuple[str, str]],
    ) -> None:
        self._leased = leased
        self._registry = registry
        self._ref = ref
        self._progress = progress
        self._fetching = fetching
        self._slots = asyncio.Semaphore(DOWNLOADS_AT_ONCE)

    async def document(self, descriptor: Descriptor) -> bytes:
        """Return an index, a manifest or a config, which is in the store afterwards."""
        manifest = descriptor.media_type in documents.MANIFEST_TYPES | documents.INDEX_TYPES
        if not await self._have(descriptor):
            if manifest:
                await self._leased.content.write(await self._registry.manifest(self._ref, descriptor))
            else:
                await self.blob(descriptor)
        return await self._leased.content.read(descriptor.digest)

    async def blob(self, descriptor: Descriptor) -> None:
        """Have a blob in the store."""
        async with self._fetching((self._leased.name, descriptor.digest)):
            if await self._have(descriptor):
                self._tell(_STAGE.PRESENT, descriptor, descriptor.size)
                return
            async with self._slots:
                await self._download(descriptor)
        self._tell(_STAGE.DOWNLOADED, descriptor, descriptor.size)

    async def _download(self, descriptor: Descriptor) -> None:
        def source(offset: int) -> AsyncGenerator[bytes, None]:
            return self._counted(descriptor, offset)

        try:
            await ingest.write(self._leased.scope, descriptor.digest, descriptor.size, source)
        except errors.Conflict as error:
            raise errors.DigestMismatch(
                f"cannot pull {str(self._ref)!r}: registry {self._ref.registry!r} sends other content for"
                f" {descriptor.digest}",
                hint="the image is damaged at the registry, or something on the way changes what it sends",
            ) from error

    async def _counted(self, descriptor: Descriptor, offset: int) -> AsyncGenerator[bytes, None]:
        """Yield the blob from `offset` on in pieces of about a mebibyte, and say how far it is."""
        done, held = offset, []
        size = 0
        async with contextlib.aclosing(self._registry.blob(self._ref, descriptor, offset)) as pieces:
            async for piece in pieces:
                held.append(piece)
                size += len(piece)
                if size >= ingest.PIECE_BYTES:
                    yield b"".join(held)
                    done, held, size = done + size, [], 0
                    self._tell(_STAGE.DOWNLOADING, descriptor, done)
        if held:
            yield b"".join(held)

    async def _have(self, descriptor: Descriptor) -> bool:
        # Under the lease before it is looked for: what is found stays.
        await self._leased.leases.add(self._leased.lease_id, "content", descriptor.digest)
        return await self._leased.content.exists(descriptor.digest)

    def _tell(self, stage: model.TransferStage, descriptor: Descriptor, done: int) -> None:
        self._progress.tell(stage, descriptor.digest, done, descriptor.size)
