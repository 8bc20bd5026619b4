"""The names that an archive gives its images, and the one for an image without any."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kukeon_api import errors, image_ref
from kukeon_runner.host.containerd.archive.tar import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

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


def normalise(name: str) -> str:
    """Return a name as Docker completes it (busybox -> docker.io/library/busybox:latest), or raise InvalidArchive."""
    try:
        return image_ref.normalise(name)
    except errors.Invalid as error:
        raise invalid(f"it names an image {name[:200]!r}: {error.message}") from error
