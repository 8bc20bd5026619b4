"""Image archives made from a good one: renamed, in docker's form, and broken in every way we could think of."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

NAME = "org.opencontainers.image.ref.name"
CONTAINERD_NAME = "io.containerd.image.name"


class Layout:
    """The files of an OCI image layout, in memory: the images here are small."""

    def __init__(self, archive: Path) -> None:
        self.files: dict[str, bytes] = {}
        with tarfile.open(archive) as tar:
            for member in tar:
                stream = tar.extractfile(member)
                if stream is not None:
                    self.files[member.name.removeprefix("./")] = stream.read()

    @property
    def index(self) -> Any:
        return json.loads(self.files["index.json"])

    def blob(self, digest: str) -> bytes:
        return self.files[f"blobs/{digest.replace(':', '/')}"]

    def put(self, data: bytes) -> str:
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.files[f"blobs/{digest.replace(':', '/')}"] = data
        return digest

    def manifest(self) -> Any:
        """The first image manifest, through an index of an index if there is one."""
        document = self.index
        while "manifests" in document:
            document = json.loads(self.blob(document["manifests"][0]["digest"]))
        return document

    def with_manifest(self, manifest: Any, name: str) -> None:
        """Make `manifest` the only image, called `name`; "" for none."""
        data = json.dumps(manifest).encode()
        self.files["index.json"] = json.dumps(
            {
                "schemaVersion": 2,
                "manifests": [
                    {
                        "mediaType": "application/vnd.oci.image.manifest.v1+json",
                        "digest": self.put(data),
                        "size": len(data),
                        **({"annotations": {NAME: name, CONTAINERD_NAME: name}} if name else {}),
                    }
                ],
            }
        ).encode()

    def with_two_platforms(self, name: str, other: str) -> tuple[str, str]:
        """Make an index of the image and the same for `other` the only image; return both digests."""
        ours = self.manifest()
        config = json.loads(self.blob(ours["config"]["digest"]))
        theirs = json.loads(json.dumps(ours))
        system, architecture = other.split("/")
        data = json.dumps({**config, "os": system, "architecture": architecture, "variant": ""}).encode()
        theirs["config"] |= {"digest": self.put(data), "size": len(data)}
        entries = []
        for manifest, platform in ((ours, (config["os"], config["architecture"])), (theirs, (system, architecture))):
            data = json.dumps(manifest).encode()
            entries.append(
                {
                    "mediaType": "application/vnd.oci.image.manifest.v1+json",
                    "digest": self.put(data),
                    "size": len(data),
                    "platform": dict(zip(("os", "architecture"), platform, strict=True)),
                }
            )
        kind = "application/vnd.oci.image.index.v1+json"
        data = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
        target = {"mediaType": kind, "digest": self.put(data), "size": len(data)}
        listed = [{**target, "annotations": {NAME: "1", CONTAINERD_NAME: name}}]
        self.files["index.json"] = json.dumps({"schemaVersion": 2, "manifests": listed}).encode()
        return target["digest"], entries[1]["digest"]

    def with_layer(self, layer: bytes, name: str) -> None:
        """Make an image of one gzip layer, consistent in every digest."""
        packed = gzip.compress(layer)
        old = self.manifest()
        config = json.loads(self.blob(old["config"]["digest"]))
        config["rootfs"] = {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]}
        config.pop("history", None)
        data = json.dumps(config).encode()
        self.with_manifest(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": self.put(data),
                    "size": len(data),
                },
                "layers": [
                    {
                        "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip",
                        "digest": self.put(packed),
                        "size": len(packed),
                    }
                ],
            },
            name,
        )

    def write(self, archive: Path) -> None:
        with tarfile.open(archive, "w") as tar:
            for name, data in self.files.items():
                add(tar, name, data)


def add(tar: tarfile.TarFile, name: str, data: bytes, **attributes: Any) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    for attribute, value in attributes.items():
        setattr(member, attribute, value)
    tar.addfile(member, io.BytesIO(data))


def layer_of(size: int) -> bytes:
    """An uncompressed layer with one file of `size` bytes that do not compress."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        add(tar, "big", os.urandom(size))
    return layer.getvalue()


def renamed(source: Path, archive: Path, name: str) -> None:
    """The same image under another name."""
    layout = Layout(source)
    layout.with_manifest(layout.manifest(), name)
    layout.write(archive)


def as_docker(source: Path, archive: Path, name: str) -> None:
    """The same image as `docker save` would write it."""
    layout = Layout(source)
    manifest = layout.manifest()
    layers = []
    with tarfile.open(archive, "w") as tar:
        add(tar, "config.json", layout.blob(manifest["config"]["digest"]))
        for number, layer in enumerate(manifest["layers"]):
            data = layout.blob(layer["digest"])
            layers.append(f"{number}/layer.tar")
            add(tar, layers[-1], gzip.decompress(data) if layer["mediaType"].endswith("gzip") else data)
        listed = [{"Config": "config.json", "RepoTags": [name], "Layers": layers}]
        add(tar, "manifest.json", json.dumps(listed).encode())


def truncated(source: Path, archive: Path) -> None:
    """Half of the archive, as after an interrupted copy."""
    data = source.read_bytes()
    archive.write_bytes(data[: len(data) // 2])


def garbage(source: Path, archive: Path) -> None:
    """No archive at all."""
    archive.write_bytes(bytes(range(256)) * 64)


def empty(source: Path, archive: Path) -> None:
    archive.write_bytes(b"")


def other_bytes(source: Path, archive: Path) -> None:
    """A layer whose bytes are not what its digest says."""
    layout = Layout(source)
    name = f"blobs/{layout.manifest()['layers'][0]['digest'].replace(':', '/')}"
    data = layout.files[name]
    layout.files[name] = data[:-20] + bytes(20)
    layout.write(archive)


def missing_blob(source: Path, archive: Path) -> None:
    """A manifest that names a layer which is not there."""
    layout = Layout(source)
    del layout.files[f"blobs/{layout.manifest()['layers'][0]['digest'].replace(':', '/')}"]
    layout.write(archive)


def foreign_file(source: Path, archive: Path) -> None:
    """A good image beside a member that wants to be written outside."""
    layout = Layout(source)
    layout.files = {"../../../../../../kt-escaped": b"out", **layout.files}
    layout.write(archive)


def climbing_layer(source: Path, archive: Path) -> None:
    """A layer, right in every digest, whose file wants to be outside of the root file system through a link."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        add(tar, "out", b"", type=tarfile.SYMTYPE, linkname="/")
        add(tar, "bin/sh", b"", type=tarfile.LNKTYPE, linkname="../../../../../../etc/shadow")
    layout = Layout(source)
    layout.with_layer(layer.getvalue(), "docker.io/library/harm:latest")
    layout.write(archive)


def wrong_diff_id(source: Path, archive: Path) -> None:
    """A layer whose unpacked content is not what the image's configuration says."""
    layout = Layout(source)
    manifest = layout.manifest()
    config = json.loads(layout.blob(manifest["config"]["digest"]))
    config["rootfs"]["diff_ids"][0] = f"sha256:{'0' * 64}"
    data = json.dumps(config).encode()
    manifest["config"] |= {"digest": layout.put(data), "size": len(data)}
    layout.with_manifest(manifest, "docker.io/library/harm:latest")
    layout.write(archive)


def deep_index(source: Path, archive: Path) -> None:
    """Indexes inside indexes, deeper than any image has a reason to be."""
    layout = Layout(source)
    for _ in range(200):
        data = layout.files["index.json"]
        layout.files["index.json"] = json.dumps(
            {
                "schemaVersion": 2,
                "manifests": [
                    {
                        "mediaType": "application/vnd.oci.image.index.v1+json",
                        "digest": layout.put(data),
                        "size": len(data),
                    }
                ],
            }
        ).encode()
    layout.write(archive)


def boundless_manifest(source: Path, archive: Path) -> None:
    """An index that claims more than any memory."""
    layout = Layout(source)
    layout.files["index.json"] = b'{"schemaVersion": 2, "manifests": [' + b" " * (32 << 20) + b"]}"
    layout.write(archive)


def evil_name(source: Path, archive: Path) -> None:
    """An image whose name is no name."""
    renamed(source, archive, "../../etc/passwd\x1b[2J\n:latest")


HARMS: dict[str, Callable[[Path, Path], None]] = {
    function.__name__: function
    for function in (
        truncated,
        garbage,
        empty,
        other_bytes,
        missing_blob,
        foreign_file,
        climbing_layer,
        wrong_diff_id,
        deep_index,
        boundless_manifest,
        evil_name,
    )
}
