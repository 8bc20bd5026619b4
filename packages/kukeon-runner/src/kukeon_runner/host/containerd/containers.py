"""containerd's container records: what a task is made from.  A record is no process; see tasks."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.empty_pb2 import Empty
from google.protobuf.field_mask_pb2 import FieldMask

from kukeon_api import errors
from kukeon_runner.host.containerd import values
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb
from kukeon_runner.host.containerd.connection import Rpc, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_SERVICE = "/containerd.services.containers.v1.Containers/"
_LEAVES: dict[str, Any] = {"not_found": errors.ContainerNotFound, "exists": errors.ContainerExists}
GET = Rpc(_SERVICE + "Get", pb.ContainerKeyRequest, pb.ContainerBox, **_LEAVES)
LIST_STREAM = Rpc(_SERVICE + "ListStream", pb.ListContainersRequest, pb.ContainerBox)
CREATE = Rpc(_SERVICE + "Create", pb.ContainerBox, pb.ContainerBox, exists=errors.ContainerExists)
UPDATE = Rpc(_SERVICE + "Update", pb.UpdateContainerRequest, pb.ContainerBox, **_LEAVES)
DELETE = Rpc(_SERVICE + "Delete", pb.ContainerKeyRequest, Empty, **_LEAVES)

RUNC = "io.containerd.runc.v2"
RUNC_OPTIONS_TYPE_URL = "containerd.runc.v1.Options"


@dataclasses.dataclass(frozen=True)
class Runtime:
    """Which shim runs a container, and runc's options; empty ones are the shim's defaults.

    `shim_cgroup` is the cgroup (path below the mountpoint) that the shim is put into.
    """

    name: str = RUNC
    binary: str = ""
    root: str = ""
    shim_cgroup: str = ""

    def message(self) -> pb.Container.Runtime:
        """Return the message.  systemd_cgroup stays false: kukeon makes its cgroups itself."""
        options = pb.RuncOptions(binary_name=self.binary, root=self.root, shim_cgroup=self.shim_cgroup)
        return pb.Container.Runtime(
            name=self.name, options=AnyMessage(type_url=RUNC_OPTIONS_TYPE_URL, value=options.SerializeToString())
        )


@dataclasses.dataclass(frozen=True)
class ContainerRecord:
    """A container record.  `spec_json` is the OCI runtime spec as stored; `spec` decodes it."""

    id: str
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)
    image: str = ""
    snapshotter: str = ""
    snapshot_key: str = ""
    spec_json: bytes = b"{}"
    runtime: str = RUNC
    created_at: datetime | None = None
    updated_at: datetime | None = None
    extensions: Mapping[str, bytes] = dataclasses.field(default_factory=dict, hash=False)

    @property
    def spec(self) -> dict[str, Any]:
        """Return the OCI runtime spec; decoded anew each time."""
        decoded = json.loads(self.spec_json or b"{}")
        assert isinstance(decoded, dict)
        return decoded

    @classmethod
    def of(cls, message: pb.Container) -> ContainerRecord:
        """Return the value of a message."""
        return cls(
            id=message.id,
            labels=dict(message.labels),
            image=message.image,
            snapshotter=message.snapshotter,
            snapshot_key=message.snapshot_key,
            spec_json=message.spec.value,
            runtime=message.runtime.name,
            created_at=values.time_of(message.created_at),
            updated_at=values.time_of(message.updated_at),
            extensions={name: any_.value for name, any_ in message.extensions.items()},
        )


@dataclasses.dataclass(frozen=True)
class Containers:
    """The container records of one namespace."""

    scope: Scope
    snapshotter: str

    async def create(
        self,
        id_: str,
        *,
        spec: Mapping[str, Any],
        image: str = "",
        snapshot_key: str = "",
        labels: Mapping[str, str] | None = None,
        runtime: Runtime | None = None,
        extensions: Mapping[str, tuple[str, bytes]] | None = None,
    ) -> ContainerRecord:
        """Store a record and return it; raises ContainerExists for an id in use.

        Without `snapshot_key` the root filesystem is whatever the spec says.  `extensions` is name -> (type URL,
        bytes).
        """
        container = pb.Container(
            id=id_,
            labels=dict(labels or {}),
            image=image,
            runtime=(runtime or Runtime()).message(),
            spec=values.json_any(values.SPEC_TYPE_URL, spec),
            snapshotter=self.snapshotter if snapshot_key else "",
            snapshot_key=snapshot_key,
            extensions={name: AnyMessage(type_url=url, value=data) for name, (url, data) in (extensions or {}).items()},
        )
        answer = await self.scope.unary(CREATE, pb.ContainerBox(container=container), f"create container {id_!r}")
        return ContainerRecord.of(answer.container)

    async def get(self, id_: str) -> ContainerRecord:
        """Return the record, or raise ContainerNotFound."""
        answer = await self.scope.unary(GET, pb.ContainerKeyRequest(id=id_), f"get container {id_!r}")
        return ContainerRecord.of(answer.container)

    async def find(self, id_: str) -> ContainerRecord | None:
        """Return the record, or None."""
        try:
            return await self.get(id_)
        except errors.NotFound:
            return None

    async def list(self, labels: Mapping[str, str] | None = None) -> tuple[ContainerRecord, ...]:
        """Return the records that carry all of `labels`, sorted by id."""
        request = pb.ListContainersRequest(filters=[values.label_filter(labels)] if labels else [])
        found = [
            ContainerRecord.of(message.container)
            async for message in self.scope.stream(LIST_STREAM, request, "list containers")
        ]
        return tuple(sorted(found, key=lambda record: record.id))

    async def update(
        self,
        id_: str,
        *,
        spec: Mapping[str, Any] | None = None,
        labels: Mapping[str, str] | None = None,
        image: str | None = None,
        snapshot_key: str | None = None,
    ) -> ContainerRecord:
        """Replace the given parts of a record and return it; a label set is replaced whole."""
        container = pb.Container(id=id_)
        paths: list[str] = []
        if spec is not None:
            container.spec.CopyFrom(values.json_any(values.SPEC_TYPE_URL, spec))
            paths.append("spec")
        if labels is not None:
            container.labels.update(labels)
            paths.append("labels")
        if image is not None:
            container.image = image
            paths.append("image")
        if snapshot_key is not None:
            container.snapshot_key = snapshot_key
            paths.append("snapshotkey")
        if not paths:
            return await self.get(id_)
        request = pb.UpdateContainerRequest(container=container, update_mask=FieldMask(paths=paths))
        answer = await self.scope.unary(UPDATE, request, f"update container {id_!r}")
        return ContainerRecord.of(answer.container)

    async def delete(self, id_: str) -> bool:
        """Delete a record; say whether it was there.  Its snapshot stays until removed or collected."""
        try:
            await self.scope.unary(DELETE, pb.ContainerKeyRequest(id=id_), f"delete container {id_!r}")
        except errors.NotFound:
            return False
        return True
