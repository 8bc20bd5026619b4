"""Writes of blobs that go on where an earlier one broke off: what came over a slow line is not thrown away."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.containerd.content import Content
from kukeon_runner.host.containerd.writing import WRITE, Writing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from kukeon_runner.host.containerd.connection import Scope

log = logging.getLogger(__name__)

PIECE_BYTES = 1024 * 1024
"""What is sent at once: each message waits for the answer to the one before."""


def ref_of(digest: str) -> str:
    """Return the name under which containerd keeps what came of a blob so far."""
    return f"kukeon-{digest}"


async def write(scope: Scope, digest: str, size: int, source: Callable[[int], AsyncGenerator[bytes, None]]) -> None:
    """Store the blob `digest` of `size` bytes; `source` gives its bytes from an offset on.

    One writer at a time in this namespace.  When `source` fails, or this is cancelled, what came is kept for the next
    write; when the content is not what its digest says (Conflict), or this host does not take it (HostError), it is
    dropped.  What an earlier write left may be anybody's: if it is wrong, all is asked for anew, once.
    """
    ref, doing = ref_of(digest), f"write blob {digest}"
    scope.connection.holding.add((scope.namespace, ref))
    try:
        # Whether it goes on there is containerd's to say: where it does not, what is kept is in the way.
        kept = ref in await Content(scope).ingests()
        if not await _write(scope, ref, doing, digest, size, source, last=not kept):
            log.info("What was kept of %s was not its beginning; fetching it anew", digest)
            await _write(scope, ref, doing, digest, size, source, last=True)
    except errors.AlreadyExists:
        return
    finally:
        scope.connection.holding.discard((scope.namespace, ref))


async def _write(
    scope: Scope,
    ref: str,
    doing: str,
    digest: str,
    size: int,
    source: Callable[[int], AsyncGenerator[bytes, None]],
    *,
    last: bool,
) -> bool:
    """Say whether the blob is stored; unless this is the `last` try, it is not when its content was wrong."""
    # What is unfinished under a lease is dropped with it; without one it stays for a day, whatever becomes of us.
    unleased = dataclasses.replace(scope, lease="")
    with scope.translated(WRITE, doing):
        blob = Writing(unleased, ref, size, digest)
    begun = False
    try:
        with scope.translated(WRITE, doing):
            await blob.begin()
            begun = True
            if blob.offset > size:
                raise errors.Conflict(f"cannot {doing}: more of it was kept than it has")
            if blob.offset < size:
                async with contextlib.aclosing(source(blob.offset)) as pieces:
                    async for data in pieces:
                        await blob.write(data)
            await blob.commit()
    except BaseException as error:
        # Another write of it finds it locked until containerd has let go.
        await blob.end()
        wrong = isinstance(error, errors.Conflict)
        # What this host does not take is most often too much: kept, it would fill the disk.
        if begun and (wrong or not blob.offset or (blob.asking and isinstance(error, errors.HostError))):
            with contextlib.suppress(errors.KukeonError):  # it is gone already, or containerd is
                await Content(scope).abort(ref)
        if wrong and begun and not last:
            return False
        raise
    finally:
        blob.close()
    return True
