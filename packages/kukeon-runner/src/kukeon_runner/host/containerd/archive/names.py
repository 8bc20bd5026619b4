"""The names that an archive gives its images, and the one for an image without any."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from kukeon_api import errors, image_ref
from kukeon_runner.host.containerd.archive.tar import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kukeon_runner.host.containerd.values import Descriptor

CONTAINERD_NAME = "io.containerd.image.name"
OCI_NAME = "org.opencontainers.image.ref.name"

# A bare word of this form is a tag ("skopeo copy ... oci-archive:x.tar:latest"), any other one a repository.
_TAG_ONLY = re.compile(r"latest|v?[0-9][A-Za-z0-9_.-]{0,127}")


def name_of(annotations: Mapping[str, str], digest: str) -> str:
    """Return the name of an image of an OCI layout, in full.

    containerd's annotation is a full name.  The OCI one may be a name or, as the specification also allows, a tag: then
    the archive says nothing of the repository and the name is made from the digest, as for an image without a name.
    """
    if named := annotations.get(CONTAINERD_NAME):
        return normalise(named)
    found = annotations.get(OCI_NAME, "")
    if not found:
        return image_ref.nameless(digest)
    if _TAG_ONLY.fullmatch(found):
        return image_ref.nameless(digest, found)
    return normalise(found)


def names_of(images: Sequence[Descriptor]) -> tuple[str, ...]:
    """Return the names of the images of one OCI layout.

    Tools that know the OCI annotation alone, such as umoci, copy containerd's to what they make of an image. Where the
    latter is so given to two different images, the tag that the other one says tells them apart.
    """
    names = tuple(name_of(image.annotations, image.digest) for image in images)
    images_of: dict[str, set[str]] = {}
    for name, image in zip(names, images, strict=True):
        images_of.setdefault(name, set()).add(image.digest)
    return tuple(
        _retagged(name, image.annotations) if len(images_of[name]) > 1 else name
        for name, image in zip(names, images, strict=True)
    )


def _retagged(name: str, annotations: Mapping[str, str]) -> str:
    found = annotations.get(OCI_NAME, "")
    parsed = image_ref.parse(name)
    if parsed.digest or not (found and CONTAINERD_NAME in annotations and image_ref.is_tag(found)):
        return name
    return str(dataclasses.replace(parsed, tag=found))


def normalise(name: str) -> str:
    """Return a name as Docker completes it (busybox -> docker.io/library/busybox:latest), or raise InvalidArchive."""
    try:
        return image_ref.normalise(name)
    except errors.Invalid as error:
        raise invalid(f"it names an image {name[:200]!r}: {error.message}") from error
