"""Unpacks an image's layers into a chain of committed snapshots, one per layer, shared between images."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import secrets
from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_runner.host.containerd import documents

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Sequence

    from kukeon_runner.host.containerd.client import Namespaced
    from kukeon_runner.host.containerd.values import Descriptor, Mount

    Ready = Callable[[Descriptor], Awaitable[None]]

REF_LABEL = "containerd.io/snapshot.ref"
UNCOMPRESSED_LABEL = "containerd.io/uncompressed"

BOMB_RATIO = 200
"""Layers of programs and text pack five to one; gzip does a thousand to one at most, with nothing but zeros."""
BOMB_BYTES = 4 * 1024 * 1024 * 1024
"""What any layer may unpack to, however small it is."""
BOMB_FILES = 1_000_000
"""And how many files it may have, which fill a disk without taking any of its blocks."""
BOMB_FILE_BYTES = 500
"""What a file takes of a layer with more of them: the header alone has a name, an owner and a time."""
BOMB_LOOK_S = 1.0

# What containerd's words hold when a layer could not be unpacked because of this host, not because of the layer.
_HOST_TROUBLE = (
    "no space left",
    "disk quota exceeded",
    "input/output error",
    "read-only file system",
    "too many open files",
    "cannot allocate memory",
    "failed to mount",
)


async def unpack(
    leased: Namespaced, layers: Sequence[Descriptor], diff_ids: Sequence[str], ready: Ready | None = None
) -> str:
    """Make sure that the snapshot with all `layers` exists and return its name (the chain id; "" without layers).

    `leased` must hold a lease: everything made or found here is protected by it.  Each unpacked layer is checked
    against its diff id; InvalidArchive when it differs.  Two unpackings of one chain at once are both right: the
    second to commit takes the first one's snapshot.  `ready` is awaited before a layer is unpacked: it may be coming.
    """
    chain = documents.chain_ids(diff_ids)
    parent = ""
    for layer, diff_id, chain_id in zip(layers, diff_ids, chain, strict=True):
        if not await _have(leased, chain_id):
            if ready is not None:
                await ready(layer)
            await _unpack_layer(leased, layer, diff_id, parent, chain_id)
        with contextlib.suppress(errors.NotFound):
            # Unpacked earlier, the layer itself need not be there any more.
            await leased.content.set_labels(layer.digest, {UNCOMPRESSED_LABEL: diff_id})
        parent = chain_id
    return parent


async def _have(leased: Namespaced, chain_id: str) -> bool:
    """Say whether the snapshot exists, and if so keep it: it is put under the lease first, then looked for."""
    await leased.leases.add(leased.lease_id, f"snapshots/{leased.snapshotter}", chain_id)
    return await leased.snapshots.exists(chain_id)


async def _unpack_layer(leased: Namespaced, layer: Descriptor, diff_id: str, parent: str, chain_id: str) -> None:
    key = f"extract-{secrets.token_hex(8)} {chain_id}"
    try:
        mounts = await leased.snapshots.prepare(key, parent, {REF_LABEL: chain_id})
    except errors.AlreadyExists:
        # A remote snapshotter answers so when it has the layer itself.
        if await leased.snapshots.exists(chain_id):
            return
        raise
    try:
        applied = await _within_bounds(leased, layer, key, _apply(leased, layer, mounts))
        if applied.digest != diff_id:
            raise errors.InvalidArchive(
                f"cannot use the image: layer {layer.digest} unpacks to {applied.digest}, its config says {diff_id}"
            )
        await leased.snapshots.commit(chain_id, key)
    except BaseException as error:
        with contextlib.suppress(errors.KukeonError):
            await leased.snapshots.remove(key)
        if isinstance(error, errors.AlreadyExists) and await leased.snapshots.exists(chain_id):
            return
        raise


async def _within_bounds(
    leased: Namespaced, layer: Descriptor, key: str, applying: Coroutine[Any, Any, Descriptor]
) -> Descriptor:
    """Return what `applying` returns, but end it when the snapshot grows as no honest layer does: it is a bomb.

    Raises InvalidArchive then.
    """
    task = asyncio.create_task(applying, name="unpack")
    limit_bytes = max(BOMB_BYTES, BOMB_RATIO * layer.size)
    limit_files = max(BOMB_FILES, layer.size // BOMB_FILE_BYTES)
    try:
        while not (await asyncio.wait({task}, timeout=BOMB_LOOK_S))[0]:
            try:
                used = await leased.snapshots.usage(key)
            except errors.KukeonError:
                continue  # files come and go while they are counted; the next look tells
            if used.size_bytes > limit_bytes:
                raise _bomb(layer, str(limit_bytes))
            if used.inodes > limit_files:
                raise _bomb(layer, f"{limit_files} files")
        return await task
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task})


def _bomb(layer: Descriptor, limit: str) -> errors.InvalidArchive:
    return errors.InvalidArchive(
        f"cannot use the image: layer {layer.digest} of {layer.size} bytes unpacks to more than {limit}: it is made to"
        " fill the disk",
        hint="if you trust the image, have its layers packed less tightly",
    )


async def _apply(leased: Namespaced, layer: Descriptor, mounts: Sequence[Mount]) -> Descriptor:
    if layer.media_type == documents.DOCKER_ZSTD_LAYER:
        # containerd 1.6 unpacks zstd under the OCI name of the type only.
        layer = dataclasses.replace(layer, media_type=documents.ZSTD_LAYER)
    try:
        return await leased.diff.apply(layer, mounts)
    except (errors.HostError, errors.Invalid, errors.Unsupported) as error:
        words = error.message.lower()
        if any(trouble in words for trouble in _HOST_TROUBLE):
            raise errors.HostError(error.message, hint="free disk space or check the disk, then load again") from error
        raise errors.InvalidArchive(f"cannot use the image: {error.message}") from error
