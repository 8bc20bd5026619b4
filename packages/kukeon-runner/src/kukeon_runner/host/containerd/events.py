"""containerd's events: exits, OOM kills, starts, in the order in which they happened."""

from __future__ import annotations

import contextlib
import dataclasses
from datetime import datetime
from typing import TYPE_CHECKING

from google.protobuf.timestamp_pb2 import Timestamp

from kukeon_runner.host.containerd import values
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb
from kukeon_runner.host.containerd.connection import Rpc, Scope

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from google.protobuf.message import Message

SUBSCRIBE = Rpc("/containerd.services.events.v1.Events/Subscribe", pb.SubscribeRequest, pb.Envelope)

MESSAGES: dict[str, type[Message]] = {
    "containerd.events.TaskCreate": pb.TaskCreate,
    "containerd.events.TaskStart": pb.TaskStart,
    "containerd.events.TaskDelete": pb.TaskDelete,
    "containerd.events.TaskExit": pb.TaskExit,
    "containerd.events.TaskOOM": pb.TaskContainer,
    "containerd.events.TaskPaused": pb.TaskContainer,
    "containerd.events.TaskResumed": pb.TaskContainer,
    "containerd.events.TaskExecAdded": pb.TaskExec,
    "containerd.events.TaskExecStarted": pb.TaskExec,
    "containerd.events.ContainerCreate": pb.ContainerEvent,
    "containerd.events.ContainerUpdate": pb.ContainerEvent,
    "containerd.events.ContainerDelete": pb.ContainerEvent,
    "containerd.services.images.v1.ImageCreate": pb.NameEvent,
    "containerd.services.images.v1.ImageUpdate": pb.NameEvent,
    "containerd.services.images.v1.ImageDelete": pb.NameEvent,
    "containerd.events.NamespaceCreate": pb.NameEvent,
    "containerd.events.NamespaceUpdate": pb.NameEvent,
    "containerd.events.NamespaceDelete": pb.NameEvent,
}
"""Type URL -> our class for it.  Events of other types are passed on without fields."""

Value = str | int | bool | datetime | None


@dataclasses.dataclass(frozen=True)
class Event:
    """One event.  `fields` has every field of the event's message, unset ones with their zero value.

    Of a TaskExit: container_id, id (an exec's id, or the container's own), pid, exit_status, exited_at.
    """

    topic: str
    namespace: str
    at: datetime | None
    fields: Mapping[str, Value] = dataclasses.field(default_factory=dict, hash=False)


async def subscribe(scope: Scope, filters: Sequence[str] = ()) -> AsyncGenerator[Event, None]:
    """Yield events as they happen, of every namespace unless a filter says otherwise.

    Filters are containerd's (`topic=="/tasks/exit"`, `namespace==...`, joined by commas); one that matches is enough.
    Ends with ConnectContainerd when containerd goes away; what happened meanwhile must then be looked up.
    """
    request = pb.SubscribeRequest(filters=list(filters))
    async with contextlib.aclosing(
        scope.stream(SUBSCRIBE, request, "listen to containerd's events", timeout_s=None)
    ) as envelopes:
        async for envelope in envelopes:
            yield Event(
                topic=envelope.topic,
                namespace=envelope.namespace,
                at=values.time_of(envelope.timestamp),
                fields=_fields(envelope.event.type_url, envelope.event.value),
            )


def _fields(type_url: str, data: bytes) -> dict[str, Value]:
    cls = MESSAGES.get(type_url)
    if cls is None:
        return {}
    message = cls.FromString(data)
    return {field.name: _value(getattr(message, field.name)) for field in message.DESCRIPTOR.fields}


def _value(value: str | int | bool | Timestamp) -> Value:
    return values.time_of(value) if isinstance(value, Timestamp) else value
