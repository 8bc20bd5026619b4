"""The verbs of `Runner` for images on this machine; containerd's client is the witness."""

from __future__ import annotations

import msgspec
import pytest
from runner_place import IMAGE, Place, realm

from kukeon_api import errors
from kukeon_runner.testing.archives import chunks_of

pytestmark = pytest.mark.host


@pytest.mark.exercises("Runner.load_image", "Runner.list_images", "Runner.get_image", "Runner.delete_image")
async def test_images_of_a_namespace(place: Place, archive: bytes) -> None:
    runner = place.runner
    await runner.create_realm(realm())
    assert await runner.list_images(place.namespace) == ()
    with pytest.raises(errors.ImageNotFound):
        await runner.get_image(place.namespace, IMAGE)
    assert await runner.load_image(place.namespace, chunks_of(archive)) == (IMAGE,)
    assert IMAGE in place.containerd.ctr("images", "ls", "-q", namespace=place.namespace).split()
    (listed,) = await runner.list_images(place.namespace)
    found = await runner.get_image(place.namespace, "busybox")
    # One is described in full, of many what a table shows.
    assert found.config is not None
    assert [layer.digest for layer in found.layers]
    assert msgspec.structs.replace(found, layers=(), config=None) == listed
    assert (found.name, found.size > 0, found.digest.startswith("sha256:")) == (IMAGE, True, True)
    with pytest.raises(errors.InvalidArchive):
        await runner.load_image(place.namespace, chunks_of(b"no archive"))
    await runner.delete_image(place.namespace, "busybox")
    assert IMAGE not in place.containerd.ctr("images", "ls", "-q", namespace=place.namespace).split()
    with pytest.raises(errors.ImageNotFound):
        await runner.delete_image(place.namespace, "busybox")
