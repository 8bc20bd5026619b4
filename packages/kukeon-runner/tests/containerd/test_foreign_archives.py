"""Archives that others write are loaded, and the same becomes of them as others make."""

import json
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from loaded_images import HOST, LOWER, NAME, UPPER, files_of

from kukeon_api import errors
from kukeon_runner.host.containerd.archive import import_archive
from kukeon_runner.host.containerd.client import Namespaced
from kukeon_runner.testing.archives import docker_members, tar_of
from kukeon_runner.testing.containerd import PrivateContainerd

pytestmark = pytest.mark.host


def run(*words: str | Path) -> str:
    return subprocess.run([str(word) for word in words], check=True, capture_output=True, text=True).stdout


async def read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(100_000):
            yield data


def layers(inspected: str) -> list[str]:
    found = json.loads(inspected)["Layers"]
    assert isinstance(found, list)
    return found


@pytest.mark.parametrize("how", ["gzip", "zstd"])
async def test_archive_by_skopeo(namespace: Namespaced, busybox_archive: Path, tmp_path: Path, how: str) -> None:
    target = f"oci-archive:{tmp_path}/x.tar:registry.invalid/x:1"
    run("skopeo", "copy", "--dest-compress-format", how, f"oci-archive:{busybox_archive}", target)
    assert await import_archive(namespace, read(tmp_path / "x.tar")) == ("registry.invalid/x:1",)
    resolved = await namespace.resolve("registry.invalid/x:1")
    inspected = run("skopeo", "inspect", f"oci-archive:{tmp_path}/x.tar")
    assert resolved.manifest_digest == json.loads(inspected)["Digest"]
    assert [layer.digest for layer in resolved.layers] == layers(inspected)
    assert "bin/busybox" in await files_of(namespace, "registry.invalid/x:1", tmp_path)


async def test_docker_archive_by_skopeo(namespace: Namespaced, busybox_archive: Path, tmp_path: Path) -> None:
    run("skopeo", "copy", f"oci-archive:{busybox_archive}", f"docker-archive:{tmp_path}/x.tar:busybox:9")
    assert await import_archive(namespace, read(tmp_path / "x.tar")) == ("docker.io/library/busybox:9",)
    resolved = await namespace.resolve("docker.io/library/busybox:9")
    inspected = run("skopeo", "inspect", f"docker-archive:{tmp_path}/x.tar")
    assert [layer.digest for layer in resolved.layers] == layers(inspected)


async def test_directory_by_skopeo_is_told_apart(namespace: Namespaced, busybox_archive: Path, tmp_path: Path) -> None:
    run("skopeo", "copy", f"oci-archive:{busybox_archive}", f"dir:{tmp_path}/dir")
    run("tar", "-C", tmp_path / "dir", "-cf", tmp_path / "x.tar", ".")
    with pytest.raises(errors.InvalidArchive, match="dir:") as refused:
        await import_archive(namespace, read(tmp_path / "x.tar"))
    assert "skopeo copy dir:DIRECTORY oci:LAYOUT:TAG" in refused.value.hint


async def test_layout_by_umoci(namespace: Namespaced, tmp_path: Path) -> None:
    run("umoci", "init", "--layout", tmp_path / "layout")
    run("umoci", "new", "--image", f"{tmp_path}/layout:v1")
    (tmp_path / "hello").write_bytes(b"hello")
    run("umoci", "insert", "--image", f"{tmp_path}/layout:v1", tmp_path / "hello", "/hello")
    run("umoci", "config", "--image", f"{tmp_path}/layout:v1", "--config.cmd", "/hello")
    run("tar", "-C", tmp_path / "layout", "-cf", tmp_path / "x.tar", ".")
    (name,) = await import_archive(namespace, read(tmp_path / "x.tar"))
    resolved = await namespace.resolve(name)
    assert name == f"localhost/import-{resolved.digest[7:19]}:v1"
    assert resolved.digest == json.loads(run("skopeo", "inspect", f"oci:{tmp_path}/layout:v1"))["Digest"]
    assert resolved.config.cmd == ("/hello",)
    assert await files_of(namespace, name, tmp_path) == {"hello": b"hello"}


async def test_what_umoci_adds_to_a_layout_of_others(
    namespace: Namespaced, busybox_archive: Path, tmp_path: Path
) -> None:
    """It copies containerd's name of the image that it starts from, which then stands for both."""
    layout = tmp_path / "layout"
    layout.mkdir()
    run("tar", "-C", layout, "-xf", busybox_archive)
    run("umoci", "config", "--image", f"{layout}:latest", "--tag", "mine", "--config.cmd", "/hello")
    run("tar", "-C", layout, "-cf", tmp_path / "x.tar", ".")
    ours = "docker.io/library/busybox"
    assert await import_archive(namespace, read(tmp_path / "x.tar")) == (f"{ours}:latest", f"{ours}:mine")
    assert (await namespace.resolve(f"{ours}:latest")).config.cmd == ("sh",)
    assert (await namespace.resolve(f"{ours}:mine")).config.cmd == ("/hello",)


@pytest.mark.parametrize("kind", ["oci", "docker"])
async def test_same_as_ctr(
    namespace: Namespaced, containerd_process: PrivateContainerd, busybox_archive: Path, tmp_path: Path, kind: str
) -> None:
    """containerd's own client makes the same image, labels and snapshots of the same archive."""
    archive = busybox_archive
    if kind == "docker":
        archive = tmp_path / "docker.tar"
        members = docker_members([LOWER, UPPER], [NAME], architecture=HOST.architecture)
        archive.write_bytes(tar_of(members))
    (name,) = await import_archive(namespace, read(archive))
    await namespace.leases.collect_garbage()
    ours = [await namespace.images.get(name), *await namespace.content.list(), *await namespace.snapshots.list()]
    await namespace.images.delete(name, sync=True)
    containerd_process.ctr("images", "import", str(archive), namespace=namespace.name)
    await namespace.leases.collect_garbage()
    theirs = [await namespace.images.get(name), *await namespace.content.list(), *await namespace.snapshots.list()]

    def told(item: Any) -> tuple[str, ...]:
        # Annotations of a target are a client's own notes; the label below is left on layers by containerd 2 only.
        target = getattr(item, "target", None)
        labels = {key: value for key, value in item.labels.items() if key != "containerd.io/snapshot.ref"}
        identity = getattr(item, "name", "") or item.digest
        return (identity, target.digest if target else "", str(sorted(labels.items())))

    def timeless(found: list[Any]) -> list[tuple[str, ...]]:
        return sorted(told(item) for item in found)

    assert timeless(ours) == timeless(theirs)
