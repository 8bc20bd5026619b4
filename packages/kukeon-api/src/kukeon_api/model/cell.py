"""Cell: containers that share namespaces, an address and a life."""

from __future__ import annotations

import enum
from typing import ClassVar

from kukeon_api.model.base import API_VERSION, Metadata, Model, Name, OptionalName, Status
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
    """What the operator last asked for; survives reboots."""

    RUNNING = "running"
    STOPPED = "stopped"


class CellTty(Model):
    """Which container `attach` picks."""

    default: OptionalName = ""


class CellSpec(Model, kw_only=True):
    """`id` is the cell's name; `root_container_id` names the container whose sandbox the others join."""

    id: OptionalName = ""
    realm_id: Name
    space_id: Name
    stack_id: Name
    root_container_id: OptionalName = ""
    tty: CellTty | None = None
    containers: tuple[ContainerSpec, ...] = ()
    auto_delete: bool = False
    nested_cgroup_runtime: bool = False


class CellNetworkStatus(Model):
    """Where the cell is on its space's network; `address` is in CIDR form, like `10.88.0.2/24`."""

    bridge_name: str = ""
    address: str = ""
    gateway: str = ""


class CellStatus(Status):
    """See `Status`.  `ready_observed` latches: it has been ready at least once."""

    state: CellState = CellState.PENDING
    desired: DesiredState = DesiredState.RUNNING
    network: CellNetworkStatus | None = None
    containers: tuple[ContainerStatus, ...] = ()
    ready_observed: bool = False


class CellDoc(Model):
    """A cell."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "Cell"

    metadata: Metadata
    spec: CellSpec
    status: CellStatus = CellStatus()
