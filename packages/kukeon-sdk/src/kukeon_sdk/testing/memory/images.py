"""Images in memory: what archives say of themselves, kept by realm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import errors, image_ref, model
from kukeon_sdk import chunks
from kukeon_sdk.testing import archives
from kukeon_sdk.testing.memory.world import changeable

if TYPE_CHECKING:
    from kukeon_sdk.testing.memory.world import World


class Images:
    """The verbs of images."""

    world: World

    def load_image(self, realm: str, tarball: Any) -> model.LoadImageResult:
        namespace = self.world.namespace(changeable(model.Ref(realm)).realm)
        offered = archives.offered(b"".join(chunks.pieces(tarball)))
        now = self.world.now()
        for each in offered:
            self.world.images[realm][each.name] = model.ImageInfo(
                name=each.name, size=each.size, created_at=now, digest=each.digest, media_type=each.media_type
            )
        return model.LoadImageResult(realm=realm, namespace=namespace, images=tuple(each.name for each in offered))

    def list_images(self, realm: str) -> model.ListImagesResult:
        namespace = self.world.namespace(realm)
        images = tuple(image for _, image in sorted(self.world.images[realm].items()))
        return model.ListImagesResult(realm=realm, namespace=namespace, images=images)

    def get_image(self, realm: str, ref: str) -> model.GetImageResult:
        namespace = self.world.namespace(realm)
        return model.GetImageResult(realm=realm, namespace=namespace, image=self._image(realm, ref))

    def delete_image(self, realm: str, ref: str) -> model.DeleteImageResult:
        namespace = self.world.namespace(changeable(model.Ref(realm)).realm)
        name = self._image(realm, ref).name
        del self.world.images[realm][name]
        return model.DeleteImageResult(realm=realm, namespace=namespace, ref=name)

    def _image(self, realm: str, ref: str) -> model.ImageInfo:
        name = image_ref.normalise(ref)
        found = self.world.images[realm].get(name)
        if found is None:
            raise errors.ImageNotFound(
                f"cannot find image {name!r} in realm {realm!r}", hint="load it with `kuke image load FILE`"
            )
        return found
