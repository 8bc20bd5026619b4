"""What is asked of a registry, and the words it is asked in."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from typing import Protocol

MANIFEST_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""What we take where a registry is asked for an image, the current format first."""

MANIFEST_LIMIT_BYTES = 4 * 1024 * 1024
"""Registries have to take manifests up to this size (distribution-spec, "Pushing Manifests"); none is larger."""

PIECE_LIMIT_BYTES = 1024 * 1024
"""No piece of a blob is larger."""

_HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")


class Described(Protocol):
    """Anything that says what some content is: our `Descriptor`, or containerd's."""

    @property
    def media_type(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def size(self) -> int: ...


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """What some content is: its type, its digest and its size in bytes."""

    media_type: str
    digest: str
    size: int


def is_digest(text: str) -> bool:
    """Tell whether `text` is a digest that we can verify."""
    algorithm, _, value = text.partition(":")
    return len(value) == _HEX_DIGITS.get(algorithm, -1) and re.fullmatch("[0-9a-f]+", value) is not None


def digest_of(content: bytes, like: str = "sha256:") -> str:
    """Return the digest of `content` by the algorithm of the digest `like`."""
    algorithm = like.partition(":")[0]
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def media_type(header: str) -> str:
    """Return the type that a Content-Type header names, without its parameters; "" when it names none."""
    found = header.partition(";")[0].strip()
    return found if _MEDIA_TYPE.fullmatch(found) else ""
