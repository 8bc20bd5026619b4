"""containerd's content store: blobs by digest."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import secrets
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask

from kukeon_api import errors
from kukeon_runner.host.containerd import documents, values
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb
from kukeon_runner.host.containerd.connection import Rpc, Scope
from kukeon_runner.host.containerd.writing import WRITE, Writing

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping
    from datetime import datetime

_SERVICE = "/containerd.services.content.v1.Content/"
INFO = Rpc(_SERVICE + "Info", pb.ContentInfoRequest, pb.ContentInfoResponse)
UPDATE = Rpc(_SERVICE + "Update", pb.UpdateContentRequest, pb.ContentInfoResponse)
LIST = Rpc(_SERVICE + "List", pb.ListContentRequest, pb.ListContentResponse)
DELETE = Rpc(_SERVICE + "Delete", pb.DeleteContentRequest, Empty)
READ = Rpc(_SERVICE + "Read", pb.ReadContentRequest, pb.ReadContentResponse)
LIST_INGESTS = Rpc(_SERVICE + "ListStatuses", pb.ListIngestsRequest, pb.ListIngestsResponse)
ABORT = Rpc(_SERVICE + "Abort", pb.AbortContentRequest, Empty)


@dataclasses.dataclass(frozen=True)
class BlobInfo:
    """A committed blob; size in bytes."""

    digest: str
    size: int
    created_at: datetime | None = None
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, message: pb.ContentInfo) -> BlobInfo:
        """Return the value of a message."""
        return cls(message.digest, message.size, values.time_of(message.created_at), dict(message.labels))


@dataclasses.dataclass(frozen=True)
class Content:
    """The blobs of one namespace."""

    scope: Scope

    async def info(self, digest: str) -> BlobInfo:
        """Return what is known of a blob, or raise NotFound."""
        answer = await self.scope.unary(INFO, pb.ContentInfoRequest(digest=digest), f"find blob {digest}")
        return BlobInfo.of(answer.info)

    async def exists(self, digest: str) -> bool:
        """Say whether the blob is there."""
        try:
            await self.info(digest)
        except errors.NotFound:
            return False
        return True

    async def read(self, digest: str, *, limit_bytes: int = documents.DOCUMENT_LIMIT_BYTES) -> bytes:
        """Return a whole blob.  Raises NotFound, or Invalid when it is larger than `limit_bytes`."""
        parts = []
        left = limit_bytes
        request = pb.ReadContentRequest(digest=digest)
        async with contextlib.aclosing(self.scope.stream(READ, request, f"read blob {digest}")) as answers:
            async for answer in answers:
                left -= len(answer.data)
                if left < 0:
                    raise errors.Invalid(f"cannot read blob {digest}: it has more than {limit_bytes} bytes")
                parts.append(answer.data)
        return b"".join(parts)

    async def stream(self, digest: str, size: int) -> AsyncGenerator[bytes, None]:
        """Yield a blob of `size` bytes in pieces, as fast as they are taken.  Raises NotFound; HostError when cut."""
        left = size
        request = pb.ReadContentRequest(digest=digest)
        # However long its reader takes: nobody else waits for this.
        async with contextlib.aclosing(
            self.scope.stream(READ, request, f"read blob {digest}", timeout_s=None)
        ) as answers:
            async for answer in answers:
                left -= len(answer.data)
                if answer.data:
                    yield answer.data
        if left:
            raise errors.HostError(f"cannot read blob {digest}: it has {size - left} bytes, not {size}")

    async def read_range(self, digest: str, offset: int, size: int) -> bytes:
        """Return up to `size` bytes from `offset` on; `size` is to be small and positive."""
        request = pb.ReadContentRequest(digest=digest, offset=offset, size=size)
        return b"".join([part.data async for part in self.scope.stream(READ, request, f"read blob {digest}")])

    async def list(self) -> tuple[BlobInfo, ...]:
        """Return every blob of the namespace."""
        found: list[BlobInfo] = []
        async for answer in self.scope.stream(LIST, pb.ListContentRequest(), "list blobs"):
            found.extend(BlobInfo.of(info) for info in answer.info)
        return tuple(found)

    async def set_labels(self, digest: str, labels: Mapping[str, str]) -> None:
        """Set these labels on a blob and leave its others alone."""
        request = pb.UpdateContentRequest(
            info=pb.ContentInfo(digest=digest, labels=dict(labels)),
            update_mask=FieldMask(paths=[f"labels.{key}" for key in labels]),
        )
        await self.scope.unary(UPDATE, request, f"label blob {digest}")

    async def delete(self, digest: str) -> bool:
        """Delete a blob; say whether it was there."""
        try:
            await self.scope.unary(DELETE, pb.DeleteContentRequest(digest=digest), f"delete blob {digest}")
        except errors.NotFound:
            return False
        return True

    async def ingests(self) -> tuple[str, ...]:
        """Return the refs of writes that were begun and not committed."""
        answer = await self.scope.unary(LIST_INGESTS, pb.ListIngestsRequest(), "list unfinished writes")
        return tuple(status.ref for status in answer.statuses)

    async def abort(self, ref: str) -> bool:
        """Drop an unfinished write; say whether it was there."""
        try:
            await self.scope.unary(ABORT, pb.AbortContentRequest(ref=ref), f"drop unfinished write {ref!r}")
        except errors.NotFound:
            return False
        return True

    async def write(self, data: bytes, *, labels: Mapping[str, str] | None = None) -> str:
        """Store a small blob and return its digest; one that is there already gets the labels."""

        async def once() -> AsyncIterator[bytes]:
            yield data

        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        await self.write_stream(once(), size=len(data), expected=digest)
        if labels:
            await self.set_labels(digest, labels)
        return digest

    async def write_stream(self, chunks: AsyncIterator[bytes], *, size: int, expected: str = "") -> str:
        """Store `size` bytes from `chunks` as one blob and return its digest.

        With `expected` (a digest) the blob must have it: Conflict when not, and nothing is stored.  A blob that is
        there already is fine; the source is then left where it was.  Chunks are to be at most a few MiB.
        """
        ref = f"kukeon-{secrets.token_hex(16)}"
        holding = self.scope.connection.holding
        holding.add((self.scope.namespace, ref))
        doing = f"write blob {expected or ref}"
        try:
            with self.scope.translated(WRITE, doing):
                blob = Writing(self.scope, ref, size, expected)
            try:
                with self.scope.translated(WRITE, doing):
                    await blob.begin()
                    # containerd offers what another namespace has of it; it is written over, and so checked.
                    blob.offset = 0
                    async for data in chunks:
                        await blob.write(data)
                    return await blob.commit()
            except errors.AlreadyExists:
                return expected
            except BaseException:
                # The unfinished write is under the lease too, but should not occupy the disk until that goes.
                await blob.end()
                with contextlib.suppress(errors.KukeonError):
                    await self.abort(ref)
                raise
            finally:
                blob.close()
        finally:
            holding.discard((self.scope.namespace, ref))
