"""Images over the wire. They live in the containerd namespace of their realm, whatever that is called."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kukeon_api import errors, image_platform, image_ref, model
from kukeon_runner.controller.base import Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


ARCHIVE_FORMATS = ("oci", "docker")


class Images(Base):
    async def load_image(self, realm: str, chunks: AsyncIterator[bytes], platform: str = "") -> model.LoadImageResult:
        """Import an archive (OCI or docker); meanwhile the realm stays. Raises RealmNotFound, InvalidArchive.

        Conflict when nothing comes any more and the realm is to go.
        """
        platform = image_platform.check(platform)
        async with self.runner.realms.uploading(realm, chunks) as (namespace, upload):
            images = await self.runner.context.host.images.load(namespace, upload.chunks(), platform)
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
