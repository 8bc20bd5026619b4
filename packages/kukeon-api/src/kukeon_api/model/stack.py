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
    realm_id: Name
    space_id: Name


class StackStatus(Status):
    """See `Status`."""

    state: StackState = StackState.PENDING


class StackDoc(Model):
    """A stack."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "Stack"

    metadata: Metadata
    spec: StackSpec
    status: StackStatus = StackStatus()
