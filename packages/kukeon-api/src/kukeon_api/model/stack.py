"""Stack: a group of cells."""

from __future__ import annotations

import enum
from typing import ClassVar

from kukeon_api.model.base import API_VERSION, Metadata, Model, Name, OptionalName, Status


class StackState(enum.StrEnum):
    """Where a stack is in its life."""

    PENDING = "Pending"
    CREATING = "Creating"
    READY = "Ready"
    DELETING = "Deleting"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


class StackSpec(Model, kw_only=True):
    """`id` is the stack's name; `realm_id` and `space_id` are the parents' names."""

    id: OptionalName = ""
    """The stack's name again; may only differ from metadata.name by being left out."""

    realm_id: Name
    """Name of the realm that it is in."""

    space_id: Name
    """Name of the space that it is in."""


class StackStatus(Status):
    """See `Status`."""

    state: StackState = StackState.PENDING
    """Where the stack is in its life."""


class StackDoc(Model):
    """A stack: a group of cells within a space."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "Stack"

    metadata: Metadata
    """Name and labels."""

    spec: StackSpec
    """What the stack shall be."""

    status: StackStatus = StackStatus()
    """What the stack is; set by the server."""
