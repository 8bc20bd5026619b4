"""Pulling into a real containerd, from a registry that we serve."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import TYPE_CHECKING

import pytest
from loaded_images import LOWER, UPPER, empty_after_collection, image

from kukeon_api import errors, image_ref
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.host.transfer import pull
from kukeon_runner.host.transfer.progress import Progress
from kukeon_runner.locks import KeyedLock
from kukeon_runner.testing.archives import Layout, path_of
from kukeon_runner.testing.registry import Call, Reply, ServedRegistry, served_registry

if TYPE_CHECKING:
    from kukeon_runner.host.containerd.client import Namespaced

pytestmark = pytest.mark.host


async def pulled(namespace: Namespaced, ref: str) -> pull.Pulled:
    async with Registry() as registry:
        return await pull.pull(namespace, registry, image_ref.parse(ref), "", Progress(), KeyedLock())


def serve(served: ServedRegistry) -> tuple[bytes, str]:
    """Have an image at team/app:1; return its manifest, and the digest."""
    layout = Layout()
    made = image(layout, LOWER, UPPER)
    for name, data in layout.files.items():
        if name.startswith("blobs/"):
            served.add_blob(data)
    manifest = layout.files[path_of(made["digest"])]
    served.add_manifest("team/app", "1", manifest)
    return manifest, made["digest"]


async def test_an_image_comes_and_is_the_same_the_second_time(namespace: Namespaced) -> None:
    async with served_registry() as served:
        _, digest = serve(served)
        name = f"{served.address}/team/app:1"
        first, second = await pulled(namespace, name), await pulled(namespace, name)
    assert (first.digest, first.changed, second) == (digest, True, pull.Pulled(digest, first.size_bytes, False))


async def test_a_digest_that_cannot_be_stored_is_told_as_such(namespace: Namespaced) -> None:
    """containerd knows blobs by sha256."""
    async with served_registry() as served:
        manifest, _ = serve(served)
        digest = f"sha512:{hashlib.sha512(manifest).hexdigest()}"
        served.manifests["team/app", digest] = served.manifests["team/app", "1"]
        served.behaviour = lambda call, _: _with_digest(served, call, digest)
        with pytest.raises(errors.InvalidArchive, match="only sha256"):
            await pulled(namespace, f"{served.address}/team/app@{digest}")
    assert await empty_after_collection(namespace)


def _with_digest(served: ServedRegistry, call: Call, digest: str) -> Reply:
    reply = served.answer(call)
    return dataclasses.replace(reply, headers={**reply.headers, "Docker-Content-Digest": digest})
