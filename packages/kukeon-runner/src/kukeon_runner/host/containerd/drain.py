"""Empties a namespace so that it can be deleted: containerd refuses while anything is left in it.

Leases go first (they protect the rest), then images; then the garbage collector takes whatever they held.  What stays
is what somebody labelled to be kept: it is removed by hand, snapshots from the leaves down, and collected again.
Everything is idempotent: a second run after a crash goes on where the first stopped.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.containerd.snapshots import SnapshotInfo, Snapshots

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_runner.host.containerd.client import Namespaced
    from kukeon_runner.host.containerd.content import Content

PASSES_LIMIT = 8
"""The second pass finds nothing, unless another client is at work in the namespace at the same time."""


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
    every = [Snapshots(namespaced.scope, snapshotter) for snapshotter in snapshotters]
    for _ in range(PASSES_LIMIT):
        await namespaced.leases.collect_garbage()
        left = [info.name for snapshots in every for info in await _remove(snapshots)]
        left += await _remove_content(namespaced.content)
        if not left:
            return
    raise errors.Conflict(
        f"cannot empty namespace {name!r}: {len(left)} snapshots and blobs come back or stay in use: {left[0]}, ...",
        hint="another client of containerd works in this namespace; stop it and try again",
    )


async def _remove_content(content: Content) -> list[str]:
    """Remove every blob and unfinished write, and return what was there."""
    refs = list(await content.ingests())
    for ref in refs:
        # One that is being written to this moment fails half-way; seen again on the next pass.
        with contextlib.suppress(errors.HostError):
            await content.abort(ref)
    blobs = [blob.digest for blob in await content.list()]
    for digest in blobs:
        await content.delete(digest)
    return refs + blobs


async def _remove(snapshots: Snapshots) -> tuple[SnapshotInfo, ...]:
    """Remove every snapshot that can be removed, give the others to the collector, and return what was there."""
    found = await snapshots.list()
    children: dict[str, list[str]] = {}
    for info in found:
        children.setdefault(info.parent, []).append(info.name)
    for name in _leaves_first([info.name for info in found], children):
        try:
            await snapshots.remove(name)
        except errors.Conflict:
            # A child that only containerd's bookkeeping remembers, or one made since we looked.
            with contextlib.suppress(errors.NotFound):
                await snapshots.clear_labels(name)
    return found


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
