"""Image: what containerd has of one image of a realm, and what happens to images."""

from __future__ import annotations

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
