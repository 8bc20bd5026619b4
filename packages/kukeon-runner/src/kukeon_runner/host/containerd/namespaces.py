"""containerd's namespaces: one per realm.  They are not themselves namespaced."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from kukeon_api import errors
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb
from kukeon_runner.host.containerd.connection import Rpc, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

_SERVICE = "/containerd.services.namespaces.v1.Namespaces/"
LIST = Rpc(_SERVICE + "List", pb.ListNamespacesRequest, pb.ListNamespacesResponse)
CREATE = Rpc(_SERVICE + "Create", pb.NamespaceBox, pb.NamespaceBox, exists=errors.NamespaceAlreadyExists)
DELETE = Rpc(_SERVICE + "Delete", pb.DeleteNamespaceRequest, Empty)


@dataclasses.dataclass(frozen=True)
class NamespaceRecord:
    """A namespace and its labels."""

    name: str
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)


@dataclasses.dataclass(frozen=True)
class Namespaces:
    """The namespaces of one containerd."""

    scope: Scope

    async def list(self) -> tuple[NamespaceRecord, ...]:
        """Return every namespace, also those that are not kukeon's."""
        answer = await self.scope.unary(LIST, pb.ListNamespacesRequest(), "list containerd's namespaces")
        return tuple(NamespaceRecord(n.name, dict(n.labels)) for n in answer.namespaces)

    async def find(self, name: str) -> NamespaceRecord | None:
        """Return the namespace, or None."""
        # Not by Get: containerd 1.6 answers that with an empty namespace for a name that does not exist.
        return next((record for record in await self.list() if record.name == name), None)

    async def ensure(self, name: str, labels: Mapping[str, str] | None = None) -> bool:
        """Make the namespace unless it is there; say whether it was made.  Existing labels are left alone."""
        try:
            await self.create(name, labels)
        except errors.AlreadyExists:
            return False
        return True

    async def create(self, name: str, labels: Mapping[str, str] | None = None) -> None:
        """Make the namespace, or raise NamespaceAlreadyExists."""
        box = pb.NamespaceBox(namespace=pb.Namespace(name=name, labels=dict(labels or {})))
        await self._as(name).unary(CREATE, box, f"create namespace {name!r}")

    async def delete(self, name: str) -> bool:
        """Delete an empty namespace; say whether it was there.  Raises Conflict while anything is in it."""
        try:
            await self._as(name).unary(DELETE, pb.DeleteNamespaceRequest(name=name), f"delete namespace {name!r}")
        except errors.NotFound:
            return False
        return True

    def _as(self, name: str) -> Scope:
        # containerd 1.6 makes or deletes the namespace and then fails to publish the event without this header.
        return dataclasses.replace(self.scope, namespace=name)
