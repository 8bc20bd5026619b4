"""What a host can be seen to have, as values."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping


class TaskStatus(enum.StrEnum):
    """containerd's states of a task, plus UNKNOWN for whatever a newer one adds."""

    CREATED = "created"
    RUNNING = "running"
    STOPPED = "stopped"
    PAUSED = "paused"
    PAUSING = "pausing"
    UNKNOWN = "unknown"

    @property
    def alive(self) -> bool:
        """Whether the process exists, so that it must be stopped before its task can be deleted."""
        return self is not TaskStatus.STOPPED


@dataclass(frozen=True)
class Exit:
    """How a task ended: its exit code (128 + n after signal n) and the time, as the shim saw them."""

    code: int
    at: dt.datetime | None


@dataclass(frozen=True)
class Task:
    status: TaskStatus
    pid: int = 0
    exit: Exit | None = None
    terminal: bool = False
    """Whether the program runs on a terminal."""


class Happening(enum.StrEnum):
    """What containerd tells of a task."""

    STARTED = "started"
    ENDED = "ended"
    OUT_OF_MEMORY = "out of memory"
    PAUSED = "paused"
    RESUMED = "resumed"


@dataclass(frozen=True)
class TaskEvent:
    """Something that happened to the task of a container; `exit` when it ended."""

    namespace: str
    id: str
    what: Happening
    exit: Exit | None = None


@dataclass(frozen=True)
class Told:
    """What was told of the tasks of a cell since somebody looked at it: those that ended, by containerd id, and how."""

    ends: Mapping[str, Exit] = field(default_factory=dict)
    out_of_memory: Mapping[str, dt.datetime] = field(default_factory=dict)
    """Those for which the kernel ran out of the memory that they may use, and when that was told."""


@dataclass(frozen=True)
class Address:
    """A cell's place in its network: `10.88.0.2/24` and the gateway."""

    cidr: str
    gateway: str = ""

    @property
    def ip(self) -> str:
        return self.cidr.partition("/")[0]


Attachment = tuple[Address | None, bool]
"""A cell's address, if it is known and in place, and whether anything is held for the cell in its network at all."""


@dataclass(frozen=True)
class Container:
    """One container id that belongs to a cell: any of record, snapshot and task may be missing after a crash."""

    recorded: bool
    spec_hash: str = ""
    stop_signal: str = ""
    image_digest: str = ""
    snapshot: bool = False
    task: Task | None = None

    @property
    def alive(self) -> bool:
        return self.task is not None and self.task.status.alive


@dataclass(frozen=True)
class Cell:
    cgroup: bool = False
    pinned: bool = False
    networkless: bool = False
    """Whether its namespaces are pinned without a network among them: all its containers are on the host's."""
    shm: bool = False
    secrets: bool = False
    """Whether there is a place where secrets are staged."""
    address: Address | None = None
    network_residue: bool = False
    """An address or a cached CNI result is held for the cell, whether or not it is usable."""
    containers: Mapping[str, Container] = field(default_factory=dict)
    """By containerd id: those that are wanted and strays that carry the cell's labels."""


@dataclass(frozen=True)
class Image:
    """An image that is present, as far as making a container from it needs it."""

    name: str
    digest: str
    chain_id: str
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    working_dir: str = ""
    user: str = ""
    stop_signal: str = ""


@dataclass(frozen=True)
class DiskUse:
    """How full a file system is, for whoever is not root: root may have some more. No files: it does not count them."""

    total_bytes: int
    free_bytes: int
    total_files: int = 0
    free_files: int = 0


@dataclass(frozen=True)
class Abilities:
    """What this host and the daemon on it can do, as far as it shows in how containers are made."""

    machine: str = ""
    """`uname -m`."""
    kernel: str = ""
    """`uname -r`."""
    capabilities: frozenset[str] = frozenset()
    """What the daemon may give away: its own bounding set."""
    recursive_read_only: bool = False
    """Whether a bind can be made read-only with all that is mounted below it."""


@dataclass(frozen=True)
class Device:
    """A device node of the host. `kind` is `c` or `b`, `mode` the permission bits."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int
    uid: int
    gid: int


@dataclass(frozen=True)
class Found:
    """What was found on the host of what a container names: device nodes, and its own seccomp profile."""

    devices: tuple[Device, ...] = ()
    seccomp: Mapping[str, Any] | None = None
