"""What all documents share: the struct's options, field types, metadata and status.

Field names here are the names on the wire; on paper (YAML, JSON) they are camelCase.  `X | None` means that unset and
empty differ.
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
    labels: dict[str, str] = msgspec.field(default_factory=dict)
    generation: int = 0


class Status(Model):
    """What the server knows of a realm, space, stack or cell.

    `reason` is a word for programs (`CreateCellFailed`), `message` one line of at most 256 bytes for people.
    `ready_at` is the first time it was ready.
    """

    state: enum.StrEnum
    reason: str = ""
    message: str = ""
    cgroup_path: str = ""
    cgroup_ready: bool = False
    subtree_controllers: tuple[str, ...] = ()
    created_at: Time | None = None
    updated_at: Time | None = None
    ready_at: Time | None = None
    observed_generation: int = 0
