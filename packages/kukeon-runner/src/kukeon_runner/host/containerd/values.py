"""Values that several of containerd's services share, and their messages."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from google.protobuf.any_pb2 import Any as AnyMessage

from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.timestamp_pb2 import Timestamp

SPEC_TYPE_URL = "types.containerd.io/opencontainers/runtime-spec/1/Spec"
"""The name under which containerd registers the OCI runtime spec; the bytes are JSON."""

PROCESS_TYPE_URL = "types.containerd.io/opencontainers/runtime-spec/1/Process"

_GO_ZERO_TIME_S = -62135596800
"""0001-01-01, what an unset Go time becomes."""


@dataclasses.dataclass(frozen=True)
class Mount:
    """One mount as a snapshotter hands it out."""

    type: str
    source: str
    options: tuple[str, ...] = ()
    target: str = ""

    def message(self) -> pb.Mount:
        """Return the message."""
        return pb.Mount(type=self.type, source=self.source, target=self.target, options=self.options)

    @classmethod
    def of(cls, message: pb.Mount) -> Mount:
        """Return the value of a message."""
        return cls(type=message.type, source=message.source, options=tuple(message.options), target=message.target)


@dataclasses.dataclass(frozen=True)
class Descriptor:
    """What a blob is: media type, digest, size in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

    def message(self) -> pb.Descriptor:
        """Return the message."""
        return pb.Descriptor(
            media_type=self.media_type, digest=self.digest, size=self.size, annotations=dict(self.annotations)
        )

    @classmethod
    def of(cls, message: pb.Descriptor) -> Descriptor:
        """Return the value of a message."""
        return cls(message.media_type, message.digest, message.size, dict(message.annotations))


def time_of(stamp: Timestamp) -> datetime | None:
    """Return the UTC time of `stamp`, None when it is unset."""
    if stamp.seconds in (0, _GO_ZERO_TIME_S) and not stamp.nanos:
        return None
    return stamp.ToDatetime(tzinfo=UTC)


def json_any(type_url: str, value: Any) -> AnyMessage:
    """Return `value` as JSON in an Any, the way containerd's typeurl package carries types that are no messages."""
    return AnyMessage(type_url=type_url, value=json.dumps(value, separators=(",", ":")).encode())


def label_filter(labels: Mapping[str, str]) -> str:
    """Return the containerd filter that matches records carrying all of `labels` (its filters package)."""
    return ",".join(f"labels.{json.dumps(key)}=={json.dumps(value)}" for key, value in sorted(labels.items()))
