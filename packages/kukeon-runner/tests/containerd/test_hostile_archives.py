"""Loading archives that are damaged or made to do harm: each is told, and leaves nothing."""

import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest
from loaded_images import HOST, LOWER, NAME, OTHER, UPPER, empty_after_collection, good, image, load

from kukeon_api import errors
from kukeon_runner.host.containerd import unpack
from kukeon_runner.host.containerd.client import Namespaced
from kukeon_runner.testing.archives import OCI_NAME, Entry, Layout, compress, docker_members, encode, path_of, tar_of

pytestmark = pytest.mark.host


async def test_a_layer_that_is_a_bomb(namespace: Namespaced, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "BOMB_BYTES", 10_000_000)
    monkeypatch.setattr(unpack, "BOMB_LOOK_S", 0.02)
    bomb = tar_of([Entry("zeros", bytes(400_000_000))])
    with pytest.raises(errors.InvalidArchive, match="made to fill the disk"):
        await load(namespace, good(NAME, LOWER, bomb).tar())
    assert await empty_after_collection(namespace)


# What is wrong -> how an archive becomes so, and the words that say it.
async def test_a_layer_that_is_a_bomb_of_names(namespace: Namespaced, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty files take no blocks, but each an inode, of which a file system has so many."""
    monkeypatch.setattr(unpack, "BOMB_FILES", 1000)
    monkeypatch.setattr(unpack, "BOMB_LOOK_S", 0.02)
    bomb = tar_of([Entry(f"{number}", b"") for number in range(40_000)])
    with pytest.raises(errors.InvalidArchive, match=r"more than \d+ files"):
        await load(namespace, good(NAME, LOWER, bomb).tar())
    assert await empty_after_collection(namespace)


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
