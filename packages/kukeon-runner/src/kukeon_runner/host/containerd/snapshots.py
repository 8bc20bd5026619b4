"""Snapshots: the layers of images and the writable roots of containers, for one snapshotter."""

from __future__ import annotations

import dataclasses
from enum import StrEnum
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask

from kukeon_api import errors
from kukeon_runner.host.containerd import values
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb
from kukeon_runner.host.containerd.connection import Rpc, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_SERVICE = "/containerd.services.snapshots.v1.Snapshots/"
PREPARE = Rpc(_SERVICE + "Prepare", pb.PrepareSnapshotRequest, pb.SnapshotMounts)
VIEW = Rpc(_SERVICE + "View", pb.PrepareSnapshotRequest, pb.SnapshotMounts)
MOUNTS = Rpc(_SERVICE + "Mounts", pb.SnapshotKeyRequest, pb.SnapshotMounts)
COMMIT = Rpc(_SERVICE + "Commit", pb.CommitSnapshotRequest, Empty)
REMOVE = Rpc(_SERVICE + "Remove", pb.SnapshotKeyRequest, Empty)
STAT = Rpc(_SERVICE + "Stat", pb.SnapshotKeyRequest, pb.SnapshotBox)
UPDATE = Rpc(_SERVICE + "Update", pb.UpdateSnapshotRequest, pb.SnapshotBox)
LIST = Rpc(_SERVICE + "List", pb.ListSnapshotsRequest, pb.ListSnapshotsResponse)
USAGE = Rpc(_SERVICE + "Usage", pb.SnapshotKeyRequest, pb.SnapshotUsageResponse)


class SnapshotKind(StrEnum):
    """What a snapshot is: a layer is committed, a container's root active, a read-only use a view."""

    UNKNOWN = "unknown"
    VIEW = "view"
    ACTIVE = "active"
    COMMITTED = "committed"


_KINDS = {
    pb.SNAPSHOT_VIEW: SnapshotKind.VIEW,
    pb.SNAPSHOT_ACTIVE: SnapshotKind.ACTIVE,
    pb.SNAPSHOT_COMMITTED: SnapshotKind.COMMITTED,
}


@dataclasses.dataclass(frozen=True)
class SnapshotInfo:
    """A snapshot; `parent` is empty for the lowest one."""

    name: str
    parent: str
    kind: SnapshotKind
    created_at: datetime | None = None
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, message: pb.SnapshotInfo) -> SnapshotInfo:
        """Return the value of a message."""
        kind = _KINDS.get(message.kind, SnapshotKind.UNKNOWN)
        return cls(message.name, message.parent, kind, values.time_of(message.created_at), dict(message.labels))


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a snapshot itself occupies, without its parents."""

    size_bytes: int
    inodes: int


@dataclasses.dataclass(frozen=True)
class Snapshots:
    """The snapshots of one namespace and one snapshotter."""

    scope: Scope
    snapshotter: str

    async def prepare(self, key: str, parent: str, labels: Mapping[str, str] | None = None) -> tuple[values.Mount, ...]:
        """Make a writable snapshot `key` on top of `parent` ("" for none) and return how to mount it.

        Raises AlreadyExists for a key in use, NotFound when the parent is not there.
        """
        request = pb.PrepareSnapshotRequest(
            snapshotter=self.snapshotter, key=key, parent=parent, labels=dict(labels or {})
        )
        return _mounts(await self.scope.unary(PREPARE, request, f"prepare snapshot {key!r} on {parent!r}"))

    async def view(self, key: str, parent: str, labels: Mapping[str, str] | None = None) -> tuple[values.Mount, ...]:
        """Make a read-only snapshot `key` of `parent` and return how to mount it."""
        request = pb.PrepareSnapshotRequest(
            snapshotter=self.snapshotter, key=key, parent=parent, labels=dict(labels or {})
        )
        return _mounts(await self.scope.unary(VIEW, request, f"view snapshot {parent!r} as {key!r}"))

    async def mounts(self, key: str) -> tuple[values.Mount, ...]:
        """Return how to mount an active snapshot or view."""
        return _mounts(await self.scope.unary(MOUNTS, self._key(key), f"find the mounts of snapshot {key!r}"))

    async def commit(self, name: str, key: str, labels: Mapping[str, str] | None = None) -> None:
        """Turn the active snapshot `key` into the committed one `name`; raises AlreadyExists when there is one."""
        request = pb.CommitSnapshotRequest(snapshotter=self.snapshotter, name=name, key=key, labels=dict(labels or {}))
        await self.scope.unary(COMMIT, request, f"commit snapshot {key!r} as {name!r}")

    async def remove(self, key: str) -> bool:
        """Remove a snapshot; say whether it was there.  Raises Conflict while it has children.

        A snapshot whose child was taken by the garbage collector keeps a note of it for ever and is refused too;
        the collector alone can remove it.
        """
        try:
            await self.scope.unary(REMOVE, self._key(key), f"remove snapshot {key!r}")
        except errors.NotFound:
            return False
        return True

    async def clear_labels(self, key: str) -> None:
        """Take all labels off a snapshot, also those that hold it for the collector."""
        request = pb.UpdateSnapshotRequest(
            snapshotter=self.snapshotter, info=pb.SnapshotInfo(name=key), update_mask=FieldMask(paths=["labels"])
        )
        await self.scope.unary(UPDATE, request, f"take the labels off snapshot {key!r}")

    async def find(self, key: str) -> SnapshotInfo | None:
        """Return the snapshot, or None."""
        try:
            answer = await self.scope.unary(STAT, self._key(key), f"find snapshot {key!r}")
        except errors.NotFound:
            return None
        return SnapshotInfo.of(answer.info)

    async def exists(self, key: str) -> bool:
        """Say whether the snapshot is there."""
        return await self.find(key) is not None

    async def list(self) -> tuple[SnapshotInfo, ...]:
        """Return every snapshot."""
        request = pb.ListSnapshotsRequest(snapshotter=self.snapshotter)
        found: list[SnapshotInfo] = []
        async for answer in self.scope.stream(LIST, request, f"list snapshots of {self.snapshotter!r}"):
            found.extend(SnapshotInfo.of(info) for info in answer.info)
        return tuple(found)

    async def usage(self, key: str) -> Usage:
        """Return what the snapshot occupies on disk (of an active one: measured now, which may take long)."""
        answer = await self.scope.unary(USAGE, self._key(key), f"measure snapshot {key!r}")
        return Usage(answer.size, answer.inodes)

    def _key(self, key: str) -> pb.SnapshotKeyRequest:
        return pb.SnapshotKeyRequest(snapshotter=self.snapshotter, key=key)


def _mounts(answer: pb.SnapshotMounts) -> tuple[values.Mount, ...]:
    return tuple(values.Mount.of(mount) for mount in answer.mounts)
