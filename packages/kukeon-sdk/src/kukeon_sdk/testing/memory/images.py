"""Images in memory: what archives say of themselves, kept by realm."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, image_platform, image_ref, image_ways, model
from kukeon_sdk import chunks
from kukeon_sdk.testing import archives
from kukeon_sdk.testing.memory.world import changeable, replace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kukeon_sdk.testing.memory.world import World


class Images:
    """The verbs of images."""

    world: World

    def load_image(self, realm: str, tarball: Any, platform: str = "") -> model.LoadImageResult:
        """Everything that the archive has is kept, whatever the platform."""
        image_platform.check(platform)
        namespace = self.world.namespace(changeable(model.Ref(realm)).realm)
        offered = archives.offered(b"".join(chunks.pieces(tarball)))
        for each in offered:
            self.world.images[realm][each.name] = self.described(each)
        return model.LoadImageResult(realm=realm, namespace=namespace, images=tuple(each.name for each in offered))

    def list_images(self, realm: str) -> model.ListImagesResult:
        namespace = self.world.namespace(realm)
        images = (image for _, image in sorted(self.world.images[realm].items()))
        brief = tuple(replace(image, layers=(), config=None) for image in images)
        return model.ListImagesResult(realm=realm, namespace=namespace, images=brief)

    def get_image(self, realm: str, ref: str) -> model.GetImageResult:
        namespace = self.world.namespace(realm)
        return model.GetImageResult(realm=realm, namespace=namespace, image=self._image(realm, ref))

    def delete_image(self, realm: str, ref: str) -> model.DeleteImageResult:
        namespace = self.world.namespace(changeable(model.Ref(realm)).realm)
        name = self._image(realm, ref).name
        del self.world.images[realm][name]
        return model.DeleteImageResult(realm=realm, namespace=namespace, ref=name)

    def pull_image(
        self, realm: str, ref: str, platform: str, login: model.RegistryLogin
    ) -> Callable[[], tuple[Iterable[model.TransferEvent], bool]]:
        """Return what gives the events of a pull from `world.registry`, which is every registry there is."""

        def more() -> tuple[Iterable[model.TransferEvent], bool]:
            name = image_ref.normalise(ref)
            image_platform.check(platform)
            namespace = self.world.namespace(changeable(model.Ref(realm)).realm)
            before = self.world.images[realm].get(name)
            self.pulled(realm, name)
            found = self.world.images[realm][name]
            changed = before is None or before.digest != found.digest
            return self._transferred(realm, namespace, found, model.TransferStage.DOWNLOADED, changed=changed), True

        return more

    def push_image(
        self, realm: str, ref: str, destination: str, platform: str, login: model.RegistryLogin
    ) -> Callable[[], tuple[Iterable[model.TransferEvent], bool]]:
        """Return what gives the events of a push to `world.registry`."""

        def more() -> tuple[Iterable[model.TransferEvent], bool]:
            target = image_ref.normalise(destination or ref)
            image_platform.check(platform)
            namespace, found = self.world.namespace(realm), self._image(realm, ref)
            before = self.world.registry.get(target)
            self.world.registry[target] = found = replace(found, name=target)
            changed = before is None or before.digest != found.digest
            return self._transferred(realm, namespace, found, model.TransferStage.UPLOADED, changed=changed), True

        return more

    def pulled(self, realm: str, name: str) -> None:
        """Have the image `name`, in full, from its registry in the realm. Raises `ImageNotFound`."""
        found = self.world.registry.get(name)
        if found is None:
            ref = image_ref.parse(name)
            raise errors.ImageNotFound(f"cannot pull {name!r}: registry {ref.registry!r} does not have it")
        self.world.images[realm][name] = replace(found, name=name, created_at=self.world.now())

    def _transferred(
        self, realm: str, namespace: str, image: model.ImageInfo, stage: model.TransferStage, *, changed: bool
    ) -> list[model.TransferEvent]:
        result = model.TransferResult(
            realm=realm, namespace=namespace, image=image.name, digest=image.digest, size=image.size, changed=changed
        )
        blobs = [
            model.TransferEvent(stage=stage, digest=each.digest, done_bytes=each.size, total_bytes=each.size)
            for each in image.layers
        ]
        begun = model.TransferEvent(stage=model.TransferStage.RESOLVING)
        return [begun, *blobs, model.TransferEvent(stage=model.TransferStage.DONE, result=result)]

    def save_image(
        self, realm: str, refs: Sequence[str], platform: str, format: str
    ) -> Callable[[], tuple[Iterable[model.ArchivePiece], bool]]:
        """Return what gives all pieces: an OCI archive in either format."""

        def more() -> tuple[Iterable[model.ArchivePiece], bool]:
            image_platform.check(platform)
            if format not in ("oci", "docker"):
                raise errors.Invalid(f"cannot save images as {format!r}: expected oci or docker")
            self.world.namespace(realm)
            if not refs:
                raise errors.InvalidImage("cannot save images: none is named")
            images = [self._image(realm, ref) for ref in dict.fromkeys(map(image_ref.normalise, refs))]
            blobs = {digest: self.world.blobs[digest] for each in images for digest in self._digests(each.digest)}
            offered = [archives.Offered(each.name, each.digest, each.media_type) for each in images]
            data = archives.layout(offered, blobs)
            return [model.ArchivePiece(data=piece, total_bytes=len(data)) for piece in chunks.pieces(data)], True

        return more

    def tag_image(self, realm: str, ref: str, name: str) -> model.TagImageResult:
        namespace, new = self.world.namespace(changeable(model.Ref(realm)).realm), image_ref.tag(name)
        found = self._image(realm, ref)
        self.world.images[realm][new] = replace(found, name=new, created_at=self.world.now())
        return model.TagImageResult(realm=realm, namespace=namespace, image=new, digest=found.digest)

    def prune_images(self, realm: str, *, all: bool = False, dry_run: bool = False) -> model.PruneImagesResult:
        namespace = self.world.namespace(changeable(model.Ref(realm)).realm)
        cells = self.world.of_kind("Cell", realm)
        used = {image_ref.normalise(each.image) for cell in cells for each in cell.spec.containers if each.image}
        images = self.world.images[realm]
        gone = [name for name in sorted(images) if name not in used and (all or image_ref.is_nameless(name))]
        left = {name: image for name, image in images.items() if name not in gone}
        pruned = self.freed([images[name] for name in gone], list(left.values()))
        if not dry_run:
            self.world.images[realm] = left
        reclaimed = sum(each.size for each in pruned)
        return model.PruneImagesResult(
            realm=realm, namespace=namespace, images=pruned, reclaimed_bytes=reclaimed, dry_run=dry_run
        )

    def freed(self, gone: Sequence[model.ImageInfo], left: Sequence[model.ImageInfo]) -> tuple[model.PrunedImage, ...]:
        """Return what the images that are `gone` free when those `left` stay."""
        needed = {digest for image in left for digest in self._digests(image.digest)}
        pruned = []
        for image in gone:
            own = set(self._digests(image.digest)) - needed
            needed |= own
            known = image.digest in self.world.blobs
            size = sum(len(self.world.blobs[digest]) for digest in own) if known else image.size
            pruned.append(model.PrunedImage(name=image.name, digest=image.digest, size=size))
        return tuple(pruned)

    def _image(self, realm: str, ref: str) -> model.ImageInfo:
        name = image_ref.normalise(ref)
        found = self.world.images[realm].get(name)
        if found is None:
            raise errors.ImageNotFound(
                f"cannot find image {name!r} in realm {realm!r}", hint=image_ways.to_have(name, realm)
            )
        return found

    def described(self, offered: archives.Offered) -> model.ImageInfo:
        """Keep what an image is made of and return everything about it."""
        self.world.blobs.update(offered.blobs)
        info = model.ImageInfo(
            name=offered.name,
            size=offered.size,
            created_at=self.world.now(),
            digest=offered.digest,
            media_type=offered.media_type,
        )
        manifests = self._manifests(offered.digest)
        platforms = []
        for digest in manifests:
            parts = self._document(digest)
            config = self._document(parts["config"]["digest"])
            size = len(self.world.blobs[digest]) + sum(each["size"] for each in (parts["config"], *parts["layers"]))
            name = "/".join(str(config[key]) for key in ("os", "architecture", "variant") if config.get(key))
            platforms.append(model.ImagePlatform(platform=name, digest=digest, size=size, present=True))
        if not manifests:
            return info
        parts = self._document(manifests[0])
        said = self._document(parts["config"]["digest"]).get("config") or {}
        return replace(
            info,
            platforms=tuple(platforms),
            layers=tuple(
                model.ImageLayer(digest=each["digest"], media_type=each["mediaType"], size=each["size"])
                for each in parts["layers"]
            ),
            config=model.ImageConfig(
                user=said.get("User") or "",
                env=tuple(said.get("Env") or ()),
                entrypoint=tuple(said.get("Entrypoint") or ()),
                cmd=tuple(said.get("Cmd") or ()),
                working_dir=said.get("WorkingDir") or "",
            ),
        )

    def _manifests(self, digest: str) -> list[str]:
        """Return the manifests below `digest`, which may be one."""
        listed = self._document(digest).get("manifests")
        if listed is None:
            return [digest]
        here = [each["digest"] for each in listed if each["digest"] in self.world.blobs]
        return [found for each in here for found in self._manifests(each)]

    def _digests(self, digest: str) -> list[str]:
        """Return `digest` and everything that it refers to and that is here."""
        found = [digest]
        document = self._document(digest)
        for each in document.get("manifests", ()):
            if each["digest"] in self.world.blobs:
                found += self._digests(each["digest"])
        parts = (document.get("config"), *document.get("layers", ()))
        return found + [each["digest"] for each in parts if each]

    def _document(self, digest: str) -> Any:
        return json.loads(self.world.blobs.get(digest, b"{}"))  # a test may have put an image there by its name alone
