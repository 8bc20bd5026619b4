"""The closed set of things kukeon ever does to a host for one cell, as values.

A plan is a mapping from each step to the steps that must come before it: the shape that `graphlib` walks, so whatever
has no order runs at the same time. Steps carry finished names and paths; nothing below the plan derives any.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kukeon_api import model
    from kukeon_runner.peers import Member
    from kukeon_runner.terminals import Terminal


@dataclass(frozen=True)
class MakeCgroup:
    """Have the cgroup `path` (relative to the hierarchy), with the controllers of its parents enabled."""

    path: str


@dataclass(frozen=True)
class RemoveCgroup:
    """Kill what is left in the cgroup `path` and remove it with everything below."""

    path: str


@dataclass(frozen=True)
class PinNamespaces:
    """Make net, ipc and uts namespaces and pin them as files in `directory`."""

    directory: str
    hostname: str
    network: bool = True
    """False leaves the network namespace out: the cell is on the host's network."""


@dataclass(frozen=True)
class UnpinNamespaces:
    directory: str


@dataclass(frozen=True)
class MountShm:
    """Mount the tmpfs that all containers of a cell see as /dev/shm."""

    path: str


@dataclass(frozen=True)
class UnmountShm:
    path: str


@dataclass(frozen=True)
class MountSecrets:
    """Mount the tmpfs in which the secrets of a cell are staged, for root alone."""

    path: str


@dataclass(frozen=True)
class UnmountSecrets:
    path: str


@dataclass(frozen=True)
class StageSecrets:
    """Write the secrets of a container that it sees as files, for its user alone; what was staged before is replaced.

    Carries where the values are, never the values.
    """

    namespace: str
    id: str
    directory: str
    secrets: tuple[model.ContainerSecret, ...]


@dataclass(frozen=True)
class RemoveSecrets:
    """Remove what is staged for one container."""

    directory: str


@dataclass(frozen=True)
class FillEnvironment:
    """Put the secrets that are to be environment variables into the record of a container, with their present values.

    Carries where the values are, never the values.
    """

    namespace: str
    id: str
    secrets: tuple[model.ContainerSecret, ...]


@dataclass(frozen=True)
class Delegate:
    """Let the programs of a container manage the cgroups below its own, `path`.

    Under cgroup v2 all controllers that the host has are passed down to it, and its first process goes into a leaf of
    it, so that none is in `path` itself.
    """

    path: str
    task: CreateTask


@dataclass(frozen=True)
class WriteFile:
    """Write `text` to `path` in place: containers have bound the inode, and a rename would leave them the old file."""

    path: str
    text: str


@dataclass(frozen=True)
class AttachNetwork:
    """CNI ADD of the network described at `conflist`. Its result is an `observed.Address`."""

    conflist: str
    container_id: str
    netns: str


@dataclass(frozen=True)
class DetachNetwork:
    """CNI DEL, then free whatever address is still held for `container_id`."""

    conflist: str
    container_id: str
    netns: str


@dataclass(frozen=True)
class Announce:
    """Have the network know the cell, with the address that `attach` yields, and write the cell's hosts file."""

    member: Member
    attach: AttachNetwork | None = None
    before: Member | None = None
    """What the network knew of a cell that stays attached: that again when this is taken back."""


@dataclass(frozen=True)
class Publish:
    """Tell the cells behind `bridge` of each other, and open the ports of them that are not open yet."""

    bridge: str


@dataclass(frozen=True)
class Withdraw:
    """Take the cell from the hosts files of its peers and close its ports."""

    cell: model.Ref


@dataclass(frozen=True)
class CreateContainer:
    """Prepare the root file system (none for the pause program) and record the container in containerd."""

    namespace: str
    id: str
    image: str
    chain_id: str
    """The image's top snapshot; empty for the pause program, which needs none."""
    labels: tuple[tuple[str, str], ...]
    user: str
    """As written in the manifest or image: the numbers behind names are looked up in the root file system."""
    spec: str
    """The OCI runtime specification as JSON, complete but for the numeric user."""
    log: str
    """The log file, whose directory must exist before the task; empty for none."""


@dataclass(frozen=True)
class RenewContainer:
    """Record in containerd what this version makes of a container, in place of what another version made of it.

    Its root file system, with what was written to it, and its user stay.
    """

    namespace: str
    id: str
    labels: tuple[tuple[str, str], ...]
    spec: str


@dataclass(frozen=True)
class DeleteContainer:
    """Delete the containerd record and the snapshot of `id`, whichever exist."""

    namespace: str
    id: str


@dataclass(frozen=True)
class CreateTask:
    """Have runc create (not start) the process of a container. Its result is the process id."""

    namespace: str
    id: str
    log: str
    """File for the output in CRI format; empty discards it."""
    rootfs: str = ""
    """A directory that serves as read-only root file system in place of a snapshot."""
    terminal: Terminal | None = None
    """The terminal that the program runs on, in place of a log."""


@dataclass(frozen=True)
class StartTask:
    namespace: str
    id: str


@dataclass(frozen=True)
class StopTask:
    """Send `signal`, wait `grace_s` seconds for the exit, then kill. Its result is an `observed.Exit`."""

    namespace: str
    id: str
    signal: str
    grace_s: float
    hang_up: bool = False
    """Whether its terminal is hung up as well: interactive shells ignore SIGTERM."""


@dataclass(frozen=True)
class DeleteTask:
    """Delete an ended task and its shim state. Its result is an `observed.Exit`."""

    namespace: str
    id: str


Step = (
    MakeCgroup
    | RemoveCgroup
    | PinNamespaces
    | UnpinNamespaces
    | MountShm
    | UnmountShm
    | MountSecrets
    | UnmountSecrets
    | StageSecrets
    | RemoveSecrets
    | FillEnvironment
    | Delegate
    | WriteFile
    | AttachNetwork
    | DetachNetwork
    | Announce
    | Publish
    | Withdraw
    | CreateContainer
    | RenewContainer
    | DeleteContainer
    | CreateTask
    | StartTask
    | StopTask
    | DeleteTask
)

Plan = Mapping[Step, frozenset[Step]]
"""Each step with the steps that must be done before it."""

Results = Mapping[Step, Any]
"""What the done steps yielded."""
