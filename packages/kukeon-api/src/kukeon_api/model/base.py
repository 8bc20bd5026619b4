"""What all documents share: the struct's options, field types, metadata and status.

Field names here are the names on the wire; on paper (YAML, JSON) they are camelCase.  `X | None` means that unset and
empty differ.  The text below each field is its description for users (`kuke explain`, the JSON schemas), so it speaks
as documents do and says what holds when the field is left out.
"""

from __future__ import annotations

import datetime as dt
import enum
from typing import TYPE_CHECKING, Annotated, dataclass_transform

import msgspec

from kukeon_api import names

API_VERSION = "v1beta1"

Name = Annotated[str, msgspec.Meta(pattern=names.NAME_PATTERN)]
OptionalName = Annotated[str, msgspec.Meta(pattern=names.OPTIONAL_NAME_PATTERN)]
STATED = msgspec.Meta(extra={"stated": True})
"""Of a field that documents must have although it may be empty: leaving it out would hardly be meant."""
Time = Annotated[dt.datetime, msgspec.Meta(tz=True)]


if TYPE_CHECKING:
    # Type checkers do not inherit a struct's keywords; this tells them once that ours are frozen and by keyword.
    @dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(msgspec.field,))
    class _StructMeta(msgspec.StructMeta): ...
else:
    _StructMeta = type(msgspec.Struct)


class Model(
    msgspec.Struct,
    metaclass=_StructMeta,
    gc=False,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename="camel",
):
    """Base of every API type: an immutable value, equal by content.

    Values made only of values hold no cycles, so the garbage collector need not look at them: with it, decoding a list
    of 10,000 cells takes half as long again.
    """


class Metadata(Model):
    """Who a document is.  `generation` grows by one with every change of the spec; the server sets it."""

    name: Name
    """The resource's name: 1 to 63 lower-case letters, digits and '-', unique within its parent."""

    labels: dict[str, str] = msgspec.field(default_factory=dict)
    """Words of your own to select by, like `tier: web`. Keys that end in `.kukeon.io` are kukeon's."""

    generation: int = 0
    """Grows by one with every change of the spec.

    In a manifest it says which version the change is based on: an older one than the stored one is refused. Leave
    it out to change whatever is there.
    """


class Status(Model):
    """What the server knows of a realm, space, stack or cell.

    `reason` is a word for programs (`CreateCellFailed`), `message` one line of at most 256 bytes for people.
    `ready_at` is the first time it was ready.
    """

    state: enum.StrEnum
    """Where the resource is in its life."""

    reason: str = ""
    """Why it is in this state, as one word for programs, like `CreateCellFailed`."""

    message: str = ""
    """Why it is in this state, as one line of at most 256 bytes for people."""

    cgroup_path: str = ""
    """Path of its cgroup below the cgroup mount."""

    cgroup_ready: bool = False
    """Whether the cgroup was there when it was last looked at."""

    subtree_controllers: tuple[str, ...] = ()
    """Cgroup controllers that are passed on to what is inside."""

    created_at: Time | None = None
    """When it was first made."""

    updated_at: Time | None = None
    """When anything of it was last written down."""

    ready_at: Time | None = None
    """When it was ready for the first time."""

    observed_generation: int = 0
    """The generation of the spec that this status tells about."""
