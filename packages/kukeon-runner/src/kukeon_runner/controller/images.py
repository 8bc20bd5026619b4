"""Images over the wire. They live in the containerd namespace of their realm, whatever that is called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import image_ref, model
from kukeon_runner.controller.base import Base

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Images(Base):
    async def load_image(self, realm: str, chunks: AsyncIterator[bytes]) -> model.LoadImageResult:
        """Import an archive (OCI or docker); meanwhile the realm stays. Raises RealmNotFound, InvalidArchive.

        Conflict when nothing comes any more and the realm is to go.
        """
        async with self.runner.realms.uploading(realm, chunks) as (namespace, upload):
            images = await self.runner.context.host.images.load(namespace, upload.chunks())
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
