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
    """What is mounted: bind is a directory or file of the host, tmpfs is fresh memory. Default: bind."""

    source: str = ""
    """Absolute path on the host, which must exist; for bind only."""

    target: str = ""
    """Absolute path in the container."""

    read_only: bool = False
    """Refuse writes from the container. Default: false."""

    size_bytes: int | None = None
    """Most that a tmpfs may hold, in bytes. Default: half of the host's memory."""

    mode: int | None = None
    """Permission bits of a tmpfs, like 0755 or 01777. Default: 01777."""


class Capabilities(Model):
    """Changes to the default capability set: `drop` first (`ALL` empties the set), then `add`."""

    drop: tuple[str, ...] = ()
    """Capabilities to take away, like NET_RAW; ALL takes away every one."""

    add: tuple[str, ...] = ()
    """Capabilities to add after that, like NET_ADMIN."""


class Tmpfs(Model):
    """Fresh memory at `path`, always nosuid and nodev."""

    path: str = ""
    """Absolute path in the container."""

    size_bytes: int | None = None
    """Most that it may hold, in bytes. Default: half of the host's memory."""

    options: tuple[str, ...] = ()
    """Mount options, like noexec or mode=0755; nosuid and nodev are always on."""


class Resources(Model):
    """Limits of one container; unset means none."""

    memory_limit_bytes: int | None = None
    """Most memory that it may use, in bytes; above it the kernel kills. Default: no limit, like 0."""

    cpu_shares: int | None = None
    """Its part of a busy processor relative to others, 2 to 262144, of which 1024 is usual. Default: the kernel's."""

    pids_limit: int | None = None
    """Most processes and threads that it may have. Default: no limit, like 0."""


class ContainerSecret(Model):
    """A secret taken from a file of the host or from the daemon's environment.

    With `mount_path` it becomes a file in the container, without an environment variable called `name`.
    """

    name: str = ""
    """Name of the secret, and of the environment variable that it becomes without a mount path."""

    from_file: str = ""
    """Absolute path of a file on the host that holds the value."""

    from_env: str = ""
    """Environment variable of kukeond that holds the value."""

    mount_path: str = ""
    """Absolute path in the container of the file that it becomes. Default: none, it becomes an environment variable."""


class TtyStage(Model):
    """A script to type into a fresh terminal."""

    script: str = ""
    """Text to type, line by line."""


class ContainerTty(Model):
    """How the terminal of an attachable container behaves."""

    prompt: str = ""
    """Prompt to set in the shell."""

    on_init: tuple[TtyStage, ...] = ()
    """What to type into the fresh terminal, in order."""

    log_file: str = ""
    """Where in the container the program that keeps the terminal logs; it does not run in there."""


class ContainerSpec(Model):
    """What to run and how.  Inside a cell the server fills in the parents and `containerd_id`.

    A space may have defaults for `user`, `read_only_root_filesystem`, `capabilities`, `security_opts`, `tmpfs` and
    `resources`: None takes the space's, an empty value does not.
    """

    id: OptionalName = ""
    """Name of the container within its cell. In a Container document: metadata.name again."""

    containerd_id: str = ""
    """Its id in containerd; set by the server."""

    realm_id: OptionalName = ""
    """Name of the realm; inside a cell it may be left out."""

    space_id: OptionalName = ""
    """Name of the space; inside a cell it may be left out."""

    stack_id: OptionalName = ""
    """Name of the stack; inside a cell it may be left out."""

    cell_id: OptionalName = ""
    """Name of the cell; inside a cell it may be left out."""

    root: bool = False
    """Whether it owns the cell's sandbox and lives as long as the cell; one container of a cell at most.

    Default: false.
    """

    image: str = ""
    """Image to run, like busybox, quay.io/team/app:1.2 or one with a digest.

    Default registry: docker.io, default tag: latest.
    """

    command: str = ""
    """Program to run, instead of the image's entrypoint."""

    args: tuple[str, ...] = ()
    """Arguments of the program, instead of the image's."""

    working_dir: str = ""
    """Absolute path in which the program starts. Default: the image's."""

    env: tuple[str, ...] = ()
    """Environment variables as KEY=VALUE, added to the image's; a later one of the same key wins."""

    ports: tuple[str, ...] = ()
    """Ports of the host that lead to the container, like 8080:80 or 0.0.0.0:53:53/udp. Default address: 127.0.0.1."""

    volumes: tuple[VolumeMount, ...] = ()
    """Directories and files of the host, and fresh memory, mounted in the container."""

    networks: tuple[str, ...] = ()
    """Further networks to join."""

    networks_aliases: tuple[str, ...] = ()
    """Further names of the container on its networks."""

    privileged: bool = False
    """Give it every capability and device, without seccomp and masked paths: its root can do what the host's root can.
    Default: false."""

    host_network: bool = False
    """Share the host's network instead of the cell's; the other containers stay in the cell's. Default: false."""

    host_pid: bool = msgspec.field(name="hostPID", default=False)
    """Share the host's processes. Default: false."""

    host_cgroup: bool = False
    """See the host's cgroups instead of its own as their root; its limits stay. Default: false."""

    devices: tuple[str, ...] = ()
    """Device nodes of the host, like /dev/fuse, that it may use under the same path."""

    user: str | None = None
    """Who runs the program: uid, uid:gid or names that the image knows.

    Default: the space's default, else the image's.
    """

    read_only_root_filesystem: bool | None = None
    """Refuse writes to the image's files. Default: the space's default, else false."""

    capabilities: Capabilities | None = None
    """Changes to the default capabilities. Default: the space's default, else none."""

    security_opts: tuple[str, ...] | None = None
    """Any of no-new-privileges=true or false, and seccomp=unconfined or seccomp= and the path of a profile on the host.

    Default: the space's default, else no-new-privileges and the default seccomp profile.
    """

    tmpfs: tuple[Tmpfs, ...] | None = None
    """Fresh memory mounted in the container. Default: the space's default, else none."""

    resources: Resources | None = None
    """Limits on memory, processor and processes. Default: the space's default, else none."""

    secrets: tuple[ContainerSecret, ...] = ()
    """Values that are kept out of documents and logs."""

    cni_config_path: str = ""
    """Network configuration to use; set by the server."""

    image_pull_policy: str = ""
    """When the image is pulled from its registry, as the container is made: `IfNotPresent` (the realm lacks it; the
    default), `Always`, or `Never`."""

    restart_policy: str = ""
    """When it is started again after it ended: `no` (never, the default), `always`, `on-failure` (it ended with another
    code than 0) or `unless-stopped` (like always, but one that `kuke stop container` ended stays down)."""

    restart_backoff_seconds: int | None = None
    """How long the second start in a row waits; the first one comes at once, and each further one waits twice as long,
    five minutes at most. Default: 1; 0 never waits."""

    restart_max_retries: int | None = None
    """With `on-failure`: how many starts in a row may fail before it is left down. Default: 5."""

    attachable: bool = False
    """Run it on a terminal, so that `kuke attach` works. Default: false."""

    tty: ContainerTty | None = None
    """How the terminal of an attachable container behaves."""

    labels: dict[str, str] = msgspec.field(default_factory=dict)
    """Words of your own to select by, like `tier: web`. In a Container document they stand in metadata.labels."""


class ContainerStatus(Model):
    """What was last seen of a container.

    `exit_code`, `exit_signal` and `finish_time` move together and stand for the last exit that was really observed;
    an exit without a code (the shim vanished) has `reason` and no code.
    """

    name: Name
    """Name of the container within its cell."""

    id: str = ""
    """Its id in containerd."""

    state: ContainerState = ContainerState.PENDING
    """What containerd says of it; running is Ready."""

    restart_count: int = 0
    """How often kukeond has started it again."""

    restart_time: Time | None = None
    """When kukeond last started it again."""

    start_time: Time | None = None
    """When its program was last started."""

    finish_time: Time | None = None
    """When its program last ended, as far as that was seen."""

    created_at: Time | None = None
    """When containerd's record of it was made."""

    exit_code: int | None = None
    """How its program last ended: 0 is success, 128 and a signal's number means killed. Absent when nobody knows."""

    exit_signal: str = ""
    """The signal that ended it, like SIGKILL."""

    oom_killed: bool = False
    """Whether it was killed for using more memory than it may."""

    reason: str = ""
    """Why it is in this state, as one word for programs, like ShimLost."""

    message: str = ""
    """Why it is in this state, as one line for people."""

    restart_attempts: int = 0
    """How often in a row kukeond has started it again, or failed to pull its image; decides how long it waits now."""

    next_restart: Time | None = None
    """When kukeond will start it again."""

    image_digest: str = ""
    """The digest of what its image's name stood for when it was made."""


class ContainerDoc(Model):
    """A container of a cell, with its place: the parents' names stand in its spec."""

    api_version: ClassVar[str] = API_VERSION
    kind: ClassVar[str] = "Container"

    metadata: Metadata
    """Name and labels."""

    spec: ContainerSpec
    """Where the container is, what it runs and how."""

    status: ContainerStatus | None = None
    """What was last seen of the container; set by the server."""
