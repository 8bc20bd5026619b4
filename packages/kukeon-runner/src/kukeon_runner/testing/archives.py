"""Builds image archives in memory, good ones and such as nobody should accept."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"

CONTAINERD_NAME = "io.containerd.image.name"
OCI_NAME = "org.opencontainers.image.ref.name"


@dataclasses.dataclass(frozen=True)
class Entry:
    """A tar member: a file unless `type` says otherwise."""

    name: str
    data: bytes = b""
    type: bytes = tarfile.REGTYPE
    linkname: str = ""
    mode: int = 0o644


def tar_of(entries: Iterable[Entry], *, format_: int = tarfile.PAX_FORMAT) -> bytes:
    """Return a tar archive of the entries, in their order."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=format_) as archive:
        for entry in entries:
            info = tarfile.TarInfo(entry.name)
            info.type, info.linkname, info.mode, info.size = entry.type, entry.linkname, entry.mode, len(entry.data)
            archive.addfile(info, io.BytesIO(entry.data))
    return target.getvalue()


def compress(data: bytes, how: str) -> bytes:
    """Return `data` compressed by "gzip", "zstd" (by the program of that name) or, for "", as it is."""
    if how == "gzip":
        return gzip.compress(data, compresslevel=1, mtime=0)
    if how == "zstd":
        return subprocess.run(["zstd", "-q", "-c"], input=data, capture_output=True, check=True).stdout
    return data


def digest_of(data: bytes) -> str:
    """Return the sha256 digest of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def encode(document: Any) -> bytes:
    """Return a document as JSON."""
    return json.dumps(document).encode()


class Layout:
    """An OCI image layout under construction.  Everything in it may be changed before `tar()`."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {"oci-layout": encode({"imageLayoutVersion": "1.0.0"})}
        self.entries: list[dict[str, Any]] = []

    def blob(self, data: bytes) -> str:
        """Add a blob and return its digest."""
        digest = digest_of(data)
        self.files[path_of(digest)] = data
        return digest

    def descriptor(self, media_type: str, data: bytes, **more: Any) -> dict[str, Any]:
        """Add a blob and return its descriptor."""
        return {"mediaType": media_type, "digest": self.blob(data), "size": len(data), **more}

    def image(
        self,
        layers: Iterable[bytes],
        *,
        compression: str = "gzip",
        architecture: str = "amd64",
        variant: str = "",
        diff_ids: list[str] | None = None,
        process: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Add an image of uncompressed `layers` and return its manifest's descriptor."""
        plain = list(layers)
        config = {
            "os": "linux",
            "architecture": architecture,
            "variant": variant,
            "config": dict(process or {}),
            "rootfs": {"type": "layers", "diff_ids": diff_ids or [digest_of(layer) for layer in plain]},
        }
        suffix = f"+{compression}" if compression else ""
        manifest = {
            "schemaVersion": 2,
            "config": self.descriptor(OCI_CONFIG, encode(config)),
            "layers": [self.descriptor(OCI_LAYER + suffix, compress(layer, compression)) for layer in plain],
        }
        return self.descriptor(OCI_MANIFEST, encode(manifest), **more)

    def index(self, *descriptors: dict[str, Any]) -> dict[str, Any]:
        """Add an index and return its descriptor."""
        return self.descriptor(OCI_INDEX, encode({"schemaVersion": 2, "manifests": descriptors}))

    def name(self, descriptor: dict[str, Any], name: str = "", **annotations: str) -> None:
        """List an image in index.json."""
        marks = {**({CONTAINERD_NAME: name} if name else {}), **annotations}
        self.entries.append({**descriptor, **({"annotations": marks} if marks else {})})

    def members(self) -> list[Entry]:
        """Return everything as tar members, index.json last, as tar(1) would sort it."""
        index = encode({"schemaVersion": 2, "manifests": self.entries})
        files = {"index.json": index, **self.files} if "index.json" not in self.files else self.files
        return [Entry(name, data) for name, data in sorted(files.items())]

    def tar(self) -> bytes:
        """Return the archive."""
        return tar_of(self.members())


def path_of(digest: str) -> str:
    """Return where a layout keeps a blob."""
    return f"blobs/{digest.replace(':', '/')}"


def docker_members(
    layers: Iterable[bytes], tags: list[str] | None, *, compression: str = "", architecture: str = "amd64"
) -> list[Entry]:
    """Return an image as `docker save` wrote it before version 25."""
    plain = list(layers)
    diff_ids = [digest_of(layer) for layer in plain]
    config = encode(
        {
            "os": "linux",
            "architecture": architecture,
            "config": {"Cmd": ["sh"]},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }
    )
    config_name = f"{digest_of(config)[7:]}.json"
    members = [Entry(config_name, config)]
    paths = []
    for number, layer in enumerate(plain):
        directory = f"{number:064x}"
        paths.append(f"{directory}/layer.tar")
        members += [
            Entry(directory, type=tarfile.DIRTYPE),
            Entry(f"{directory}/VERSION", b"1.0"),
            Entry(f"{directory}/json", b"{}"),
            Entry(paths[-1], compress(layer, compression)),
        ]
    manifest = [{"Config": config_name, "RepoTags": tags, "Layers": paths}]
    return [*members, Entry("repositories", b"{}"), Entry("manifest.json", encode(manifest))]


async def chunks_of(data: bytes, size: int = 65536) -> AsyncIterator[bytes]:
    """Yield `data` in chunks, as a client sends it."""
    for at in range(0, len(data), size):
        yield data[at : at + size]
