"""Cell: containers that share namespaces, an address and a life."""

from __future__ import annotations

import enum
from typing import Annotated, ClassVar

from kukeon_api.model.base import API_VERSION, STATED, Metadata, Model, Name, OptionalName, Status
from kukeon_api.model.container import ContainerSpec, ContainerStatus


class CellState(enum.StrEnum):
    """What a cell's workloads add up to; running is `Ready`."""

    PENDING = "Pending"
    READY = "Ready"
    STOPPED = "Stopped"
    FAILED = "Failed"
    UNKNOWN = "Unknown"
    EXITED = "Exited"
    ERROR = "Error"
    DEGRADED = "Degraded"


class DesiredState(enum.StrEnum):
    """What the operator last asked for; survives reboots. A deletion that was cut off is finished."""

    RUNNING = "running"
    STOPPED = "stopped"
    DELETED = "deleted"


class CellTty(Model):
    """Which container `attach` picks."""

    default: OptionalName = ""
    """Id of the container that `kuke attach` picks when none is named."""


class CellSpec(Model, kw_only=True):
    """`id` is the cell's name; `root_container_id` names the container whose sandbox the others join."""

    id: OptionalName = ""
    """The cell's name again; may only differ from metadata.name by being left out."""

    realm_id: Name
    """Name of the realm that it is in."""

    space_id: Name
    """Name of the space that it is in, whose network it joins."""

    stack_id: Name
    """Name of the stack that it is in."""

    root_container_id: OptionalName = ""
    """Id of the container that owns the cell's sandbox, the same as `root: true` there.

    Default: none, kukeon keeps a tiny pause program of its own.
    """

    tty: CellTty | None = None
    """Terminals of the cell."""

    containers: Annotated[tuple[ContainerSpec, ...], STATED] = ()
    """What runs in the cell, sharing address, host name and shared memory; `[]` leaves it with its root container."""

    auto_delete: bool = False
    """Delete the cell once it was ready and has ended. Default: false."""

    nested_cgroup_runtime: bool = False
    """Delegate a cgroup subtree, so that a container runtime inside works. Default: false."""

    ignore_disk_pressure: bool = False
    """Make the cell although the disk is nearly full. It is about this request, and not kept. Default: false."""


class CellNetworkStatus(Model):
    """Where the cell is on its space's network; `address` is in CIDR form, like `10.88.0.2/24`."""

    bridge_name: str = ""
    """The host's bridge that the cell is plugged into."""

    address: str = ""
    """The cell's address with its prefix length, like `10.88.0.2/24`."""

    gateway: str = ""
    """The address of the bridge, through which the cell reaches everything else."""


class CellStatus(Status):
    """See `Status`.  `ready_observed` latches: it has been ready at least once."""

    state: CellState = CellState.PENDING
    """What the cell's workloads add up to: Ready while they run, Degraded when only some do."""

    desired: DesiredState = DesiredState.RUNNING
    """What was last asked for: running, stopped or deleted; survives reboots."""

    network: CellNetworkStatus | None = None
    """Where the cell is on its space's network; absent while it does not run."""

    containers: tuple[ContainerStatus, ...] = ()
    """What was last seen of each container, in the order of the spec."""

    ready_observed: bool = False
    """Whether the cell has ever been ready."""


class CellDoc(Model):
    """A cell: containers that share an address, a host name and a life."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "Cell"

    metadata: Metadata
    """Name and labels."""

    spec: CellSpec
    """What the cell shall be."""

    status: CellStatus = CellStatus()
    """What the cell is; set by the server."""
