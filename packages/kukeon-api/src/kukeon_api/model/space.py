"""Space: a network of a realm, and the defaults of the containers in it."""

from __future__ import annotations

import enum
from typing import ClassVar

from kukeon_api.model.base import API_VERSION, Metadata, Model, Name, Status
from kukeon_api.model.container import Capabilities, Resources, Tmpfs


class SpaceState(enum.StrEnum):
    """Where a space is in its life."""

    PENDING = "Pending"
    CREATING = "Creating"
    READY = "Ready"
    DELETING = "Deleting"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


class EgressRule(Model):
    """A destination, by DNS name or by CIDR, and its TCP ports (none: all)."""

    host: str = ""
    cidr: str = ""
    ports: tuple[int, ...] = ()


class EgressPolicy(Model):
    """What the cells of a space may reach: `default` is `allow` or `deny`; `allow` lists exceptions to `deny`."""

    default: str = ""
    allow: tuple[EgressRule, ...] = ()


class SpaceNetwork(Model):
    """Settings of the space's network."""

    egress: EgressPolicy | None = None


class ContainerDefaults(Model):
    """What containers of the space take where they say nothing; whole values, never merged."""

    user: str | None = None
    read_only_root_filesystem: bool | None = None
    capabilities: Capabilities | None = None
    security_opts: tuple[str, ...] | None = None
    tmpfs: tuple[Tmpfs, ...] | None = None
    resources: Resources | None = None


class SpaceDefaults(Model):
    """Defaults by what they are for."""

    container: ContainerDefaults | None = None


class SpaceSpec(Model):
    """`realm_id` is the realm's name.  `cni_config_path` is where the server wrote the network configuration."""

    realm_id: Name
    cni_config_path: str = ""
    network: SpaceNetwork | None = None
    defaults: SpaceDefaults | None = None


class SpaceStatus(Status):
    """See `Status`."""

    state: SpaceState = SpaceState.PENDING


class SpaceDoc(Model):
    """A space."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "Space"

    metadata: Metadata
    spec: SpaceSpec
    status: SpaceStatus = SpaceStatus()
