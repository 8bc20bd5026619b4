"""Loading archives into a real containerd: what is good appears and runs, what is not leaves nothing."""

import asyncio
import dataclasses
import json
import os
import subprocess
import tarfile
from collections.abc import AsyncIterator, Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from kukeon_api import errors, model
from kukeon_runner.host.containerd import describe, platforms, prune, unpack
from kukeon_runner.host.containerd.archive import import_archive
from kukeon_runner.host.containerd.client import Containerd, Namespaced
from kukeon_runner.host.containerd.images import ImageRecord
from kukeon_runner.testing.archives import (
    OCI_NAME,
    Entry,
    Layout,
    chunks_of,
    compress,
    digest_of,
    docker_members,
    encode,
    path_of,
    tar_of,
)
from kukeon_runner.testing.containerd import PrivateContainerd, private_containerd

pytestmark = pytest.mark.host

NAME = "registry.invalid/test/image:1"
HOST = platforms.host()
OTHER = "s390x" if HOST.architecture != "s390x" else "amd64"

LOWER = tar_of(
    [
        Entry("gone", b"x"),
        Entry("kept", b"kept"),
        Entry("dir", type=tarfile.DIRTYPE, mode=0o755),
        Entry("dir/a", b"a"),
        Entry("dir/b", b"b"),
        Entry("opaque", type=tarfile.DIRTYPE, mode=0o755),
        Entry("opaque/old", b"old"),
        Entry("link", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    ]
)
UPPER = tar_of(
    [
        Entry(".wh.gone"),
        Entry("dir", type=tarfile.DIRTYPE, mode=0o755),
        Entry("dir/.wh.a"),
        Entry("opaque", type=tarfile.DIRTYPE, mode=0o755),
        Entry("opaque/.wh..wh..opq"),
        Entry("opaque/new", b"new"),
    ]
)
FILES = {"kept": b"kept", "dir/b": b"b", "opaque/new": b"new"}


def image(layout: Layout, *layers: bytes, **more: Any) -> dict[str, Any]:
    more = {"architecture": HOST.architecture, "variant": HOST.variant, **more}
    return layout.image(layers, **more)


def good(name: str = NAME, *layers: bytes, **more: Any) -> Layout:
    layout = Layout()
    layout.name(image(layout, *(layers or (LOWER, UPPER)), **more), name)
    return layout


async def load(namespace: Namespaced, data: bytes) -> tuple[str, ...]:
    return await import_archive(namespace, chunks_of(data))


@contextmanager
def mounted(mounts: Any, target: Path):  # type: ignore[no-untyped-def]
    (mount,) = mounts
    target.mkdir(exist_ok=True)
    options = ",".join(option for option in mount.options if option != "rbind")
    bind = ["--bind"] if mount.type == "bind" else ["-t", mount.type]
    subprocess.run(["mount", *bind, "-o", options or "ro", mount.source, str(target)], check=True)
    try:
        yield target
    finally:
        subprocess.run(["umount", str(target)], check=True)


async def files_of(namespace: Namespaced, name: str, tmp_path: Path) -> dict[str, bytes]:
    """What a container made of the image would see: regular files with their content."""
    resolved = await namespace.resolve(name)
    async with namespace.lease("look") as leased:
        mounts = await leased.snapshots.view("look", resolved.chain_id)
        with mounted(mounts, tmp_path / "root") as root:
            found = {
                str(path.relative_to(root)): path.read_bytes()
                for path in root.rglob("*")
                if path.is_file() and not path.is_symlink()
            }
        await leased.snapshots.remove("look")
    return found


async def empty_after_collection(namespace: Namespaced) -> bool:
    await namespace.leases.collect_garbage()
    return not (
        await namespace.images.list()
        or await namespace.content.list()
        or await namespace.content.ingests()
        or await namespace.snapshots.list()
        or await namespace.leases.list()
    )


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


async def test_other_platforms_may_be_missing(namespace: Namespaced, tmp_path: Path) -> None:
    layout = Layout()
    ours = image(layout, LOWER, UPPER)
    other = layout.image([b"not here"], architecture=OTHER)
    del layout.files[path_of(other["digest"])]
    platform = {"os": "linux", "architecture": HOST.architecture, "variant": HOST.variant}
    inner = layout.index({**other, "platform": {"os": "linux", "architecture": OTHER}}, {**ours, "platform": platform})
    layout.name(layout.index(inner), NAME)
    assert await load(namespace, layout.tar()) == (NAME,)
    await namespace.leases.collect_garbage()
    resolved = await namespace.resolve(NAME)
    assert (resolved.digest, resolved.manifest_digest) == (layout.entries[0]["digest"], ours["digest"])
    assert await files_of(namespace, NAME, tmp_path) == FILES


async def test_images_for_other_platforms_are_left_out(namespace: Namespaced) -> None:
    layout = good()
    layout.name(layout.image([b""], architecture=OTHER), "other:1")
    assert await load(namespace, layout.tar()) == (NAME,)
    assert [record.name for record in await namespace.images.list()] == [NAME]


def for_two(attestation: bool = True) -> tuple[Layout, dict[str, Any], dict[str, Any]]:
    """An image for this host and another platform, with an attestation as builders write it."""
    layout = Layout()
    ours, other = image(layout, LOWER, UPPER), layout.image([LOWER], architecture=OTHER)
    platform = {"os": "linux", "architecture": HOST.architecture, "variant": HOST.variant}
    entries = [{**other, "platform": {"os": "linux", "architecture": OTHER}}, {**ours, "platform": platform}]
    if attestation:
        parts = {
            "schemaVersion": 2,
            "config": layout.descriptor("application/vnd.oci.image.config.v1+json", b'{"architecture":"unknown"}'),
            "layers": [layout.descriptor("application/vnd.in-toto+json", b"{}")],
        }
        beside = layout.descriptor("application/vnd.oci.image.manifest.v1+json", encode(parts))
        entries.append({**beside, "platform": {"os": "unknown", "architecture": "unknown"}})
    layout.name(layout.index(*entries), NAME)
    return layout, ours, other


async def info_of(namespace: Namespaced) -> model.ImageInfo:
    record = await namespace.images.get(NAME)
    return await describe.full(namespace, record, await describe.present(namespace))


async def test_all_platforms(namespace: Namespaced, tmp_path: Path) -> None:
    layout, ours, other = for_two()
    assert await import_archive(namespace, chunks_of(layout.tar()), "all") == (NAME,)
    await namespace.leases.collect_garbage()
    blobs = {blob.digest for blob in await namespace.content.list()}
    assert blobs == {name.replace("blobs/sha256/", "sha256:") for name in layout.files if name.startswith("blobs/")}
    info = await info_of(namespace)
    assert {each.digest: each.present for each in info.platforms} == {ours["digest"]: True, other["digest"]: True}
    assert len(info.layers) == 2
    assert await files_of(namespace, NAME, tmp_path) == FILES
    assert len(await namespace.snapshots.list()) == 2, "the other platform is not unpacked"


async def test_one_other_platform(namespace: Namespaced) -> None:
    layout, ours, other = for_two()
    assert await import_archive(namespace, chunks_of(layout.tar()), f"linux/{OTHER}") == (NAME,)
    await namespace.leases.collect_garbage()
    assert await namespace.snapshots.list() == ()
    info = await info_of(namespace)
    assert {each.digest: each.present for each in info.platforms} == {ours["digest"]: False, other["digest"]: True}
    assert info.size > 0
    assert (info.layers, info.config) == ((), None)
    with pytest.raises(errors.ImageNotFound, match="part of its content is missing") as caught:
        await namespace.resolve(NAME)
    assert caught.value.hint
    # The host's own comes to it later, and the other one stays.
    await load(namespace, layout.tar())
    await namespace.leases.collect_garbage()
    assert all(each.present for each in (await info_of(namespace)).platforms)


async def test_a_platform_that_it_lacks(namespace: Namespaced) -> None:
    layout, _, _ = for_two()
    with pytest.raises(errors.InvalidArchive, match="not for linux/riscv64"):
        await import_archive(namespace, chunks_of(layout.tar()), "linux/riscv64")
    assert await empty_after_collection(namespace)


async def test_what_killed_work_left_is_cleared_by_prune(namespace: Namespaced) -> None:
    await load(namespace, good().tar())
    left = await namespace.leases.create("image load")
    namespace.scope.connection.holding.discard((namespace.name, left))
    leased = Namespaced(dataclasses.replace(namespace.scope, lease=left), namespace.snapshotter, namespace.platform)
    await leased.content.write(b"left")
    async with namespace.lease("image load") as working:
        kept = await working.content.write(b"under way")
        done = await prune.prune(namespace, lambda record: False, dry_run=False)
        assert (done.images, done.reclaimed_bytes) == ((), 0)
        assert [lease.id for lease in await namespace.leases.list()] == [working.lease_id]
        assert not await namespace.content.exists(digest_of(b"left"))
        assert await namespace.content.exists(kept)


async def test_prune_frees_what_it_says(namespace: Namespaced) -> None:
    await load(namespace, good().tar())
    shared = good("registry.invalid/other:1", LOWER)
    await load(namespace, shared.tar())
    before = sum(blob.size for blob in await namespace.content.list())
    would = await prune.prune(namespace, lambda record: record.name == NAME, dry_run=True)
    assert sum(blob.size for blob in await namespace.content.list()) == before
    done = await prune.prune(namespace, lambda record: record.name == NAME, dry_run=False)
    assert done == would
    freed = before - sum(blob.size for blob in await namespace.content.list())
    assert 0 < freed <= done.reclaimed_bytes, "snapshots are counted as well"
    assert len(await namespace.snapshots.list()) == 1, "the lower one is the other image's, too"


async def test_prune_asks_again_right_before(namespace: Namespaced) -> None:
    await load(namespace, good().tar())
    asked: list[str] = []

    def only_once(record: ImageRecord) -> bool:
        asked.append(record.name)
        return len(asked) == 1

    done = await prune.prune(namespace, only_once, dry_run=False)
    assert (done.images, done.reclaimed_bytes, asked) == ((), 0, [NAME, NAME])
    assert await namespace.images.find(NAME) is not None


async def test_a_layer_that_is_a_bomb(namespace: Namespaced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "BOMB_BYTES", 10_000_000)
    monkeypatch.setattr(unpack, "BOMB_LOOK_S", 0.02)
    bomb = tar_of([Entry("zeros", bytes(400_000_000))])
    with pytest.raises(errors.InvalidArchive, match="made to fill the disk"):
        await load(namespace, good(NAME, LOWER, bomb).tar())
    assert await empty_after_collection(namespace)


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
    with pytest.raises(errors.ImageNotFound, match="cannot get image 'none:1'"):
        await namespace.resolve("none:1")


# What is wrong -> how an archive becomes so, and the words that say it.


def without(layout: Layout, which: Callable[[bytes], bool]) -> bytes:
    for name in [name for name, data in layout.files.items() if name.startswith("blobs/") and which(data)]:
        del layout.files[name]
    return layout.tar()


def truncated() -> bytes:
    return good().tar()[:2000]


def truncated_between_members() -> bytes:
    return tar_of(good().members()[:2])[:-9000]


def truncated_gzip() -> bytes:
    data = compress(good().tar(), "gzip")
    return data[: len(data) // 2]


def wrong_digest() -> bytes:
    layout = good()
    name = path_of(json.loads(layout.files[path_of(layout.entries[0]["digest"])])["layers"][0]["digest"])
    layout.files[name] = b"other bytes"
    return layout.tar()


def wrong_size() -> bytes:
    layout = good()
    layout.entries[0]["size"] += 1
    return layout.tar()


def wrong_layer_size() -> bytes:
    layout = Layout()
    found = image(layout, LOWER)
    manifest = json.loads(layout.files[path_of(found["digest"])])
    manifest["layers"][0]["size"] += 1
    layout.name(layout.descriptor(found["mediaType"], encode(manifest)), NAME)
    return layout.tar()


def missing_layer() -> bytes:
    return without(good(compression=""), lambda data: data == LOWER)


def missing_config() -> bytes:
    return without(good(), lambda data: b"rootfs" in data)


def missing_manifest() -> bytes:
    return without(good(), lambda data: b"layers" in data and b"schemaVersion" in data)


def wrong_diff_id() -> bytes:
    return good(NAME, LOWER, diff_ids=[f"sha256:{'0' * 64}"]).tar()


def layer_is_no_tar() -> bytes:
    return good(NAME, b"this is no tar file" * 100).tar()


def layer_is_damaged_gzip() -> bytes:
    layout = Layout()
    packed = compress(LOWER, "gzip")[:-20]
    found = image(layout, LOWER)
    manifest = json.loads(layout.files[path_of(found["digest"])])
    manifest["layers"] = [layout.descriptor(manifest["layers"][0]["mediaType"], packed)]
    layout.name(layout.descriptor(found["mediaType"], encode(manifest)), NAME)
    return layout.tar()


def layer_climbs_out() -> bytes:
    """A hard link in the layer to a file of the host, through a symlink to its root."""
    climbing = [
        Entry("out", type=tarfile.SYMTYPE, linkname="/"),
        Entry("stolen", type=tarfile.LNKTYPE, linkname="out/../../../../../../etc/hostname"),
    ]
    return good(NAME, tar_of(climbing)).tar()


def other_platform() -> bytes:
    layout = Layout()
    layout.name(layout.image([LOWER], architecture=OTHER), NAME)
    return layout.tar()


def unknown_type() -> bytes:
    layout = good()
    layout.entries[0]["mediaType"] = "application/vnd.docker.distribution.manifest.v1+json"
    return layout.tar()


def unknown_layer_type() -> bytes:
    return good(compression="lzma").tar()


def no_image() -> bytes:
    return Layout().tar()


def no_archive() -> bytes:
    return tar_of([Entry("readme", b"hello")])


def no_layout_file() -> bytes:
    layout = good()
    del layout.files["oci-layout"]
    return layout.tar()


def unknown_layout_version() -> bytes:
    layout = good()
    layout.files["oci-layout"] = encode({"imageLayoutVersion": "2.0.0"})
    return layout.tar()


def huge_index() -> bytes:
    layout = good()
    layout.files["index.json"] = b'{"manifests": [' + b" " * 9_000_000 + b"]}"
    return layout.tar()


def deep_json() -> bytes:
    layout = good()
    layout.files["index.json"] = b'{"manifests": [], "x": ' + b"[" * 1_000_000
    return layout.tar()


def self_nesting() -> bytes:
    layout = Layout()
    entry = image(layout, LOWER)
    for _ in range(20):
        entry = layout.index(entry)
    layout.name(entry, NAME)
    return layout.tar()


def evil_name() -> bytes:
    return good("../../etc/passwd:x").tar()


def evil_tag() -> bytes:
    layout = Layout()
    layout.name(image(layout, LOWER), "", **{OCI_NAME: "x/\x1b[2J"})
    return layout.tar()


def two_images_one_name() -> bytes:
    layout = good()
    layout.name(image(layout, LOWER), NAME)
    return layout.tar()


def evil_digest() -> bytes:
    layout = good()
    layout.entries[0]["digest"] = "sha256:../../../../../../etc/passwd"
    return layout.tar()


def evil_algorithm() -> bytes:
    return tar_of([*good().members(), Entry("blobs/md5/d41d8cd98f00b204e9800998ecf8427e", b"")])


def outside_member() -> bytes:
    return tar_of([*good().members(), Entry("../../../kt-escaped", b"x")])


def absolute_member() -> bytes:
    return tar_of([*good().members(), Entry("/kt-escaped", b"x")])


def hard_link() -> bytes:
    return tar_of([*good().members(), Entry("hard", type=tarfile.LNKTYPE, linkname="index.json")])


def device() -> bytes:
    return tar_of([*good().members(), Entry("blobs/sda", type=tarfile.BLKTYPE)])


def index_twice() -> bytes:
    return tar_of([*good().members(), Entry("index.json", encode({"manifests": []}))])


def blob_twice() -> bytes:
    members = good().members()
    blob = next(member for member in members if member.name.startswith("blobs/"))
    return tar_of([*members, Entry(blob.name, b"other")])


def docker() -> list[Entry]:
    return docker_members([LOWER, UPPER], ["one:1"], architecture=HOST.architecture)


def docker_with(**changes: Any) -> bytes:
    members = docker()
    listed = json.loads(members[-1].data)
    listed[0].update(changes)
    return tar_of([*members[:-1], Entry("manifest.json", encode(listed))])


def docker_layer_twice() -> bytes:
    members = docker()
    layer = next(member for member in members if member.name.endswith("layer.tar"))
    return tar_of([*members, Entry(layer.name, b"other")])


def docker_link_and_file() -> bytes:
    members = docker()
    layer = next(member for member in members if member.name.endswith("layer.tar"))
    return tar_of([*members, Entry(layer.name, type=tarfile.SYMTYPE, linkname="../manifest.json")])


def docker_link_loop() -> bytes:
    members = docker()
    links = [Entry("a", type=tarfile.SYMTYPE, linkname="b"), Entry("b", type=tarfile.SYMTYPE, linkname="a")]
    listed = json.loads(members[-1].data)
    listed[0]["Layers"] = ["a", "b"]
    return tar_of([*members[:-1], *links, Entry("manifest.json", encode(listed))])


def docker_config_of_another_name() -> bytes:
    members = docker()
    listed = json.loads(members[-1].data)
    name = f"{'0' * 64}.json"
    listed[0]["Config"] = name
    return tar_of([Entry(name, members[0].data), *members[1:-1], Entry("manifest.json", encode(listed))])


def docker_layers_in_wrong_order() -> bytes:
    members = docker()
    listed = json.loads(members[-1].data)
    listed[0]["Layers"].reverse()
    return tar_of([*members[:-1], Entry("manifest.json", encode(listed))])


HOSTILE: dict[Callable[[], bytes], str] = {
    truncated: "it ends (inside|after)",
    truncated_between_members: "neither oci-layout nor manifest.json|ends|damaged",
    truncated_gzip: "ends in the middle",
    wrong_digest: "does not have the digest",
    wrong_size: "its descriptor says",
    wrong_layer_size: "bytes, not",
    missing_layer: "layer sha256:[0-9a-f]{64} is referred to, but not in it",
    missing_config: "is referred to, but not in it",
    missing_manifest: "is referred to, but not in it",
    wrong_diff_id: "its config says sha256:0000",
    layer_is_no_tar: "cannot unpack layer",
    layer_is_damaged_gzip: "cannot unpack layer",
    layer_climbs_out: "cannot unpack layer",
    other_platform: f"it is for linux/{OTHER}, not for linux/{HOST.architecture}",
    unknown_type: "the unknown type",
    unknown_layer_type: "the unknown type",
    no_image: "it lists no image",
    no_archive: "it is no image archive",
    no_layout_file: "no oci-layout file",
    unknown_layout_version: "unknown version '2.0.0'",
    huge_index: "'index.json' has .* bytes, the limit is",
    deep_json: "index.json is malformed",
    self_nesting: "nested more than",
    evil_name: "names an image '../../etc/passwd:x'",
    evil_tag: "names an image",
    two_images_one_name: "to two different images",
    evil_digest: "only sha256",
    evil_algorithm: "only sha256",
    outside_member: "points outside the archive",
    absolute_member: "points outside the archive",
    hard_link: "a hard link",
    device: "a block device",
    index_twice: "in it twice, with different content",
    blob_twice: "does not have the digest",
    docker_layer_twice: "in it twice",
    docker_link_and_file: "in it twice",
    docker_link_loop: "leads nowhere",
    docker_config_of_another_name: "the digest that its name promises",
    docker_layers_in_wrong_order: "its config says",
}
HOSTILE_DOCKER: dict[str, tuple[dict[str, Any], str]] = {
    "absolute": ({"Layers": ["/etc/passwd"]}, "points outside"),
    "climbing": ({"Config": "../../etc/passwd"}, "points outside"),
    "missing": ({"Config": "none.json"}, "refers to 'none.json', which is not in it"),
    "few": ({"Layers": []}, "0 layers, its config has 2"),
    "tags": ({"RepoTags": ["x/UPPER"]}, "names an image"),
    "types": ({"Layers": "x"}, "malformed"),
    "self": ({"Config": "manifest.json"}, "which is not in it"),
}


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__)
async def test_hostile_archive(namespace: Namespaced, make: Callable[[], bytes]) -> None:
    with pytest.raises(errors.InvalidArchive, match=HOSTILE[make]) as caught:
        await load(namespace, make())
    assert caught.value.kind == "InvalidArchive"
    assert str(caught.value).isprintable()
    assert str(caught.value).startswith("cannot ")
    assert await namespace.images.list() == ()
    assert await empty_after_collection(namespace)


@pytest.mark.parametrize("case", HOSTILE_DOCKER)
async def test_hostile_docker_archive(namespace: Namespaced, case: str) -> None:
    changes, words = HOSTILE_DOCKER[case]
    with pytest.raises(errors.InvalidArchive, match=words):
        await load(namespace, docker_with(**changes))
    assert await empty_after_collection(namespace)


async def test_damaged_copy_of_a_loaded_image_is_refused_too(namespace: Namespaced) -> None:
    """That the right blob is there already does not make wrong bytes right."""
    await load(namespace, good().tar())
    for make in (wrong_digest, missing_layer):
        with pytest.raises(errors.InvalidArchive):
            await load(namespace, make())
    assert [record.name for record in await namespace.images.list()] == [NAME]


async def test_nothing_of_several_images_when_one_is_wrong(namespace: Namespaced) -> None:
    layout = good()
    layout.name(image(layout, LOWER, diff_ids=[f"sha256:{'0' * 64}"]), "wrong:1")
    with pytest.raises(errors.InvalidArchive):
        await load(namespace, layout.tar())
    assert await empty_after_collection(namespace)


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
