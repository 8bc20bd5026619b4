"""The JSON documents of images: index, manifest, config.  Pure; whatever they say is checked here.

Formats: OCI image-spec (image-index.md, manifest.md, config.md) and Docker's schema 2, which
differ in media types only.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from kukeon_api import errors
from kukeon_runner.host.containerd.platforms import Platform
from kukeon_runner.host.containerd.values import Descriptor

if TYPE_CHECKING:
    from collections.abc import Sequence

INDEX_TYPES = frozenset(
    {
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
    }
)
MANIFEST_TYPES = frozenset(
    {
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    }
)
CONFIG_TYPES = frozenset(
    {
        "application/vnd.oci.image.config.v1+json",
        "application/vnd.docker.container.image.v1+json",
    }
)
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
ZSTD_LAYER = "application/vnd.oci.image.layer.v1.tar+zstd"
DOCKER_ZSTD_LAYER = f"{DOCKER_LAYER}.zstd"
LAYER_TYPES = frozenset(
    {
        f"application/vnd.oci.image.layer.{kind}v1.tar{suffix}"
        for kind in ("", "nondistributable.")
        for suffix in ("", "+gzip", "+zstd")
    }
    | {f"{DOCKER_LAYER}{suffix}" for suffix in ("", ".gzip", ".zstd")}
    | {f"application/vnd.docker.image.rootfs.foreign.diff.tar{suffix}" for suffix in ("", ".gzip")}
)

LAYERS_LIMIT = 500
"""overlayfs takes at most 500 lower directories (Linux, fs/overlayfs/params.c)."""

INDEX_LIMIT = 1000

DOCUMENT_LIMIT_BYTES = 8 * 1024 * 1024
"""Indexes, manifests and configs beyond this are refused; registries refuse manifests beyond 4 MiB."""

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_NANOSECONDS = re.compile(r"(\.[0-9]{6})[0-9]+")
_SIZE_LIMIT_BYTES = 1 << 50
_WORD_LIMIT = 255
"""A media type has two names of 127 characters at most (RFC 6838, 4.2); names of platforms are far shorter."""


class _Platform(msgspec.Struct, frozen=True):
    os: str = ""
    architecture: str = ""
    variant: str = ""


class _Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] | None = None
    platform: _Platform | None = None


class _Index(msgspec.Struct, frozen=True, rename="camel"):
    manifests: list[_Descriptor]
    media_type: str = ""
    layers: Any = None
    config: Any = None


class _Manifest(msgspec.Struct, frozen=True, rename="camel"):
    config: _Descriptor
    layers: list[_Descriptor]
    media_type: str = ""
    manifests: Any = None


class _References(msgspec.Struct, frozen=True):
    config: _Descriptor | None = None
    layers: list[_Descriptor] | None = None
    manifests: Any = None


class _Process(msgspec.Struct, frozen=True):
    User: str | None = None
    Env: list[str] | None = None
    Entrypoint: list[str] | None = None
    Cmd: list[str] | None = None
    WorkingDir: str | None = None
    StopSignal: str | None = None
    Labels: dict[str, str] | None = None
    Volumes: dict[str, Any] | None = None
    ExposedPorts: dict[str, Any] | None = None
    Healthcheck: Any = None


class _RootFilesystem(msgspec.Struct, frozen=True):
    diff_ids: list[str] | None = None


class _Config(msgspec.Struct, frozen=True):
    rootfs: _RootFilesystem
    os: str = ""
    architecture: str = ""
    variant: str = ""
    created: Any = None
    config: _Process | None = None


@dataclasses.dataclass(frozen=True)
class IndexEntry:
    """One entry of an index; `platform` is None when the index does not say."""

    descriptor: Descriptor
    platform: Platform | None


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A manifest: one config, and the layers from the lowest up."""

    config: Descriptor
    layers: tuple[Descriptor, ...]


@dataclasses.dataclass(frozen=True)
class ImageConfig:
    """What an image says about running it; None where it says nothing."""

    platform: Platform
    diff_ids: tuple[str, ...]
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    volumes: tuple[str, ...] = ()
    exposed_ports: tuple[str, ...] = ()
    healthcheck: tuple[str, ...] = ()
    built_at: datetime | None = None

    @property
    def chain_id(self) -> str:
        """Return the name of the snapshot that has all layers; "" for an image without any."""
        chain = chain_ids(self.diff_ids)
        return chain[-1] if chain else ""


def parse_index(data: bytes, what: str) -> tuple[IndexEntry, ...]:
    """Return the entries of an index; `what` names the document in the errors."""
    index = decode(data, _Index, what)
    if index.layers is not None or index.config is not None or index.media_type not in {"", *INDEX_TYPES}:
        raise _ambiguous(what)
    if len(index.manifests) > INDEX_LIMIT:
        raise _invalid(f"{what} lists {len(index.manifests)} manifests, the limit is {INDEX_LIMIT}")
    return tuple(IndexEntry(_descriptor(entry, what), _platform(entry.platform, what)) for entry in index.manifests)


def parse_manifest(data: bytes, what: str) -> Manifest:
    """Return a manifest whose config and layers have types that can be unpacked."""
    manifest = decode(data, _Manifest, what)
    if manifest.manifests is not None or manifest.media_type not in {"", *MANIFEST_TYPES}:
        raise _ambiguous(what)
    if len(manifest.layers) > LAYERS_LIMIT:
        raise _invalid(f"{what} has {len(manifest.layers)} layers, the limit is {LAYERS_LIMIT}")
    config = _descriptor(manifest.config, what)
    if config.media_type not in CONFIG_TYPES:
        raise _invalid(f"{what} is no container image: its config has the type {config.media_type!r}")
    layers = tuple(_descriptor(layer, what) for layer in manifest.layers)
    for layer in layers:
        if layer.media_type not in LAYER_TYPES:
            raise _invalid(f"{what}: layer {layer.digest} has the unknown type {layer.media_type!r}")
    return Manifest(config, layers)


def parse_config(data: bytes, what: str) -> ImageConfig:
    """Return an image's config."""
    config = decode(data, _Config, what)
    diff_ids = tuple(config.rootfs.diff_ids or ())
    for diff_id in diff_ids:
        check_digest(diff_id, what)
    process = config.config or _Process()
    return ImageConfig(
        platform=_checked(Platform(config.os, config.architecture, config.variant), what),
        diff_ids=diff_ids,
        entrypoint=tuple(process.Entrypoint or ()),
        cmd=tuple(process.Cmd or ()),
        env=tuple(process.Env or ()),
        working_dir=process.WorkingDir or "",
        user=process.User or "",
        stop_signal=process.StopSignal or "",
        labels=tuple(sorted((process.Labels or {}).items())),
        volumes=tuple(sorted(process.Volumes or {})),
        exposed_ports=tuple(sorted(process.ExposedPorts or {})),
        healthcheck=_healthcheck(process.Healthcheck),
        built_at=_time(config.created),
    )


def parse_references(data: bytes, what: str) -> tuple[Descriptor, ...]:
    """Return what a manifest refers to, the config first, whatever kind of thing it describes.

    For what is carried along and never run, such as a signature beside an image.
    """
    found = decode(data, _References, what)
    if found.manifests is not None:
        raise _ambiguous(what)
    if len(found.layers or ()) > LAYERS_LIMIT:
        raise _invalid(f"{what} has {len(found.layers or ())} layers, the limit is {LAYERS_LIMIT}")
    return tuple(_descriptor(each, what) for each in (found.config, *(found.layers or ())) if each is not None)


def chain_ids(diff_ids: Sequence[str]) -> tuple[str, ...]:
    """Return the chain id after each layer: sha256 of "<chain id below> <diff id>" (image-spec, config.md)."""
    chain: list[str] = []
    for diff_id in diff_ids:
        if not chain:
            chain.append(diff_id)
        else:
            chain.append(f"sha256:{hashlib.sha256(f'{chain[-1]} {diff_id}'.encode()).hexdigest()}")
    return tuple(chain)


def check_digest(digest: str, what: str) -> str:
    """Return `digest` if it is a sha256 digest, else raise InvalidArchive."""
    if not _DIGEST.fullmatch(digest):
        raise _invalid(f"{what} has the digest {digest[:100]!r}: only sha256 with 64 lower-case hex digits is known")
    return digest


_T = TypeVar("_T")


def decode(data: bytes, type_: type[_T], what: str) -> _T:
    """Return `data` as `type_`, or raise InvalidArchive saying where it is wrong."""
    try:
        return msgspec.json.decode(data, type=type_)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid(f"{what} is malformed: {error}") from error
    except RecursionError:
        raise _invalid(f"{what} is malformed: nested too deep") from None


def _descriptor(found: _Descriptor, what: str) -> Descriptor:
    check_digest(found.digest, what)
    if not 0 <= found.size <= _SIZE_LIMIT_BYTES:
        raise _invalid(f"{what} gives {found.digest} the size {found.size}")
    if len(found.media_type) > _WORD_LIMIT:
        raise _invalid(f"{what} gives {found.digest} a type of {len(found.media_type)} characters")
    return Descriptor(found.media_type, found.digest, found.size, dict(found.annotations or {}))


def _platform(found: _Platform | None, what: str) -> Platform | None:
    return None if found is None else _checked(Platform(found.os, found.architecture, found.variant), what)


def _checked(platform: Platform, what: str) -> Platform:
    """Return a platform whose words can be shown: they stand in errors and in lists."""
    for name, word in dataclasses.asdict(platform).items():
        if len(word) > _WORD_LIMIT:
            raise _invalid(f"{what} names an {name} of {len(word)} characters")
        if not word.isprintable():
            raise _invalid(f"{what} names an image for the {name} {word!r}")
    return platform


def _healthcheck(found: Any) -> tuple[str, ...]:
    """Return the words of a health check's test: it is shown and never run, so a strange one is left out."""
    test = found.get("Test") if isinstance(found, dict) else None
    if not isinstance(test, list) or not all(isinstance(word, str) for word in test):
        return ()
    return tuple(test)


def _time(found: Any) -> datetime | None:
    """Return a time of RFC 3339, None for anything else: nothing depends on it."""
    try:
        at = datetime.fromisoformat(_NANOSECONDS.sub(r"\1", found))
    except (TypeError, ValueError):
        return None
    if at.tzinfo is None:
        return None
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return None


def _ambiguous(what: str) -> errors.InvalidArchive:
    # A document that is an index to one reader and a manifest to another could pass a check and run something else.
    return _invalid(f"{what} is both an index and a manifest")


def _invalid(why: str) -> errors.InvalidArchive:
    return errors.InvalidArchive(f"cannot use the image: {why}")


def digest_of(data: bytes) -> str:
    """Return the digest of a document."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
