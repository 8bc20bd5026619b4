"""Realm: a tenant; a containerd namespace and a cgroup."""

from __future__ import annotations

import enum
from typing import ClassVar

from kukeon_api.model.base import API_VERSION, Metadata, Model, Status


class RealmState(enum.StrEnum):
    """Where a realm is in its life."""

    PENDING = "Pending"
    CREATING = "Creating"
    READY = "Ready"
    DELETING = "Deleting"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


class RegistryCredentials(Model):
    """How to log in to one registry; an empty `server_address` serves every registry without an own entry."""

    username: str = ""
    password: str = ""
    server_address: str = ""


class RealmSpec(Model):
    """`namespace` is the containerd namespace: `<realm>.<suffix>` unless stated, and immutable afterwards."""

    namespace: str = ""
    registry_credentials: tuple[RegistryCredentials, ...] = ()


class RealmStatus(Status):
    """See `Status`."""

    state: RealmState = RealmState.PENDING
    containerd_namespace_ready: bool = False


class RealmDoc(Model):
    """A realm."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "Realm"

    metadata: Metadata
    spec: RealmSpec = RealmSpec()
    status: RealmStatus = RealmStatus()
