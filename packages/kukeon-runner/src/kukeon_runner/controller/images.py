"""Images over the wire. They live in the containerd namespace of their realm, whatever that is called."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from kukeon_api import errors, image_platform, image_ref, model
from kukeon_runner.controller.base import Base
from kukeon_runner.host.transfer import logins
from kukeon_runner.host.transfer.progress import News, Progress
from kukeon_runner.runner import pulling

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


ARCHIVE_FORMATS = ("oci", "docker")
NOBODY = model.RegistryLogin()
TELL_EVERY_S = 0.1
"""As often as a person can follow."""


class Images(Base):
    async def load_image(self, realm: str, chunks: AsyncIterator[bytes], platform: str = "") -> model.LoadImageResult:
        """Import an archive (OCI or docker); meanwhile the realm stays. Raises RealmNotFound, InvalidArchive.

        Conflict when nothing comes any more and the realm is to go.
        """
        platform = image_platform.check(platform)
        # What is refused is not read to its end; unless closed, its reader would be left to the garbage collector.
        async with (
            self.runner.realms.uploading(realm, chunks) as (namespace, upload),
            contextlib.aclosing(upload.chunks()) as pieces,
        ):
            images = await self.runner.context.host.images.load(namespace, pieces, platform)
        return model.LoadImageResult(realm=realm, namespace=namespace, images=tuple(images))

    async def list_images(self, realm: str) -> model.ListImagesResult:
        """The images of a realm, by name. Raises RealmNotFound."""
        namespace = self.runner.realms.namespace(realm)
        images = await self.runner.context.host.images.list(namespace)
        return model.ListImagesResult(realm=realm, namespace=namespace, images=tuple(images))

    async def get_image(self, realm: str, ref: str) -> model.GetImageResult:
        """One image; short names are completed as docker does. Raises RealmNotFound, ImageNotFound."""
        namespace = self.runner.realms.namespace(realm)
        image = await self.runner.context.host.images.info(namespace, image_ref.normalise(ref))
        return model.GetImageResult(realm=realm, namespace=namespace, image=image)

    async def delete_image(self, realm: str, ref: str) -> model.DeleteImageResult:
        """Delete an image by name. Raises RealmNotFound, ImageNotFound."""
        namespace, name = self.runner.realms.namespace(realm), image_ref.normalise(ref)
        await self.runner.context.host.images.delete(namespace, name)
        return model.DeleteImageResult(realm=realm, namespace=namespace, ref=name)

    async def pull_image(
        self,
        realm: str,
        ref: str,
        platform: str = "",
        login: model.RegistryLogin = NOBODY,
    ) -> AsyncIterator[tuple[model.TransferEvent, ...]]:
        """Have an image from its registry and tell how far it is; meanwhile the realm stays.

        Raises RealmNotFound, InvalidImage, and what registries have to say.
        """
        wanted, platform = image_ref.parse(ref), image_platform.check(platform)
        async with pulling.joined(self.runner.context, self.runner.realms, realm, wanted, platform, login) as pull:
            news = News(pull.progress)
            while not await pull.wait(TELL_EVERY_S):
                if events := news.take():
                    yield events
            result = await pull.task
            done = model.TransferEvent(stage=model.TransferStage.DONE, result=result)
            yield *news.take(), done

    async def push_image(
        self,
        realm: str,
        ref: str,
        destination: str = "",
        platform: str = "",
        login: model.RegistryLogin = NOBODY,
    ) -> AsyncIterator[tuple[model.TransferEvent, ...]]:
        """Have an image at a registry and tell how far it is. Raises RealmNotFound, ImageNotFound, Conflict.

        The realm may go meanwhile; then the push fails.
        """
        name, target = image_ref.normalise(ref), image_ref.parse(destination or ref)
        platform = image_platform.check(platform)
        if platform == image_platform.ALL:
            platform = ""
        namespace = self.runner.realms.namespace(realm)
        credentials = logins.credentials(await self.runner.realms.logins(realm), login)
        progress = Progress()
        images = self.runner.context.host.images
        task = asyncio.create_task(images.push(namespace, name, target, platform, credentials, progress), name="push")
        news = News(progress)
        try:
            while not (await asyncio.wait({task}, timeout=TELL_EVERY_S))[0]:
                if events := news.take():
                    yield events
            digest, size, changed = await task
        finally:
            task.cancel()
            await asyncio.wait({task})
        result = model.TransferResult(
            realm=realm, namespace=namespace, image=str(target), digest=digest, size=size, changed=changed
        )
        yield *news.take(), model.TransferEvent(stage=model.TransferStage.DONE, result=result)

    async def save_image(
        self, realm: str, refs: tuple[str, ...], platform: str = "", format: str = "oci"
    ) -> AsyncIterator[model.ArchivePiece]:
        """An archive of images, piece by piece. Raises RealmNotFound, ImageNotFound, Invalid.

        The realm may go meanwhile: who reads slowly keeps nobody waiting.
        """
        names = tuple(dict.fromkeys(image_ref.normalise(ref) for ref in refs))
        if not names:
            raise errors.InvalidImage("cannot save images: none is named")
        if format not in ARCHIVE_FORMATS:
            raise errors.Invalid(f"cannot save images as {format[:50]!r}: expected {' or '.join(ARCHIVE_FORMATS)}")
        platform = image_platform.check(platform)
        namespace = self.runner.realms.namespace(realm)
        saving = self.runner.context.host.images.save(namespace, names, platform, format)
        async with contextlib.aclosing(saving) as pieces:
            async for data, total in pieces:
                yield model.ArchivePiece(data=data, total_bytes=total)

    async def tag_image(self, realm: str, ref: str, name: str) -> model.TagImageResult:
        """Give an image one more name. Raises RealmNotFound, ImageNotFound, InvalidImage."""
        source, target = image_ref.normalise(ref), image_ref.tag(name)
        async with self.runner.realms.held(realm) as namespace:
            digest = await self.runner.context.host.images.tag(namespace, source, target)
        return model.TagImageResult(realm=realm, namespace=namespace, image=target, digest=digest)

    async def prune_images(self, realm: str, all: bool = False, dry_run: bool = False) -> model.PruneImagesResult:
        """Remove images that no cell of the realm names: those without a tag or, with `all`, every one."""

        def removable(name: str) -> bool:
            # Asked anew for each: a cell may have come meanwhile.
            return (all or image_ref.is_nameless(name)) and name not in self._named(realm)

        async with self.runner.realms.held(realm) as namespace:
            images, reclaimed = await self.runner.context.host.images.prune(namespace, removable, dry_run=dry_run)
        return model.PruneImagesResult(
            realm=realm, namespace=namespace, images=tuple(images), reclaimed_bytes=reclaimed, dry_run=dry_run
        )

    def _named(self, realm: str) -> set[str]:
        """Every image that a stored cell of the realm names. Raises Conflict when one of them cannot be read."""
        found = self.runner.context.store.scan(model.CellDoc, model.Ref(realm))
        for problem in found.problems:
            raise errors.Conflict(
                f"cannot prune images: what some cell uses is not known: {problem}",
                hint="repair or purge that cell first",
            )
        return {image_ref.normalise(each.image) for doc in found.docs for each in doc.spec.containers if each.image}
