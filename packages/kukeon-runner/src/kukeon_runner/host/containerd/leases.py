"""Leases: what is made under one is safe from the garbage collector until the lease goes or expires.

Without one the collector removes a snapshot between Prepare and Create.  Each lease expires, so a process that dies
leaves nothing behind for ever, and carries our label, so the next start can drop it at once.
"""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from kukeon_api import errors
from kukeon_runner.host.containerd import values
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb
from kukeon_runner.host.containerd.connection import Rpc, Scope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

_SERVICE = "/containerd.services.leases.v1.Leases/"
CREATE = Rpc(_SERVICE + "Create", pb.CreateLeaseRequest, pb.CreateLeaseResponse)
DELETE = Rpc(_SERVICE + "Delete", pb.DeleteLeaseRequest, Empty)
LIST = Rpc(_SERVICE + "List", pb.ListLeasesRequest, pb.ListLeasesResponse)
ADD_RESOURCE = Rpc(_SERVICE + "AddResource", pb.LeaseResourceRequest, Empty)
LIST_RESOURCES = Rpc(_SERVICE + "ListResources", pb.ListLeaseResourcesRequest, pb.ListLeaseResourcesResponse)

PURPOSE_LABEL = "kukeon.io/lease"
EXPIRE_LABEL = "containerd.io/gc.expire"
"""RFC 3339 time after which the collector drops the lease itself (containerd, docs/garbage-collection.md)."""

DEFAULT_EXPIRY_S = 3600.0
TRANSFER_EXPIRY_S = 24 * 3600.0
"""Leases can't be renewed, and images come and go as fast as a line is, or whoever sends or takes them."""
SYNC_TIMEOUT_S = 300.0
"""A synchronous deletion waits for a whole collection, which removes snapshot trees from the disk."""


@dataclasses.dataclass(frozen=True)
class LeaseRecord:
    """A lease as containerd has it."""

    id: str
    created_at: datetime | None
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)


@dataclasses.dataclass(frozen=True)
class Leases:
    """The leases of one namespace."""

    scope: Scope

    async def create(
        self, purpose: str, *, expires_s: float = DEFAULT_EXPIRY_S, labels: Mapping[str, str] | None = None
    ) -> str:
        """Make a lease and return its id; it expires `expires_s` seconds from now whatever happens to us."""
        ends = datetime.now(UTC) + timedelta(seconds=expires_s)
        marks = {**(labels or {}), PURPOSE_LABEL: purpose, EXPIRE_LABEL: ends.isoformat(timespec="seconds")}
        lease_id = f"kukeon-{secrets.token_hex(8)}"
        self.scope.connection.holding.add((self.scope.namespace, lease_id))
        request = pb.CreateLeaseRequest(id=lease_id, labels=marks)
        try:
            answer = await self.scope.unary(CREATE, request, f"create a lease for {purpose!r}")
        except BaseException:
            # Made after all, it is nobody's.
            self.scope.connection.holding.discard((self.scope.namespace, lease_id))
            raise
        return answer.lease.id

    async def delete(self, lease_id: str, *, sync: bool = False) -> bool:
        """Delete a lease; say whether it was there.  With `sync`, a garbage collection has run when this returns."""
        self.scope.connection.holding.discard((self.scope.namespace, lease_id))
        request = pb.DeleteLeaseRequest(id=lease_id, sync=sync)
        try:
            timeout_s = SYNC_TIMEOUT_S if sync else 60.0
            await self.scope.unary(DELETE, request, f"delete lease {lease_id!r}", timeout_s=timeout_s)
        except errors.NotFound:
            return False
        return True

    async def list(self) -> tuple[LeaseRecord, ...]:
        """Return every lease of the namespace, also those of other clients."""
        answer = await self.scope.unary(LIST, pb.ListLeasesRequest(), "list leases")
        return tuple(LeaseRecord(m.id, values.time_of(m.created_at), dict(m.labels)) for m in answer.leases)

    async def add(self, lease_id: str, type_: str, id_: str) -> None:
        """Put something that exists under the lease.  `type_` is "content" or "snapshots/<snapshotter>"."""
        request = pb.LeaseResourceRequest(id=lease_id, resource=pb.LeaseResource(id=id_, type=type_))
        await self.scope.unary(ADD_RESOURCE, request, f"put {type_} {id_!r} under lease {lease_id!r}")

    async def resources(self, lease_id: str) -> tuple[tuple[str, str], ...]:
        """Return (type, id) of everything the lease protects."""
        request = pb.ListLeaseResourcesRequest(id=lease_id)
        answer = await self.scope.unary(LIST_RESOURCES, request, f"list what lease {lease_id!r} protects")
        return tuple((r.type, r.id) for r in answer.resources)

    async def collect_garbage(self) -> None:
        """Run containerd's garbage collector now: it runs when a lease is deleted synchronously."""
        await self.delete(await self.create("garbage collection", expires_s=SYNC_TIMEOUT_S), sync=True)

    async def drop_abandoned(self) -> int:
        """Delete every lease of ours and return how many.  Only for the sole user of the namespace, at its start."""
        ours = [lease for lease in await self.list() if PURPOSE_LABEL in lease.labels]
        for lease in ours:
            await self.delete(lease.id)
        return len(ours)

    @contextlib.asynccontextmanager
    async def held(self, purpose: str, *, expires_s: float = DEFAULT_EXPIRY_S) -> AsyncIterator[Scope]:
        """Yield this scope with a lease in its headers; the lease is deleted at the end, also after a failure.

        What a work that failed has made is off the disk when its error is raised.

        A containerd that went away meanwhile must not hide why the work inside failed: then the lease is left to
        expire.
        """
        lease_id = await self.create(purpose, expires_s=expires_s)
        failed = False
        try:
            yield dataclasses.replace(self.scope, lease=lease_id)
        except errors.KukeonError:
            failed = True
            raise
        finally:
            with contextlib.suppress(errors.Unavailable, errors.TimedOut):
                await self.delete(lease_id, sync=failed)
