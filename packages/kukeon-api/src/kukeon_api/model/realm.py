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
    """How to log in to one registry; an empty `server_address` is Docker Hub's."""

    username: str = ""
    """Who logs in."""

    password: str = ""
    """The password or token. Never shown again: left out, it stays what is stored for this registry and user."""

    server_address: str = ""
    """The registry's host, with its port if it has one, like quay.io or registry:5000.

    Default: Docker Hub, docker.io.
    """


class RealmSpec(Model):
    """`namespace` is the containerd namespace: `<realm>.<suffix>` unless stated, and immutable afterwards."""

    namespace: str = ""
    """The containerd namespace that holds its images and containers; cannot be changed later.

    Default: the realm's name and .kukeon.io.
    """

    registry_credentials: tuple[RegistryCredentials, ...] = ()
    """How to log in to registries, one entry for each."""


class RealmStatus(Status):
    """See `Status`."""

    state: RealmState = RealmState.PENDING
    """Where the realm is in its life."""

    containerd_namespace_ready: bool = False
    """Whether the containerd namespace was there when it was last looked at."""


class RealmDoc(Model):
    """A realm: a tenant, with a containerd namespace, images and registry credentials of its own."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "Realm"

    metadata: Metadata
    """Name and labels."""

    spec: RealmSpec = RealmSpec()
    """What the realm shall be."""

    status: RealmStatus = RealmStatus()
    """What the realm is; set by the server."""
