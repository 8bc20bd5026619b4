"""Image: what containerd has of one image of a realm, and what happens to images."""

from __future__ import annotations

import enum

import msgspec

from kukeon_api.model.base import Model, Time


class ImagePlatform(Model):
    """One of the platforms that an image is for."""

    platform: str = ""
    """`os/architecture` and, where there is one, `/variant`."""

    digest: str = ""
    """The digest of its manifest."""

    size: int = 0
    """The bytes of manifest, configuration and layers; -1 where that cannot be told."""

    present: bool = False
    """Whether all of it is in the realm. An index names platforms that nobody has loaded."""


class ImageLayer(Model):
    """One layer of an image, as it is stored."""

    digest: str = ""
    media_type: str = ""
    size: int = 0


class ImageConfig(Model):
    """What an image says about running it."""

    user: str = ""
    env: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    working_dir: str = ""
    stop_signal: str = ""
    volumes: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    healthcheck: tuple[str, ...] = ()
    """The test, as in a Dockerfile: `CMD` and its words, or `CMD-SHELL` and a line. It is shown and not run."""


class ImageInfo(Model):
    """One image; `size` is in bytes, -1 where it cannot be computed.

    `layers` and `config` are those of the platform that this host runs; lists leave them out.
    """

    name: str
    size: int = 0
    created_at: Time | None = None
    """When the realm got it."""

    digest: str = ""
    media_type: str = ""
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    built_at: Time | None = None
    """When it was built, as it says itself."""

    platforms: tuple[ImagePlatform, ...] = ()
    layers: tuple[ImageLayer, ...] = ()
    config: ImageConfig | None = None


class PrunedImage(Model):
    """An image that was removed, or would be; `size` is what that frees, in bytes, but for what others share."""

    name: str
    digest: str = ""
    size: int = 0


class RegistryLogin(Model):
    """Who asks a registry: a password or an identity token, for the one registry `server_address`."""

    server_address: str = ""
    """The registry's host, with its port if it has one; empty: nobody in particular asks."""

    username: str = ""
    password: str = ""
    identity_token: str = ""

    def __repr__(self) -> str:
        """Show no secret, wherever this is shown."""
        return f"RegistryLogin(server_address={self.server_address!r}, username={self.username!r})"


class TransferStage(enum.StrEnum):
    """What becomes of an image, or of one of its blobs, on its way from or to a registry."""

    RESOLVING = "Resolving"
    WAITING = "Waiting"
    PRESENT = "Present"
    DOWNLOADING = "Downloading"
    DOWNLOADED = "Downloaded"
    UNPACKING = "Unpacking"
    UPLOADING = "Uploading"
    UPLOADED = "Uploaded"
    DONE = "Done"


class TransferResult(Model):
    """Of PullImage and PushImage: the image's name in full, and the digest that it has here and there."""

    realm: str = ""
    namespace: str = ""
    image: str = ""
    digest: str = ""
    size: int = 0
    """The bytes that it is made of; -1 where that cannot be computed."""

    changed: bool = False
    """Whether the name pointed elsewhere before, or nowhere."""


class TransferEvent(Model):
    """How far a pull or a push is: of the image, or of the blob `digest`. The last one has the result."""

    stage: TransferStage
    """What is being done."""

    digest: str = ""
    """The blob that it is done with; empty for the image as a whole."""

    done_bytes: int = 0
    """How much of the blob is done."""

    total_bytes: int = 0
    """How large it is."""

    result: TransferResult | None = None
    """What came of it."""
