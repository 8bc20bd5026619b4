"""What images say about themselves: documents, platforms and names, without a containerd."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_api import errors
from kukeon_runner.host.containerd import documents, inventory, reading, resolve
from kukeon_runner.host.containerd.archive import names
from kukeon_runner.host.containerd.platforms import Platform, host
from kukeon_runner.host.containerd.values import Descriptor
from kukeon_runner.testing.archives import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Layout, digest_of

DIGEST = f"sha256:{'a' * 64}"


def descriptor(media_type: str = OCI_LAYER, digest: str = DIGEST, size: int = 1) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def manifest(**changes: Any) -> bytes:
    document = {"schemaVersion": 2, "config": descriptor(OCI_CONFIG), "layers": [descriptor()]}
    return json.dumps({**document, **changes}).encode()


def test_chain_ids() -> None:
    """The worked example: each id hashes the one below and its layer's diff id."""
    first, second = digest_of(b"1"), digest_of(b"2")
    assert documents.chain_ids([]) == ()
    assert documents.chain_ids([first]) == (first,)
    assert documents.chain_ids([first, second]) == (first, digest_of(f"{first} {second}".encode()))


def test_config_as_docker_writes_it() -> None:
    data = json.dumps(
        {
            "architecture": "arm64",
            "os": "linux",
            "variant": "v8",
            "created": "2020-01-01T00:00:00Z",
            "config": {
                "User": "1000:10",
                "Env": ["PATH=/bin"],
                "Entrypoint": None,
                "Cmd": ["sh"],
                "WorkingDir": "/w",
                "StopSignal": "SIGINT",
                "Labels": {"b": "2", "a": "1"},
                "Volumes": {"/data": {}},
                "ExposedPorts": {"80/tcp": {}},
                "ArgsEscaped": True,
            },
            "rootfs": {"type": "layers", "diff_ids": [DIGEST]},
            "history": [{"created_by": "x"}],
        }
    ).encode()
    config = documents.parse_config(data, "the config")
    assert config == documents.ImageConfig(
        platform=Platform("linux", "arm64", "v8"),
        diff_ids=(DIGEST,),
        cmd=("sh",),
        env=("PATH=/bin",),
        working_dir="/w",
        user="1000:10",
        stop_signal="SIGINT",
        labels=(("a", "1"), ("b", "2")),
        volumes=("/data",),
        exposed_ports=("80/tcp",),
        built_at=datetime(2020, 1, 1, tzinfo=UTC),
    )
    assert config.chain_id == DIGEST


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "malformed"),
        (b"{", "malformed"),
        (b"[]", "malformed"),
        (b'{"config": 1}', "malformed"),
        (b"\xff\xfe", "malformed"),
        (b'{"x": ' + b"[" * 1_000_000, "malformed"),
        (manifest(layers="x"), "layers"),
        (manifest(config=descriptor("application/vnd.cncf.helm.config.v1+json")), "no container image"),
        (manifest(layers=[descriptor("text/html")]), "unknown type 'text/html'"),
        (manifest(layers=[descriptor(digest="sha256:abc")]), "only sha256"),
        (manifest(layers=[descriptor(digest="sha256:../../../../etc/passwd")]), "only sha256"),
        (manifest(layers=[descriptor(digest=f"sha512:{'a' * 128}")]), "only sha256"),
        (manifest(layers=[descriptor(digest=f"sha256:{'A' * 64}")]), "only sha256"),
        (manifest(layers=[descriptor(size=-1)]), "the size -1"),
        (manifest(layers=[descriptor(size=1 << 60)]), "the size"),
        (manifest(layers=[descriptor()] * 501), "501 layers"),
        (manifest(layers=[descriptor("text/" + "x" * 1_000_000)]), "a type of 1000005 characters"),
        (manifest(layers=[descriptor("text/\x1b[2J")]), "unknown type 'text/"),
        (manifest(manifests=[]), "both an index and a manifest"),
        (manifest(mediaType=OCI_INDEX), "both an index and a manifest"),
    ],
)
def test_refused_manifests(data: bytes, words: str) -> None:
    with pytest.raises(errors.InvalidArchive, match=words) as caught:
        documents.parse_manifest(data, "the manifest")
    assert "the manifest" in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1000


def test_refused_indexes() -> None:
    for data, words in (
        (b'{"manifests": null}', "malformed"),
        (json.dumps({"manifests": [descriptor(OCI_MANIFEST)] * 1001}).encode(), "1001 manifests"),
        (json.dumps({"manifests": [], "layers": []}).encode(), "both"),
        (json.dumps({"manifests": [platformed(descriptor(), "x" * 256, "amd64")]}).encode(), "an os of 256 characters"),
        (json.dumps({"manifests": [platformed(descriptor(), "linux", "a\x1b")]}).encode(), "architecture 'a.x1b'"),
    ):
        with pytest.raises(errors.InvalidArchive, match=words):
            documents.parse_index(data, "index.json")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for parse in (documents.parse_index, documents.parse_manifest, documents.parse_config):
        with pytest.raises(errors.InvalidArchive):
            parse(data, "it")


@pytest.mark.parametrize(
    ("image", "wanted", "misfit"),
    [
        ("linux/amd64", "linux/amd64", 0),
        ("linux/amd64/v1", "linux/amd64", 0),
        ("linux/amd64/v3", "linux/amd64", None),
        ("linux/arm64", "linux/arm64/v8", 0),
        ("linux/arm64/v9", "linux/arm64/v8", None),
        ("linux/arm/v6", "linux/arm/v7", 1),
        ("linux/arm", "linux/arm/v7", 0),
        ("linux/arm/v8", "linux/arm/v7", None),
        ("linux/arm/odd", "linux/arm/v7", None),
        ("windows/amd64", "linux/amd64", None),
        ("unknown/unknown", "linux/amd64", None),
        ("linux/arm64", "linux/amd64", None),
    ],
)
def test_platform_fit(image: str, wanted: str, misfit: int | None) -> None:
    assert Platform(*image.split("/")).misfit(Platform(*wanted.split("/"))) == misfit


def test_this_host_runs_its_own() -> None:
    assert host().misfit(host()) == 0


AMD64 = Platform("linux", "amd64")


def reader(layout: Layout, entry: dict[str, Any]) -> tuple[reading.ReadBlob, Descriptor]:
    async def read(descriptor: Descriptor) -> bytes:
        try:
            return layout.files[f"blobs/{descriptor.digest.replace(':', '/')}"]
        except KeyError:
            raise errors.NotFound(f"no blob {descriptor.digest}") from None

    return read, Descriptor(entry["mediaType"], entry["digest"], entry["size"])


async def found_in(layout: Layout, entry: dict[str, Any], platform: Platform = AMD64) -> resolve.Resolved:
    read, target = reader(layout, entry)
    return await resolve.resolve(target, platform, read)


def platformed(entry: dict[str, Any], os: str, architecture: str, variant: str = "") -> dict[str, Any]:
    return {**entry, "platform": {"os": os, "architecture": architecture, "variant": variant}}


async def test_nested_index_with_missing_platforms() -> None:
    layout = Layout()
    ours = layout.image([b"layer"])
    other = layout.image([b"other"], architecture="s390x")
    del layout.files[f"blobs/{other['digest'].replace(':', '/')}"]
    gone = layout.index(platformed(layout.image([b"z"], architecture="arm64"), "linux", "arm64"))
    del layout.files[f"blobs/{gone['digest'].replace(':', '/')}"]
    inner = layout.index(platformed(other, "linux", "s390x"), platformed(ours, "linux", "amd64"))
    outer = layout.index(gone, inner, platformed(descriptor(OCI_MANIFEST), "unknown", "unknown"))
    resolved = await found_in(layout, outer)
    assert resolved.descriptor.digest == ours["digest"]
    assert [index.digest for index, _ in resolved.indexes] == [outer["digest"], inner["digest"]]


async def test_best_variant_wins() -> None:
    layout = Layout()
    images = {v: layout.image([v.encode()], architecture="arm", variant=v) for v in ("v5", "v8", "v7", "v6")}
    index = layout.index(*(platformed(image, "linux", "arm", v) for v, image in images.items()))
    for wanted, got in (("v7", "v7"), ("v6", "v6"), ("v8", "v8")):
        resolved = await found_in(layout, index, Platform("linux", "arm", wanted))
        assert resolved.descriptor.digest == images[got]["digest"]


async def test_platform_from_the_config() -> None:
    layout = Layout()
    ours, other = layout.image([b"1"]), layout.image([b"2"], architecture="arm64", variant="v8")
    assert (await found_in(layout, layout.index(other, ours))).descriptor.digest == ours["digest"]
    with pytest.raises(resolve.NoPlatform, match=r"it is for linux/arm64/v8, not for linux/amd64") as caught:
        await found_in(layout, other)
    assert caught.value.kind == "InvalidArchive"
    with pytest.raises(resolve.NoPlatform):
        await found_in(layout, layout.index(platformed(other, "linux", "amd64")))


async def test_nothing_for_us() -> None:
    layout = Layout()
    index = layout.index(platformed(layout.image([], architecture="riscv64"), "linux", "riscv64"))
    with pytest.raises(resolve.NoPlatform, match="linux/riscv64"):
        await found_in(layout, index)
    with pytest.raises(resolve.NoPlatform, match="no platform at all"):
        await found_in(layout, layout.index())


async def test_missing_documents() -> None:
    layout = Layout()
    image = layout.image([b"x"])
    for name in [path for path in layout.files if path.startswith("blobs/") and b"rootfs" in layout.files[path]]:
        del layout.files[name]
    with pytest.raises(errors.NotFound):
        await found_in(layout, image)


async def test_index_that_contains_itself_cannot_be_but_a_deep_one_is_refused() -> None:
    layout = Layout()
    entry = layout.image([b"x"])
    for _ in range(20):
        entry = layout.index(entry)
    with pytest.raises(errors.InvalidArchive, match="nested more than 8 deep"):
        await found_in(layout, entry)


async def test_wide_index_is_refused() -> None:
    layout = Layout()
    images = [layout.image([str(i).encode()], architecture="arm64", variant="v8") for i in range(150)]
    with pytest.raises(errors.InvalidArchive, match="more than 200 documents"):
        await found_in(layout, layout.index(*images))


async def test_documents_made_to_fill_the_memory_are_refused() -> None:
    layout = Layout()
    padding = {"org.example.padding": "x" * 1_000_000}
    images = []
    for number in range(40):
        config = layout.descriptor(OCI_CONFIG, json.dumps({"rootfs": {"diff_ids": []}, "x": number}).encode())
        images.append(layout.descriptor(OCI_MANIFEST, manifest(config={**config, "annotations": padding}, layers=[])))
    read, target = reader(layout, layout.index(*images))
    with pytest.raises(errors.InvalidArchive, match="documents have more than 16777216 bytes"):
        await inventory.take(target, read)
    with pytest.raises(errors.InvalidArchive, match="documents have more than 16777216 bytes"):
        await resolve.resolve(target, AMD64, read)


async def test_more_parts_than_any_image_has_are_refused() -> None:
    layout = Layout()
    images = []
    for number in range(25):
        layers = [descriptor(digest=f"sha256:{500 * number + i:064x}") for i in range(500)]
        images.append(layout.descriptor(OCI_MANIFEST, manifest(layers=layers)))
    read, target = reader(layout, layout.index(*images))
    with pytest.raises(errors.InvalidArchive, match="more than 10000 parts"):
        await inventory.take(target, read)


async def test_wrong_size_and_wrong_count() -> None:
    layout = Layout()
    image = layout.image([b"x"])
    with pytest.raises(errors.InvalidArchive, match="its descriptor says"):
        await found_in(layout, {**image, "size": image["size"] + 1})
    with pytest.raises(errors.InvalidArchive, match="1 layers, its config has 2"):
        await found_in(layout, layout.image([b"x"], diff_ids=[DIGEST, DIGEST]))


@pytest.mark.parametrize(
    ("annotations", "name"),
    [
        ({names.CONTAINERD_NAME: "docker.io/library/a:1", names.OCI_NAME: "1"}, "docker.io/library/a:1"),
        ({names.OCI_NAME: "busybox:1"}, "docker.io/library/busybox:1"),
        ({names.OCI_NAME: "ghcr.io/x/y"}, "ghcr.io/x/y:latest"),
        ({names.OCI_NAME: "busybox"}, "docker.io/library/busybox:latest"),
        ({names.OCI_NAME: "latest"}, "localhost/import-aaaaaaaaaaaa:latest"),
        ({names.OCI_NAME: "v1.2-rc1"}, "localhost/import-aaaaaaaaaaaa:v1.2-rc1"),
        ({names.OCI_NAME: "3"}, "localhost/import-aaaaaaaaaaaa:3"),
        ({}, "localhost/import-aaaaaaaaaaaa:latest"),
    ],
)
def test_names(annotations: dict[str, str], name: str) -> None:
    assert names.name_of(annotations, DIGEST) == name
    assert names.normalise(name) == name


@pytest.mark.parametrize("name", ["../../etc/passwd:x", "x/UPPER:1", "a b", "x\x1b[2J:1", "x" * 5000, "a:b:c"])
def test_refused_names(name: str) -> None:
    with pytest.raises(errors.InvalidArchive) as caught:
        names.name_of({names.CONTAINERD_NAME: name}, DIGEST)
    assert "\x1b" not in str(caught.value)
