"""What the two kinds of archive say about their images.  Pure but for reading documents."""

from __future__ import annotations

import dataclasses
import json
import re
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import image_ref
from kukeon_runner.host.containerd import documents
from kukeon_runner.host.containerd.archive import names
from kukeon_runner.host.containerd.archive.tar import inside, invalid
from kukeon_runner.host.containerd.values import Descriptor

if TYPE_CHECKING:
    from kukeon_runner.host.containerd.archive.contents import Contents, StoredFile

LAYOUT_VERSION = re.compile(r"1\.\d+\.\d+")
IMAGES_LIMIT = 1000

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

_CONFIG_NAME = re.compile(r"([0-9a-f]{64})\.json")
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclasses.dataclass(frozen=True)
class Offered:
    """An image of an archive: the names it is to get and its index or manifest.

    `manifest` is set when the archive had none and it was made here; it is not in the content store yet.
    """

    names: tuple[str, ...]
    target: Descriptor
    manifest: bytes = b""


class _Layout(msgspec.Struct, frozen=True, rename="camel"):
    image_layout_version: str


class _Saved(msgspec.Struct, frozen=True):
    Config: str
    Layers: list[str] | None = None
    RepoTags: list[str] | None = None


async def offered(contents: Contents) -> tuple[Offered, ...]:
    """Return the images of an archive; InvalidArchive when it is neither an OCI layout nor Docker's format.

    An archive that is both, as newer Dockers write it, is read as an OCI layout: that one has manifests.
    """
    if "oci-layout" in contents.documents:
        images = _layout(contents)
    elif "manifest.json" in contents.documents:
        images = _docker(contents)
    elif "index.json" in contents.documents:
        raise invalid("it has an index.json but no oci-layout file")
    else:
        raise invalid("it is no image archive: neither oci-layout nor manifest.json is in it")
    if not images:
        raise invalid("it lists no image")
    return images


def _layout(contents: Contents) -> tuple[Offered, ...]:
    layout = documents.decode(contents.documents["oci-layout"], _Layout, "oci-layout")
    if not LAYOUT_VERSION.fullmatch(layout.image_layout_version):
        raise invalid(f"it is an OCI layout of the unknown version {layout.image_layout_version[:50]!r}")
    if "index.json" not in contents.documents:
        raise invalid("it is an OCI layout without index.json")
    entries = documents.parse_index(contents.documents["index.json"], "index.json")
    images = [entry.descriptor for entry in entries]
    return tuple(Offered((name,), image) for name, image in zip(names.names_of(images), images, strict=True))


def _docker(contents: Contents) -> tuple[Offered, ...]:
    if contents.documents["manifest.json"].lstrip().startswith(b"{"):
        why = "its manifest.json is the manifest of one image, as skopeo's directories (dir:) have it"
        raise invalid(why, hint="have it as a layout: skopeo copy dir:DIRECTORY oci:LAYOUT:TAG")
    listed = documents.decode(contents.documents["manifest.json"], list[_Saved], "manifest.json")
    if len(listed) > IMAGES_LIMIT:
        raise invalid(f"it has {len(listed)} images, the limit is {IMAGES_LIMIT}")
    return tuple(_saved(contents, image) for image in listed)


def _saved(contents: Contents, image: _Saved) -> Offered:
    path = inside(image.Config, "", "config")
    config = contents.file(path, "manifest.json")
    if (named := _CONFIG_NAME.fullmatch(path)) and config.digest != f"sha256:{named[1]}":
        raise invalid(f"the content of {path!r} does not have the digest that its name promises")
    paths = [inside(layer, "", "layer") for layer in image.Layers or ()]
    if len(paths) > documents.LAYERS_LIMIT:
        raise invalid(f"an image has {len(paths)} layers, the limit is {documents.LAYERS_LIMIT}")
    layers = [contents.file(layer, "manifest.json") for layer in paths]
    manifest = docker_manifest(config, layers)
    digest = documents.digest_of(manifest)
    tags = [tag for tag in image.RepoTags or () if "<none>" not in tag]
    return Offered(
        tuple(names.normalise(tag) for tag in tags) or (image_ref.nameless(digest),),
        Descriptor(DOCKER_MANIFEST, digest, len(manifest)),
        manifest,
    )


def docker_manifest(config: StoredFile, layers: list[StoredFile]) -> bytes:
    """Return the manifest for an image of Docker's format, which has none.

    Keys stand in the order in which `ctr image import` writes them, so that both give the same digest.
    """

    def descriptor(media_type: str, file: StoredFile) -> dict[str, str | int]:
        return {"mediaType": media_type, "digest": file.digest, "size": file.size}

    document = {
        "schemaVersion": 2,
        "mediaType": DOCKER_MANIFEST,
        "config": descriptor(DOCKER_CONFIG, config),
        "layers": [descriptor(_layer_type(layer.head), layer) for layer in layers],
    }
    return json.dumps(document, separators=(",", ":")).encode()


def _layer_type(head: bytes) -> str:
    if head.startswith(_ZSTD):
        return documents.ZSTD_LAYER
    return documents.DOCKER_LAYER + (".gzip" if head.startswith(_GZIP) else "")
