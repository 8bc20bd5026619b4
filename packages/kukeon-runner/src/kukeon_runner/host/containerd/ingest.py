"""Writes of blobs that go on where an earlier one broke off: what came over a slow line is not thrown away."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.containerd import content
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb
from kukeon_runner.host.containerd.content import WRITE, WRITE_TIMEOUT_S, Content

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from kukeon_runner.host.containerd.connection import Scope

PIECE_BYTES = 1024 * 1024
"""What is sent at once: each message waits for the answer to the one before."""


def ref_of(digest: str) -> str:
    """Return the name under which containerd keeps what came of a blob so far."""
    return f"kukeon-{digest}"


async def write(scope: Scope, digest: str, size: int, source: Callable[[int], AsyncGenerator[bytes, None]]) -> None:
    """Store the blob `digest` of `size` bytes; `source` gives its bytes from an offset on.

    One writer at a time in this namespace.  When `source` fails, or this is cancelled, what came is kept for the next
    write; when the content is not what its digest says (Conflict), it is dropped.
    """
    ref, doing = ref_of(digest), f"write blob {digest}"
    scope.connection.holding.add((scope.namespace, ref))
    try:
        await _write(scope, ref, doing, digest, size, source)
    except errors.AlreadyExists:
        return
    except errors.Conflict:
        with contextlib.suppress(errors.KukeonError):
            await Content(scope).abort(ref)
        raise
    finally:
        scope.connection.holding.discard((scope.namespace, ref))


async def _write(
    scope: Scope, ref: str, doing: str, digest: str, size: int, source: Callable[[int], AsyncGenerator[bytes, None]]
) -> None:
    # What is unfinished under a lease is dropped with it; without one it stays for a day, whatever becomes of us.
    headers = dataclasses.replace(scope, lease="").headers
    with scope.translated(WRITE, doing):
        call = scope.connection.method(WRITE, "stream_stream")(timeout=WRITE_TIMEOUT_S, metadata=headers)
    begun, offset = False, 0
    try:
        with scope.translated(WRITE, doing):

            async def ask(action: pb.WriteAction, data: bytes = b"") -> int:
                with contextlib.suppress(asyncio.InvalidStateError):  # ended already: reading says why
                    await call.write(
                        pb.WriteContentRequest(
                            action=action, ref=ref, total=size, expected=digest, offset=offset, data=data
                        )
                    )
                answer = await call.read()
                if not isinstance(answer, pb.WriteContentResponse):
                    raise errors.HostError("cannot write a blob: containerd ended the call without an answer")
                return int(answer.offset)

            offset = await ask(pb.STAT)
            begun = True
            if offset > size:
                raise errors.Conflict(f"cannot {doing}: more of it was kept than it has")
            if offset < size:
                async with contextlib.aclosing(source(offset)) as pieces:
                    async for data in pieces:
                        await ask(pb.WRITE, data)
                        offset += len(data)
            await ask(pb.COMMIT)
    except BaseException:
        # Another write of it finds it locked until containerd has let go.
        await content.end(call)
        if begun and not offset:
            with contextlib.suppress(errors.KukeonError):  # it is gone already, or containerd is
                await Content(scope).abort(ref)
        raise
    finally:
        call.cancel()
