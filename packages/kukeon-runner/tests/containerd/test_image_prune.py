"""Pruning images in a real containerd: what is freed, and what is kept."""

import dataclasses

import pytest
from loaded_images import LOWER, NAME, good, load

from kukeon_runner.host.containerd import prune
from kukeon_runner.host.containerd.client import Namespaced
from kukeon_runner.host.containerd.images import ImageRecord
from kukeon_runner.testing.archives import digest_of
from kukeon_runner.testing.containerd import PrivateContainerd

pytestmark = pytest.mark.host


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


async def test_prune_keeps_what_a_name_stands_for_since(
    namespace: Namespaced, containerd_process: PrivateContainerd
) -> None:
    """Somebody pulls the image anew, in between."""
    await load(namespace, good().tar())
    newer = "registry.invalid/newer:1"
    await load(namespace, good(newer, LOWER).tar())
    asked: list[str] = []

    def asked_twice(record: ImageRecord) -> bool:
        if record.name != NAME:
            return False
        asked.append(record.name)
        if len(asked) == 2:
            containerd_process.ctr("images", "tag", "--force", newer, NAME, namespace=namespace.name)
        return True

    done = await prune.prune(namespace, asked_twice, dry_run=False)
    assert (done.images, asked) == ((), [NAME, NAME])
    assert (await namespace.images.get(NAME)).target.digest == (await namespace.images.get(newer)).target.digest
