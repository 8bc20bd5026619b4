"""Loading archives into a real containerd: what is good appears and runs, what is not leaves nothing."""

import asyncio
import json
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from loaded_images import FILES, HOST, LOWER, NAME, UPPER, empty_after_collection, files_of, good, image, load

from kukeon_api import errors
from kukeon_runner.host.containerd import describe
from kukeon_runner.host.containerd.archive import import_archive
from kukeon_runner.host.containerd.client import Containerd, Namespaced
from kukeon_runner.testing.archives import Entry, Layout, compress, docker_members, encode, path_of, tar_of
from kukeon_runner.testing.containerd import private_containerd

pytestmark = pytest.mark.host


@pytest.mark.parametrize("outer", ["", "gzip", "zstd"])
@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
async def test_oci_layout(namespace: Namespaced, tmp_path: Path, compression: str, outer: str) -> None:
    layout = good(compression=compression, process={"Cmd": ["run"], "User": "1"})
    assert await load(namespace, compress(layout.tar(), outer)) == (NAME,)
    resolved = await namespace.resolve(NAME)
    assert resolved.digest == layout.entries[0]["digest"] == resolved.manifest_digest
    assert (resolved.config.cmd, resolved.config.user) == (("run",), "1")
    manifest = json.loads(layout.files[path_of(resolved.digest)])
    parts = [layout.entries[0], manifest["config"], *manifest["layers"]]
    assert resolved.size == sum(part["size"] for part in parts)
    assert await files_of(namespace, NAME, tmp_path) == FILES
    assert await namespace.leases.list() == ()
    await namespace.leases.collect_garbage()
    assert {blob.digest for blob in await namespace.content.list()} == {part["digest"] for part in parts}
    await namespace.images.delete(NAME, sync=True)
    assert await empty_after_collection(namespace)


@pytest.mark.parametrize("compression", ["", "gzip", "zstd"])
async def test_docker_archive(namespace: Namespaced, tmp_path: Path, compression: str) -> None:
    members = docker_members(
        [LOWER, UPPER], ["one:1", "registry.invalid/two:2"], compression=compression, architecture=HOST.architecture
    )
    names = ("docker.io/library/one:1", "registry.invalid/two:2")
    assert await load(namespace, tar_of(members)) == names
    await namespace.leases.collect_garbage()
    for name in names:
        assert await files_of(namespace, name, tmp_path) == FILES
    assert (await namespace.resolve(names[0])).config.cmd == ("sh",)


async def test_docker_archive_without_tags_and_with_linked_layers(namespace: Namespaced, tmp_path: Path) -> None:
    """As podman writes it: layers at the top, and links where older readers look for them."""
    members = docker_members([LOWER, UPPER], None, architecture=HOST.architecture)
    layers = [member for member in members if member.name.endswith("layer.tar")]
    moved = {layer.name: Entry(f"{number}.tar", layer.data) for number, layer in enumerate(layers)}
    links = [Entry(path, type=tarfile.SYMTYPE, linkname=f"../{entry.name}") for path, entry in moved.items()]
    rest = [member for member in members if member.name not in moved]
    (name,) = await load(namespace, tar_of([*links, *rest, *moved.values()]))
    assert name.startswith("localhost/import-")
    assert await files_of(namespace, name, tmp_path) == FILES
    assert await load(namespace, tar_of([*links, *rest, *moved.values()])) == (name,)


async def test_archive_that_is_both(namespace: Namespaced, tmp_path: Path) -> None:
    """As docker 25 and later write it: a layout with a manifest.json that points into it."""
    layout = good(compression="")
    manifest = json.loads(layout.files[path_of(layout.entries[0]["digest"])])
    layout.files["manifest.json"] = encode(
        [
            {
                "Config": path_of(manifest["config"]["digest"]),
                "RepoTags": ["other:1"],
                "Layers": [path_of(layer["digest"]) for layer in manifest["layers"]],
            }
        ]
    )
    assert await load(namespace, layout.tar()) == (NAME,)
    del layout.files["oci-layout"]
    assert await load(namespace, layout.tar()) == ("docker.io/library/other:1",)
    assert await files_of(namespace, "docker.io/library/other:1", tmp_path) == FILES


async def test_docker_name_of_the_zstd_type(namespace: Namespaced, tmp_path: Path) -> None:
    layout = Layout()
    manifest = json.loads(layout.files[path_of(image(layout, LOWER, UPPER, compression="zstd")["digest"])])
    for layer in manifest["layers"]:
        layer["mediaType"] = "application/vnd.docker.image.rootfs.diff.tar.zstd"
    layout.name(layout.descriptor("application/vnd.docker.distribution.manifest.v2+json", encode(manifest)), NAME)
    await load(namespace, layout.tar())
    assert await files_of(namespace, NAME, tmp_path) == FILES


async def test_image_without_layers(namespace: Namespaced) -> None:
    layout = Layout()
    layout.name(image(layout), NAME)
    await load(namespace, layout.tar())
    assert (await namespace.resolve(NAME)).chain_id == ""


async def test_name_moves_to_the_newer_image(namespace: Namespaced) -> None:
    await load(namespace, good().tar())
    old = await namespace.resolve(NAME)
    await load(namespace, good(NAME, LOWER).tar())
    new = await namespace.resolve(NAME)
    assert old.digest != new.digest
    await namespace.leases.collect_garbage()
    assert not await namespace.content.exists(old.digest)
    assert await namespace.snapshots.exists(new.chain_id)
    assert not await namespace.snapshots.exists(old.chain_id)


async def test_many_loads_of_one_archive_at_once(namespace: Namespaced, tmp_path: Path) -> None:
    data = good().tar()
    async with asyncio.TaskGroup() as group:
        loads = [group.create_task(load(namespace, data)) for _ in range(6)]
    assert {task.result() for task in loads} == {(NAME,)}
    await namespace.leases.collect_garbage()
    assert await files_of(namespace, NAME, tmp_path) == FILES
    assert len(await namespace.snapshots.list()) == 2


async def test_same_blobs_in_two_namespaces(namespace: Namespaced, containerd: Containerd, tmp_path: Path) -> None:
    other = containerd.with_namespace(f"{namespace.name}-other")
    await containerd.create_namespace(other.name)
    await load(namespace, good().tar())
    await load(other, good().tar())
    await containerd.drain_namespace(other.name)
    assert await containerd.delete_namespace(other.name)
    assert await files_of(namespace, NAME, tmp_path) == FILES


async def test_native_snapshotter(tmp_path: Path) -> None:
    """Where overlayfs does not work, images are unpacked by the snapshotter that always does."""
    with private_containerd(disabled=["io.containerd.snapshotter.v1.overlayfs"]) as process:
        async with await Containerd.connect(process.socket) as client:
            assert client.snapshotter == "native"
            await client.create_namespace("kt-native")
            namespace = client.with_namespace("kt-native")
            await load(namespace, good().tar())
            await namespace.leases.collect_garbage()
            assert await files_of(namespace, NAME, tmp_path) == FILES
            await client.drain_namespace("kt-native")
            assert await client.delete_namespace("kt-native")


async def test_unpack_again(namespace: Namespaced, tmp_path: Path) -> None:
    """An image whose snapshots are gone, as another client may leave it, is unpacked on demand."""
    await load(namespace, good().tar())
    resolved = await namespace.resolve(NAME)
    with pytest.raises(errors.HostError, match="without a lease"):
        await namespace.unpack(resolved)
    await namespace.content.set_labels(
        resolved.config_digest, {f"containerd.io/gc.ref.snapshot.{namespace.snapshotter}": ""}
    )
    await namespace.leases.collect_garbage()
    assert await namespace.snapshots.list() == ()
    async with namespace.lease("unpack") as leased:
        assert await leased.unpack(resolved) == resolved.chain_id
        assert await leased.unpack(resolved) == resolved.chain_id
        assert await files_of(leased, NAME, tmp_path) == FILES


async def test_content_lost_behind_our_back(namespace: Namespaced) -> None:
    await load(namespace, good().tar())
    resolved = await namespace.resolve(NAME)
    (record,) = await namespace.images.list()
    assert (await describe.brief(namespace, record, await describe.present(namespace))).size == resolved.size
    await namespace.content.delete(resolved.config_digest)
    with pytest.raises(errors.ImageNotFound, match="part of its content is missing") as caught:
        await namespace.resolve(NAME)
    assert caught.value.hint
    assert (await describe.brief(namespace, record, await describe.present(namespace))).size == -1
    with pytest.raises(errors.ImageNotFound, match="cannot find image 'none:1'"):
        await namespace.resolve("none:1")


async def test_nothing_at_all(namespace: Namespaced) -> None:
    with pytest.raises(errors.TarballRequired):
        await load(namespace, b"")
    assert await empty_after_collection(namespace)


async def test_cancelled_load_leaves_nothing(namespace: Namespaced) -> None:
    started = asyncio.Event()

    async def stuck() -> AsyncIterator[bytes]:
        yield good(NAME, LOWER, os.urandom(3_000_000)).tar()[:2_000_000]
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(import_archive(namespace, stuck()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await empty_after_collection(namespace)


async def test_sender_that_fails_leaves_nothing(namespace: Namespaced) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield good(NAME, os.urandom(3_000_000)).tar()[:2_000_000]
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await import_archive(namespace, broken())
    assert await empty_after_collection(namespace)


async def test_memory_stays_flat(namespace: Namespaced) -> None:
    """300 MB pass through without the process growing by more than 20 MB."""
    size = 300_000_000
    header = tarfile.TarInfo("big")
    header.size = size
    member = tarfile.TarInfo("0/layer.tar")
    block = os.urandom(1_000_000)
    # The layer is a tar with one file; its own end is 1024 zero bytes.
    member.size = 512 + size + (-size % 512) + 1024

    async def endless() -> AsyncIterator[bytes]:
        yield member.tobuf() + header.tobuf()
        for _ in range(size // len(block)):
            yield block
        yield bytes(-size % 512 + 1024 + -member.size % 512)

    def memory(key: str) -> int:
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(key))
        return int(line.split()[1]) * 1024

    def reset() -> None:
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM, proc(5)

    reset()
    before = memory("VmRSS")
    with pytest.raises(errors.InvalidArchive, match="it is no image archive"):
        await import_archive(namespace, endless())
    assert memory("VmHWM") - before < 20_000_000
