"""Empties a namespace so that it can be deleted: containerd refuses while anything is left in it.

Order matters: leases first (they protect the rest), then images, snapshots from the leaves down, content, and a garbage
collection at the end, which takes what only the collector may remove.  Everything is idempotent: a second run after a
crash goes on where the first stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.containerd.snapshots import Snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_runner.host.containerd.client import Namespaced

PASSES_LIMIT = 32
"""Each pass removes at least the leaves; the collector and other clients may be at work at the same time."""


async def drain(namespaced: Namespaced, snapshotters: Sequence[str]) -> None:
    """Remove leases, images, snapshots (of all `snapshotters`) and content of a namespace.

    Raises Conflict while it has containers or tasks: stopping those is another's decision.
    """
    name = namespaced.name
    tasks = await namespaced.tasks.list()
    containers = await namespaced.containers.list()
    if tasks or containers:
        ids = sorted({task.id for task in tasks} | {container.id for container in containers})
        raise errors.Conflict(f"cannot empty namespace {name!r}: it still has containers: {', '.join(ids[:10])}")
    for lease in await namespaced.leases.list():
        await namespaced.leases.delete(lease.id)
    for image in await namespaced.images.list():
        try:
            await namespaced.images.delete(image.name)
        except errors.NotFound:
            continue
    for snapshotter in snapshotters:
        await _remove_snapshots(Snapshots(namespaced.scope, snapshotter))
    for ref in await namespaced.content.ingests():
        await namespaced.content.abort(ref)
    for blob in await namespaced.content.list():
        await namespaced.content.delete(blob.digest)
    await namespaced.leases.collect_garbage()


async def _remove_snapshots(snapshots: Snapshots) -> None:
    for _ in range(PASSES_LIMIT):
        left = await snapshots.list()
        if not left:
            return
        children: dict[str, list[str]] = {}
        for info in left:
            children.setdefault(info.parent, []).append(info.name)
        for name in _leaves_first([info.name for info in left], children):
            try:
                await snapshots.remove(name)
            except errors.Conflict:
                # Somebody put a child on it since we looked; the next pass sees it.
                continue
    names = ", ".join(info.name for info in left[:5])
    raise errors.Conflict(
        f"cannot empty namespace {snapshots.scope.namespace!r}: {len(left)} snapshots of {snapshots.snapshotter!r} "
        f"stay in use ({names})",
        hint="another client of containerd works in this namespace; stop it and try again",
    )


def _leaves_first(names: Sequence[str], children: dict[str, list[str]]) -> list[str]:
    """Return `names` so that every snapshot comes after all that stand on it."""
    order: list[str] = []
    done: set[str] = set()
    stack = [(name, False) for name in names]
    while stack:
        name, children_done = stack.pop()
        if children_done:
            order.append(name)
        elif name not in done:
            done.add(name)
            stack.append((name, True))
            stack.extend((child, False) for child in children.get(name, ()))
    return order
