"""Removes images that nobody uses, and tells what that frees: content and snapshots that no other image needs."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.containerd import documents, inventory
from kukeon_runner.host.containerd.leases import PURPOSE_LABEL
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from kukeon_runner.host.containerd.client import Namespaced
    from kukeon_runner.host.containerd.images import ImageRecord
    from kukeon_runner.host.containerd.values import Descriptor

    Bytes = dict[tuple[str, str], int]
    """(what it is, its name) -> what it occupies on disk."""

CONTENT, SNAPSHOT = "content", "snapshot"


@dataclasses.dataclass(frozen=True)
class Removed:
    """An image that was removed, or would be; `size_bytes` is what that frees and no earlier one of the list does."""

    record: ImageRecord
    size_bytes: int


@dataclasses.dataclass(frozen=True)
class Pruned:
    """What was removed, or would be, and the bytes that are free again."""

    images: tuple[Removed, ...]
    reclaimed_bytes: int


async def prune(within: Namespaced, removable: Callable[[ImageRecord], bool], *, dry_run: bool) -> Pruned:
    """Remove the images that `removable` tells, which is asked again right before each goes; garbage goes in any case.

    An image that some container's record names stays.  Nothing of a load or pull under way is touched.
    """
    if not dry_run:
        await clear(within)
        await within.leases.collect_garbage()
    named = {container.image for container in await within.containers.list()}
    records = await within.images.list()
    chosen = [record for record in records if record.name not in named and removable(record)]
    stays = [record for record in records if record not in chosen]
    blobs = {blob.digest: blob.size for blob in await within.content.list()}
    needed: set[tuple[str, str]] = set()
    for record in stays:
        needed.update((await _parts(within, record, blobs)).keys())
    needed |= await _in_use(within)
    found: list[Removed] = []
    freed: Bytes = {}
    for record in chosen:
        own = {key: size for key, size in (await _parts(within, record, blobs)).items() if key not in needed}
        sized = await _measured(within, own)
        if not dry_run and not await _removed(within, record, removable):
            needed.update(own)
            continue
        needed.update(own)
        freed |= sized
        found.append(Removed(record, sum(sized.values())))
    if found and not dry_run:
        await within.leases.collect_garbage()
        freed = await _gone(within, freed)
    return Pruned(tuple(found), sum(freed.values()))


async def clear(within: Namespaced, keeping: Collection[str] = ()) -> None:
    """Drop unfinished writes, but those called `keeping`, and leases of ours that nobody is at work with."""
    holding = within.scope.connection.holding
    for lease in await within.leases.list():
        if PURPOSE_LABEL in lease.labels and (within.name, lease.id) not in holding:
            await within.leases.delete(lease.id)
    for ref in await within.content.ingests():
        if ref.startswith("kukeon-") and (within.name, ref) not in holding and ref not in keeping:
            # What containerd cannot drop now is in nobody's way, and dropped the next time.
            with contextlib.suppress(errors.HostError, errors.Unavailable):
                await within.content.abort(ref)


async def _removed(within: Namespaced, record: ImageRecord, removable: Callable[[ImageRecord], bool]) -> bool:
    if not removable(record):
        return False
    now = await within.images.find(record.name)
    if now is None or now.target.digest != record.target.digest:
        return False  # a pull or a load has moved the name meanwhile: it is not this one that was asked about
    try:
        await within.images.delete(record.name)
    except errors.NotFound:
        return False
    return True


async def _parts(within: Namespaced, record: ImageRecord, blobs: Mapping[str, int]) -> Bytes:
    """Return everything that is there of an image; snapshots are not measured yet."""

    async def read(descriptor: Descriptor) -> bytes:
        return await within.content.read(descriptor.digest)

    found: Bytes = {}
    try:
        image = await inventory.take(record.target, read, blobs)
    except (errors.NotFound, errors.Invalid):
        # Damaged: what can be told is that the target itself is part of it.
        return _content((record.target.digest,), blobs)
    for variant in image.variants:
        found |= _content((variant.descriptor.digest, *(part.digest for part in variant.parts)), blobs)
        if variant.config:
            found |= {(SNAPSHOT, chain_id): 0 for chain_id in documents.chain_ids(variant.config.diff_ids)}
    return found | _content((index.descriptor.digest for index in image.indexes), blobs)


def _content(digests: Iterable[str], blobs: Mapping[str, int]) -> Bytes:
    return {(CONTENT, digest): blobs[digest] for digest in digests if digest in blobs}


async def _in_use(within: Namespaced) -> set[tuple[str, str]]:
    """Return the snapshots below those that containers have, which stay whatever becomes of images."""
    parents = {info.name: info.parent for info in await within.snapshots.list()}
    used = set()
    for container in await within.containers.list():
        name = parents.get(container.snapshot_key, "")
        while name and (SNAPSHOT, name) not in used:
            used.add((SNAPSHOT, name))
            name = parents.get(name, "")
    return used


async def _measured(within: Namespaced, parts: Bytes) -> Bytes:
    """Return `parts` with the sizes of the snapshots that exist."""

    async def measure(name: str) -> int:
        try:
            return (await within.snapshots.usage(name)).size_bytes
        except errors.NotFound:
            return 0

    names: Sequence[str] = [name for what, name in parts if what == SNAPSHOT]
    sizes = dict(zip(names, await together(*map(measure, names)), strict=True))
    return {key: sizes.get(key[1], 0) if key[0] == SNAPSHOT else size for key, size in parts.items()}


async def _gone(within: Namespaced, parts: Bytes) -> Bytes:
    """Return those of `parts` that are not there any more."""
    there = {(CONTENT, blob.digest) for blob in await within.content.list()}
    there |= {(SNAPSHOT, info.name) for info in await within.snapshots.list()}
    return {key: size for key, size in parts.items() if key not in there}
