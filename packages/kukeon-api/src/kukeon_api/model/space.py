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
    """A destination, by DNS name or by CIDR, and its ports, TCP and UDP alike (none: everything)."""

    host: str = ""
    """DNS name of the destination, looked up again as often as its records say; either this or a CIDR."""

    cidr: str = ""
    """IPv4 network of the destination, like 10.0.0.0/8; either this or a host."""

    ports: tuple[int, ...] = ()
    """Ports of the destination, TCP and UDP, 1 to 65535. Default: all, and every other protocol."""


class EgressPolicy(Model):
    """What the cells of a space may reach: `default` is `allow` or `deny`; `allow` lists exceptions to `deny`."""

    default: str = ""
    """What happens to connections that no rule mentions, allow or deny. Default: allow."""

    allow: tuple[EgressRule, ...] = ()
    """Destinations that are reachable although the default is deny."""


class SpaceNetwork(Model):
    """Settings of the space's network."""

    egress: EgressPolicy | None = None
    """What cells may reach outside of the space, the host included. Default: everything but other spaces."""


class ContainerDefaults(Model):
    """What containers of the space take where they say nothing; whole values, never merged."""

    user: str | None = None
    """Who runs the program: uid, uid:gid or names that the image knows."""

    read_only_root_filesystem: bool | None = None
    """Refuse writes to the image's files."""

    capabilities: Capabilities | None = None
    """Changes to the default capabilities."""

    security_opts: tuple[str, ...] | None = None
    """Any of no-new-privileges=true or false, and seccomp=unconfined or seccomp= and the path of a profile."""

    tmpfs: tuple[Tmpfs, ...] | None = None
    """Fresh memory mounted in each container."""

    resources: Resources | None = None
    """Limits of each container."""


class SpaceDefaults(Model):
    """Defaults by what they are for."""

    container: ContainerDefaults | None = None
    """What containers take where they say nothing themselves: each value as a whole, never merged."""


class SpaceSpec(Model):
    """`realm_id` is the realm's name.  `cni_config_path` is where the server wrote the network configuration."""

    realm_id: Name
    """Name of the realm that it is in."""

    cni_config_path: str = ""
    """Where the network's configuration is on the host; set by the server, cannot be changed later."""

    network: SpaceNetwork | None = None
    """Settings of the space's network."""

    defaults: SpaceDefaults | None = None
    """Settings for everything in the space that says nothing itself.

    Cells that exist keep theirs until they are applied again.
    """


class SpaceStatus(Status):
    """See `Status`."""

    state: SpaceState = SpaceState.PENDING
    """Where the space is in its life."""


class SpaceDoc(Model):
    """A space: a network within a realm, and the defaults of the containers in it."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "Space"

    metadata: Metadata
    """Name and labels."""

    spec: SpaceSpec
    """What the space shall be."""

    status: SpaceStatus = SpaceStatus()
    """What the space is; set by the server."""
