"""Image references: read, check, and write in full.

Short names mean what they mean to docker: `busybox` is `docker.io/library/busybox:latest`.  The grammar is that of
github.com/distribution/reference.
"""

from __future__ import annotations

import dataclasses
import re

from kukeon_api import errors

DEFAULT_REGISTRY = "docker.io"
DEFAULT_TAG = "latest"
MAX_LENGTH = 1024
_MAX_REPOSITORY = 255

_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REGISTRY = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}")
_NAMELESS = "localhost/import-"
_NAMELESS_DIGITS = 12
_DIGEST_HEX = {"sha256": 64, "sha384": 96, "sha512": 128}


@dataclasses.dataclass(frozen=True)
class ImageRef:
    """An image: `registry/repository:tag@digest`; at least one of tag and digest is set."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        """Return the full form."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.registry}/{self.repository}{tag}{digest}"


def parse(text: str) -> ImageRef:
    """Read a reference, short or full; raises `InvalidImage`."""
    if not text:
        raise errors.InvalidImage("image reference is required")
    if len(text) > MAX_LENGTH:
        raise _invalid(text, f"longer than {MAX_LENGTH} characters")
    rest, _, digest = text.partition("@")
    registry, repository = _split_registry(rest)
    repository, colon, tag = repository.partition(":")
    if not _REGISTRY.fullmatch(registry):
        raise _invalid(text, f"{registry!r} is no registry")
    if not _PATH.fullmatch(repository):
        why = "upper case is not allowed" if _PATH.fullmatch(repository.lower()) else f"{repository!r} is no repository"
        raise _invalid(text, why)
    if len(registry) + 1 + len(repository) > _MAX_REPOSITORY:
        raise _invalid(text, f"registry and repository have more than {_MAX_REPOSITORY} characters")
    if colon and not is_tag(tag):
        raise _invalid(text, f"{tag!r} is no tag")
    if "@" in text and not _is_digest(digest):
        raise _invalid(text, f"{digest!r} is no digest")
    if registry == DEFAULT_REGISTRY and "/" not in repository:
        repository = f"library/{repository}"
    return ImageRef(registry, repository, tag or ("" if digest else DEFAULT_TAG), digest)


def normalise(text: str) -> str:
    """Return the full form of a reference: `busybox` -> `docker.io/library/busybox:latest`; raises `InvalidImage`."""
    return str(parse(text))


def tag(text: str) -> str:
    """Return the full form of a name that an image can be given; raises `InvalidImage`, also for one with a digest."""
    found = parse(text)
    if found.digest:
        raise _invalid(text, "a name that is given has no digest")
    return str(found)


def is_tag(text: str) -> bool:
    """Tell whether `text` can be the tag of a reference."""
    return _TAG.fullmatch(text) is not None


def nameless(digest: str, tag: str = DEFAULT_TAG) -> str:
    """Return the name for an image that has none: the same content always gives the same name, two never share one."""
    return f"{_NAMELESS}{digest.partition(':')[2][:_NAMELESS_DIGITS]}:{tag}"


def is_nameless(name: str) -> bool:
    """Tell whether a full name is one that `nameless` made: nobody has named that image."""
    digits = name.removeprefix(_NAMELESS).partition(":")[0]
    return name.startswith(_NAMELESS) and len(digits) == _NAMELESS_DIGITS and not digits.strip("0123456789abcdef")


def _split_registry(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    # Only something like a host name is a registry; `library/busybox` has none.
    if slash and ("." in first or ":" in first or first == "localhost" or first != first.lower()):
        return ("docker.io" if first == "index.docker.io" else first), rest
    return DEFAULT_REGISTRY, text


def _is_digest(text: str) -> bool:
    if not _DIGEST.fullmatch(text):
        return False
    algorithm, _, value = text.partition(":")
    return len(value) == _DIGEST_HEX.get(algorithm, len(value)) and value == value.lower()


def _invalid(text: str, why: str) -> errors.InvalidImage:
    return errors.InvalidImage(f"cannot use {text[:200]!r} as an image reference: {why}")
