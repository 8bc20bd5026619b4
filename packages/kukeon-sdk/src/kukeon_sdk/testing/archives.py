"""Image archives for tests: small ones that every kukeon takes, and what an archive says of its images.

`oci` and `docker` make archives whose image has one empty layer and names no program: enough to load, list and delete,
not to run.
"""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import io
import json
import platform
import re
import tarfile
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, image_ref

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CONTAINERD_NAME = "io.containerd.image.name"
OCI_NAME = "org.opencontainers.image.ref.name"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_TAG_ONLY = re.compile(r"latest|v?[0-9][A-Za-z0-9_.-]{0,127}")


@dataclasses.dataclass(frozen=True)
class Offered:
    """An image that an archive offers, by its full name; `blobs` are what it is made of, by digest."""

    name: str
    digest: str
    media_type: str
    blobs: dict[str, bytes] = dataclasses.field(default_factory=dict)

    @property
    def size(self) -> int:
        """Return the bytes of what it is made of."""
        return sum(map(len, self.blobs.values()))


def oci(name: str = "", *, architecture: str = "") -> bytes:
    """Return an OCI archive with one image called `name`; without a name it has only its digest."""
    config, layer = _config(architecture), gzip.compress(_layer(), mtime=0)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": _descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer)],
    }
    data = _json(manifest)
    blobs = {digest_of(blob): blob for blob in (data, config, layer)}
    return layout([Offered(name, digest_of(data), MANIFEST)], blobs)


def layout(images: Sequence[Offered], blobs: Mapping[str, bytes]) -> bytes:
    """Return an OCI archive of images, by their names and digests alone, that are made of `blobs`."""
    entries = []
    for each in images:
        entry = {"mediaType": each.media_type, "digest": each.digest, "size": len(blobs[each.digest])}
        if each.name:
            entry["annotations"] = {CONTAINERD_NAME: each.name, OCI_NAME: each.name}
        entries.append(entry)
    files = {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}),
    }
    return _tar(files | {f"blobs/{digest.replace(':', '/')}": blob for digest, blob in blobs.items()})


def docker(*names: str, architecture: str = "") -> bytes:
    """Return an archive as `docker save` writes it, of one image with all these names."""
    listed = [{"Config": "config.json", "RepoTags": list(names), "Layers": ["0/layer.tar"]}]
    return _tar({"manifest.json": _json(listed), "config.json": _config(architecture), "0/layer.tar": _layer()})


def digest_of(data: bytes) -> str:
    """Return the digest of a blob."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def offered(archive: bytes) -> tuple[Offered, ...]:
    """Return the images that an archive offers. Raises `TarballRequired` and `InvalidArchive` as kukeond does."""
    if not archive:
        raise errors.TarballRequired("cannot load an image: image tarball is required", hint="the archive is empty")
    files = _files(archive)
    if "index.json" in files:
        found = tuple(_of_index(files, _parsed(files, "index.json")))
    elif "manifest.json" in files:
        found = tuple(_of_docker(files))
    else:
        raise _invalid("it has neither index.json nor manifest.json")
    if not found:
        raise _invalid("it has no image")
    return found


def _files(archive: bytes) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for member in tar:
                path = member.name.removeprefix("./")
                if path.startswith("/") or ".." in path.split("/"):
                    raise _invalid(f"{path[:200]!r} is outside of it")
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is not None:
                    files[path] = stream.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise _invalid(f"it is no tar archive: {error}") from error
    return files


def _of_index(files: dict[str, bytes], index: Any) -> list[Offered]:
    images = []
    for target in index.get("manifests", ()):
        digest = str(target.get("digest", ""))
        blobs: dict[str, bytes] = {}
        _collect(files, digest, blobs)
        name = _name(target.get("annotations", {}), digest)
        images.append(Offered(name, digest, str(target.get("mediaType", MANIFEST)), blobs))
    return images


def _collect(files: dict[str, bytes], digest: str, blobs: dict[str, bytes]) -> None:
    """Put the manifest or index `digest` into `blobs`, with what it refers to."""
    blobs[digest] = _blob(files, digest)
    parts = _parsed(files, f"blobs/{digest.replace(':', '/')}")
    for each in parts.get("manifests", ()):
        if f"blobs/{str(each['digest']).replace(':', '/')}" in files:  # others may be for other platforms
            _collect(files, str(each["digest"]), blobs)
    for part in (parts.get("config"), *parts.get("layers", ())):
        if part:
            blobs[str(part["digest"])] = _blob(files, str(part["digest"]))


def _of_docker(files: dict[str, bytes]) -> list[Offered]:
    images = []
    for each in _parsed(files, "manifest.json"):
        config, layers = _file(files, each["Config"]), [_file(files, layer) for layer in each["Layers"]]
        manifest = _json(
            {
                "schemaVersion": 2,
                "mediaType": DOCKER_MANIFEST,
                "config": _descriptor("application/vnd.docker.container.image.v1+json", config),
                "layers": [_descriptor("application/vnd.docker.image.rootfs.diff.tar", layer) for layer in layers],
            }
        )
        blobs = {digest_of(data): data for data in (manifest, config, *layers)}
        names = [_full(name) for name in each.get("RepoTags") or ()] or [image_ref.nameless(digest_of(manifest))]
        images += [Offered(name, digest_of(manifest), DOCKER_MANIFEST, blobs) for name in names]
    return images


def _name(annotations: dict[str, str], digest: str) -> str:
    """Return what an image is called; one without a name, or with a tag only, after its digest."""
    if named := annotations.get(CONTAINERD_NAME):
        return _full(named)
    found = annotations.get(OCI_NAME, "")
    if not found or _TAG_ONLY.fullmatch(found):
        return image_ref.nameless(digest, found or image_ref.DEFAULT_TAG)
    return _full(found)


def _full(name: str) -> str:
    try:
        return image_ref.normalise(name)
    except errors.Invalid as error:
        raise _invalid(f"it names an image {name[:200]!r}: {error}") from error


def _blob(files: dict[str, bytes], digest: str) -> bytes:
    data = _file(files, f"blobs/{digest.replace(':', '/')}")
    if digest_of(data) != digest:
        raise _invalid(f"{digest} is not what it says")
    return data


def _file(files: dict[str, bytes], path: str) -> bytes:
    if path not in files:
        raise _invalid(f"{path[:200]!r} is referred to, but not in it")
    return files[path]


def _parsed(files: dict[str, bytes], path: str) -> Any:
    try:
        return json.loads(_file(files, path))
    except ValueError as error:
        raise _invalid(f"{path} is no JSON: {error}") from error


def _invalid(why: str) -> errors.InvalidArchive:
    return errors.InvalidArchive(f"cannot load the archive: {why}")


def _config(architecture: str) -> bytes:
    found = architecture or _ARCHITECTURES.get(platform.machine(), platform.machine())
    rootfs = {"type": "layers", "diff_ids": [digest_of(_layer())]}
    return _json({"architecture": found, "os": "linux", "config": {}, "rootfs": rootfs})


def _layer() -> bytes:
    return _tar({})


def _descriptor(media_type: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _tar(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as tar:
        for path, data in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return written.getvalue()
