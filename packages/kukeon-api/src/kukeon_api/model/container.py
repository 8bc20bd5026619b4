"""Container: one process tree of a cell."""

from __future__ import annotations

import enum
from typing import ClassVar

import msgspec

from kukeon_api.model.base import API_VERSION, Metadata, Model, Name, OptionalName, Time


class ContainerState(enum.StrEnum):
    """What containerd says of a container; running is `Ready`."""

    PENDING = "Pending"
    READY = "Ready"
    STOPPED = "Stopped"
    PAUSED = "Paused"
    PAUSING = "Pausing"
    FAILED = "Failed"
    UNKNOWN = "Unknown"
    NOT_CREATED = "NotCreated"
    EXITED = "Exited"
    ERROR = "Error"


class VolumeKind(enum.StrEnum):
    """What is mounted; on paper an empty kind is `bind`."""

    BIND = "bind"
    TMPFS = "tmpfs"


class VolumeMount(Model):
    """A directory or file of the host (bind) or fresh memory (tmpfs) at `target`.

    `size_bytes` and `mode` (permission bits) are for tmpfs only.
    """

    kind: VolumeKind = VolumeKind.BIND
    source: str = ""
    target: str = ""
    read_only: bool = False
    size_bytes: int | None = None
    mode: int | None = None


class Capabilities(Model):
    """Changes to the default capability set: `drop` first (`ALL` empties the set), then `add`."""

    drop: tuple[str, ...] = ()
    add: tuple[str, ...] = ()


class Tmpfs(Model):
    """Fresh memory at `path`, always nosuid and nodev."""

    path: str = ""
    size_bytes: int | None = None
    options: tuple[str, ...] = ()


class Resources(Model):
    """Limits of one container; unset means none."""

    memory_limit_bytes: int | None = None
    cpu_shares: int | None = None
    pids_limit: int | None = None


class ContainerSecret(Model):
    """A secret taken from a file of the host or from the daemon's environment.

    With `mount_path` it becomes a file in the container, without an environment variable called `name`.
    """

    name: str = ""
    from_file: str = ""
    from_env: str = ""
    mount_path: str = ""


class TtyStage(Model):
    """A script to type into a fresh terminal."""

    script: str = ""


class ContainerTty(Model):
    """How the terminal of an attachable container behaves."""

    prompt: str = ""
    on_init: tuple[TtyStage, ...] = ()
    log_file: str = ""


class ContainerSpec(Model):
    """What to run and how.  Inside a cell the server fills in the parents and `containerd_id`.

    A space may have defaults for `user`, `read_only_root_filesystem`, `capabilities`, `security_opts`, `tmpfs` and
    `resources`: None takes the space's, an empty value does not.
    """

    id: OptionalName = ""
    containerd_id: str = ""
    realm_id: OptionalName = ""
    space_id: OptionalName = ""
    stack_id: OptionalName = ""
    cell_id: OptionalName = ""
    root: bool = False
    image: str = ""
    command: str = ""
    args: tuple[str, ...] = ()
    working_dir: str = ""
    env: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    volumes: tuple[VolumeMount, ...] = ()
    networks: tuple[str, ...] = ()
    networks_aliases: tuple[str, ...] = ()
    privileged: bool = False
    host_network: bool = False
    host_pid: bool = msgspec.field(name="hostPID", default=False)
    host_cgroup: bool = False
    user: str | None = None
    read_only_root_filesystem: bool | None = None
    capabilities: Capabilities | None = None
    security_opts: tuple[str, ...] | None = None
    tmpfs: tuple[Tmpfs, ...] | None = None
    resources: Resources | None = None
    secrets: tuple[ContainerSecret, ...] = ()
    cni_config_path: str = ""
    restart_policy: str = ""
    attachable: bool = False
    tty: ContainerTty | None = None
    labels: dict[str, str] = msgspec.field(default_factory=dict)


class ContainerStatus(Model):
    """What was last seen of a container.

    `exit_code`, `exit_signal` and `finish_time` move together and stand for the last exit that was really observed;
    an exit without a code (the shim vanished) has `reason` and no code.
    """

    name: Name
    id: str = ""
    state: ContainerState = ContainerState.PENDING
    restart_count: int = 0
    restart_time: Time | None = None
    start_time: Time | None = None
    finish_time: Time | None = None
    created_at: Time | None = None
    exit_code: int | None = None
    exit_signal: str = ""
    oom_killed: bool = False
    reason: str = ""
    message: str = ""


class ContainerDoc(Model):
    """A container with its place: the parents' names stand in its spec."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "Container"

    metadata: Metadata
    spec: ContainerSpec
    status: ContainerStatus | None = None
