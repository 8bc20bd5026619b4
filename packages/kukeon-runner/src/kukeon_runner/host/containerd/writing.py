"""One open Write call of the content store: each message waits for the answer to the one before.

A message sent into a call that containerd has just ended makes gRPC forget why it was ended ("Internal error from
Core").
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import grpc.aio

from kukeon_api import errors
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb
from kukeon_runner.host.containerd.connection import Rpc

if TYPE_CHECKING:
    from kukeon_runner.host.containerd.connection import Scope

WRITE = Rpc("/containerd.services.content.v1.Content/Write", pb.WriteContentRequest, pb.WriteContentResponse)

ANSWER_S = 300.0
"""How long containerd may take for a piece, and at the end for having the blob on disk.

The call as a whole lasts as long as its source feeds it, which may be a slow client or a slow line.
"""

END_TIMEOUT_S = 10.0
"""How long containerd may take to end a write that is given up."""


class Writing:
    """A blob of `size` bytes on its way under the name `ref`; with `expected` (a digest) it has to have it."""

    def __init__(self, scope: Scope, ref: str, size: int, expected: str) -> None:
        """Open the call; raises what the call would fail of, see `Connection`."""
        self._ref = ref
        self._size = size
        self._expected = expected
        self._call = scope.connection.method(WRITE, "stream_stream")(timeout=None, metadata=scope.headers)
        self.offset = 0
        """What of it is there."""
        self.asking = False
        """Whether an answer is due, so that what goes wrong is containerd's."""

    async def begin(self) -> None:
        """Find out how much of it is there already."""
        self.offset = (await self._ask(pb.STAT)).offset

    async def write(self, data: bytes) -> None:
        """Add to it; `data` is to be at most a few MiB."""
        await self._ask(pb.WRITE, data)
        self.offset += len(data)

    async def commit(self) -> str:
        """Store it and return its digest.  Raises Conflict when it is not as expected."""
        digest: str = (await self._ask(pb.COMMIT)).digest
        return digest

    async def end(self) -> None:
        """End the call and wait until containerd has let go of the blob; only then can it be dropped.

        A cancelled call may still be at work there, or even be about to begin.
        """
        with contextlib.suppress(grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError, TimeoutError):
            async with asyncio.timeout(END_TIMEOUT_S):
                await self._call.done_writing()
                while isinstance(await self._call.read(), pb.WriteContentResponse):
                    pass

    def close(self) -> None:
        """Let go of the call; after `commit` and `end` there is nothing left of it."""
        self._call.cancel()

    async def _ask(self, action: pb.WriteAction, data: bytes = b"") -> pb.WriteContentResponse:
        self.asking = True
        request = pb.WriteContentRequest(
            action=action, ref=self._ref, total=self._size, expected=self._expected, offset=self.offset, data=data
        )
        try:
            async with asyncio.timeout(ANSWER_S):
                with contextlib.suppress(asyncio.InvalidStateError):  # ended already: reading says why
                    await self._call.write(request)
                answer = await self._call.read()
        except TimeoutError as error:
            raise errors.TimedOut(
                f"cannot write a blob: containerd gave no answer for {ANSWER_S:g} s",
                hint="containerd is busy or stuck; its log says more",
            ) from error
        if not isinstance(answer, pb.WriteContentResponse):
            raise errors.HostError("cannot write a blob: containerd ended the call without an answer")
        self.asking = False
        return answer
