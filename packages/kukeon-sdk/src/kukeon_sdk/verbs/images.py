"""Images: each realm has its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import BinaryIO

    from kukeon_api import model
    from kukeon_sdk.streams import Stream


class Images(Protocol):
    """Verbs of images."""

    def load_image(
        self,
        realm: str,
        tarball: bytes | BinaryIO | Iterable[bytes],
        *,
        platform: str = "",
        timeout: float | None = None,
    ) -> model.LoadImageResult:
        """Import an OCI or docker archive, plain, in gzip or in zstd, as it is read: it need not fit into memory.

        Of an image for several platforms, that of the host is kept; with `platform` that one (`linux/arm64`), with
        `all` every one that the archive has. A directory is sent by `layout_directory.archive`.

        Hanging up before the last byte is sent leaves nothing behind. Raises `RealmNotFound`, and `InvalidArchive`
        when the archive is damaged or hostile; whatever reading `tarball` raises is raised unchanged. A file is read
        from where it stands, on another thread, and is left open.
        """
        ...

    def list_images(self, realm: str, *, timeout: float | None = None) -> model.ListImagesResult:
        """Return the images of a realm, in the order of their names. Raises `RealmNotFound`."""
        ...

    def get_image(self, realm: str, ref: str, *, timeout: float | None = None) -> model.GetImageResult:
        """Return an image with its configuration and layers. Raises `RealmNotFound` and `ImageNotFound`."""
        ...

    def delete_image(self, realm: str, ref: str, *, timeout: float | None = None) -> model.DeleteImageResult:
        """Remove an image from a realm; what only it needed is off the disk on return.

        Raises `RealmNotFound` and `ImageNotFound`.
        """
        ...

    def pull_image(
        self,
        realm: str,
        ref: str,
        *,
        platform: str = "",
        login: model.RegistryLogin | None = None,
        timeout: float | None = None,
    ) -> Stream[model.TransferEvent]:
        """Fetch an image from its registry and yield how far it is; the last event has the `result`.

        `platform` is as for `load_image`. The realm's registry credentials come first, then `login` (see
        `kukeon_api.docker_config` for what docker keeps), then the logins of kukeond's own user. Closing the stream
        ends the pull, unless somebody else waits for the same one. Raises `RealmNotFound`, `ImageNotFound` when the
        registry does not have it, and the errors whose names begin with `Registry`.
        """
        ...

    def push_image(
        self,
        realm: str,
        ref: str,
        *,
        destination: str = "",
        platform: str = "",
        login: model.RegistryLogin | None = None,
        timeout: float | None = None,
    ) -> Stream[model.TransferEvent]:
        """Send an image to the registry that its name, or `destination`, says; the last event has the `result`.

        All that the name points at has to be in the realm, or with `platform` that one, which then goes alone. Logins
        are as for `pull_image`. Raises `RealmNotFound`, `ImageNotFound`, `Conflict` for what is incomplete, and the
        errors whose names begin with `Registry`.
        """
        ...

    def save_image(
        self,
        realm: str,
        refs: Sequence[str],
        *,
        platform: str = "",
        format: str = "oci",
        timeout: float | None = None,
    ) -> Stream[model.ArchivePiece]:
        """Yield an archive of images, as it is written: `format` is `oci` or `docker`, which both load again.

        Digests are kept. Without a `platform`, everything that is there of what the names point at goes along; `all`
        refuses when part of it is missing; `linux/arm64` takes that one alone. Raises `RealmNotFound`, `ImageNotFound`,
        `Conflict` for what is incomplete.
        """
        ...

    def tag_image(self, realm: str, ref: str, name: str, *, timeout: float | None = None) -> model.TagImageResult:
        """Give the image `ref` one more name; when there is an image `name`, the name moves.

        Raises `RealmNotFound`, `ImageNotFound`, and `InvalidImage` for a name with a digest.
        """
        ...

    def prune_images(
        self, realm: str, *, all: bool = False, dry_run: bool = False, timeout: float | None = None
    ) -> model.PruneImagesResult:
        """Remove the images without a tag that no cell uses, or with `all` every one that no cell uses.

        What broken off loads and pulls have left goes, too. With `dry_run` only tell. Raises `RealmNotFound`.
        """
        ...
