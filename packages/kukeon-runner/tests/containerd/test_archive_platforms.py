"""Loading images that are for several platforms: what is taken of them."""

from pathlib import Path
from typing import Any

import pytest
from loaded_images import FILES, HOST, LOWER, NAME, OTHER, UPPER, empty_after_collection, files_of, good, image, load

from kukeon_api import errors, model
from kukeon_runner.host.containerd import describe
from kukeon_runner.host.containerd.archive import import_archive
from kukeon_runner.host.containerd.client import Containerd, Namespaced
from kukeon_runner.host.images import LinuxImages
from kukeon_runner.testing.archives import Layout, chunks_of, encode, path_of

pytestmark = pytest.mark.host


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


async def test_what_a_container_cannot_be_made_from_is_told_by_its_name(namespace: Namespaced) -> None:
    layout = Layout()
    layout.name(layout.image([LOWER], architecture=OTHER), NAME)
    await import_archive(namespace, chunks_of(layout.tar()), f"linux/{OTHER}")
    with pytest.raises(errors.InvalidArchive) as caught:
        await namespace.resolve(NAME)
    assert caught.value.message == f"cannot use image {NAME!r}: it is for linux/{OTHER}, not for {HOST}"
    assert str(HOST) in caught.value.hint
    assert "save" not in caught.value.hint


async def test_what_is_known_of_an_image_is_known_of_its_realm_alone(
    namespace: Namespaced, containerd: Containerd
) -> None:
    """The same name and digest can be whole in one realm, and for another platform only in the next."""
    images = LinuxImages(containerd)
    archive = for_two()[0].tar()
    await import_archive(namespace, chunks_of(archive))
    chain_id = (await images.find(namespace.name, NAME)).chain_id
    other = containerd.with_namespace(f"{namespace.name}-other")
    await containerd.create_namespace(other.name)
    await import_archive(other, chunks_of(archive), f"linux/{OTHER}")
    await other.leases.collect_garbage()
    with pytest.raises(errors.ImageNotFound, match="part of its content is missing"):
        await images.find(other.name, NAME)
    await containerd.drain_namespace(other.name)
    await containerd.delete_namespace(other.name)
    # And of one that came again as another platform's alone.
    await images.delete(namespace.name, NAME)
    await import_archive(namespace, chunks_of(archive), f"linux/{OTHER}")
    await namespace.leases.collect_garbage()
    with pytest.raises(errors.ImageNotFound, match="part of its content is missing"):
        await images.find(namespace.name, NAME)
    await import_archive(namespace, chunks_of(archive))
    assert (await images.find(namespace.name, NAME)).chain_id == chain_id
