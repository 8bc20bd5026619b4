"""What the runner asks of a host: everything that `execute` does and `observe` sees, by what it is about.

Making and ending are idempotent: making what is there and ending what is gone both succeed. Errors are those of
`kukeon_api.errors`; a program that refuses is a HostError with its words.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
    from ipaddress import IPv4Network

    from kukeon_api import errors, image_ref, model
    from kukeon_api.ports import Port
    from kukeon_runner import observed, process_spec, steps
    from kukeon_runner.egress import Resolution
    from kukeon_runner.firewall import BridgeNet, Wall
    from kukeon_runner.host.registry.authority import Credentials
    from kukeon_runner.host.transfer.progress import Progress
    from kukeon_runner.members import Members


class Kernel(Protocol):
    """Cgroups, namespaces, mounts and files."""

    @property
    def cgroup_mode(self) -> str:
        """v2, hybrid or v1."""

    @property
    def nofile(self) -> int:
        """The most open files that a limit may allow."""

    @property
    def abilities(self) -> observed.Abilities:
        """What else can be said of this host once and for all."""

    async def make_cgroup(self, path: str) -> bool:
        """True when it was made."""

    async def cgroup_exists(self, path: str) -> bool: ...
    async def remove_cgroup(self, path: str) -> None:
        """Kill what is in it and remove it with everything below."""

    async def controllers(self, path: str) -> tuple[str, ...]: ...

    async def delegate(self, path: str, pid: int) -> None:
        """Let processes below the existing cgroup `path` manage what is below it: pass down all controllers that the
        host has, and move `pid`, the one process in it, into a leaf. Nothing to do where cgroups are v1."""

    async def pin_namespaces(self, directory: str, hostname: str, *, network: bool = True) -> None: ...
    async def unpin_namespaces(self, directory: str) -> None: ...
    async def pinned(self, directory: str) -> frozenset[str]:
        """Which of net, ipc and uts are pinned; empty unless at least the last two are."""

    async def mount_shm(self, path: str) -> None: ...
    async def unmount_shm(self, path: str) -> None: ...
    async def mounted(self, path: str) -> bool: ...

    async def mount_secrets(self, path: str) -> None: ...
    async def unmount_secrets(self, path: str) -> None: ...
    async def stage_secrets(
        self, directory: str, secrets: Sequence[model.ContainerSecret], owner: tuple[int, int]
    ) -> None:
        """Write each secret to a file of its name, readable by `owner` alone, in place of what was staged before.

        Raises SecretNotFound.
        """

    async def remove_secrets(self, directory: str) -> None: ...
    async def secret_text(self, secret: model.ContainerSecret) -> str:
        """The value for an environment variable. Raises SecretNotFound; Invalid when it is not text."""

    async def check_secret(self, secret: model.ContainerSecret) -> None:
        """Raises SecretNotFound when there is no value now."""

    async def device(self, path: str) -> observed.Device:
        """Raises DeviceNotFound, also for what is no device node."""

    async def devices(self) -> Sequence[observed.Device]:
        """All device nodes of the host, but those that a container has its own of."""

    async def read_bounded(self, path: str, limit_bytes: int) -> bytes:
        """A regular file that a manifest names. Raises Invalid when it is none, is longer, or cannot be read."""

    async def clear(self, root: str, parts: Sequence[str]) -> bool:
        """Unmount and remove everything below `root`/`parts`..., and the parents in between that are empty then.

        For what is left of pins and tmpfs when nobody knows any more what there was. True when something was there.
        """

    async def exists(self, path: str) -> bool: ...
    async def disk_use(self, path: str) -> observed.DiskUse | None:
        """How full the file system is that `path` lies on; None when unknown."""

    async def read_file(self, path: str) -> str:
        """Raises FileNotFoundError."""

    async def write_file(self, path: str, text: str) -> None:
        """Write in place, keeping the inode that containers may have bound."""

    async def resolv_conf(self) -> str:
        """The resolver configuration that suits a cell."""

    async def own_etc(self) -> tuple[str, str]:
        """The host's own hosts file and resolver configuration, empty where there is none."""


class Reservation(Protocol):
    """Ports that are about to be published."""

    @property
    def clash(self) -> Port | None:
        """One that another kukeon is about to publish; then nothing is reserved."""

    def release(self) -> None:
        """Twice is fine."""


class Network(Protocol):
    """CNI networks and the packet filter."""

    async def attach(self, conflist: str, container_id: str, netns: str) -> observed.Address: ...
    async def detach(self, conflist: str, container_id: str, netns: str) -> None: ...
    async def attachment(self, conflist: str, container_id: str) -> observed.Attachment:
        """The address held for `container_id`, if it is known, and whether anything is held at all."""

    async def attachments(self, conflist: str, container_ids: Collection[str]) -> Mapping[str, observed.Attachment]:
        """What `attachment` tells of each of these, at once."""

    async def routed(self) -> Sequence[IPv4Network]:
        """Networks that the host has routes to."""

    async def bridge_exists(self, bridge: str) -> bool: ...
    async def make_bridge(self, bridge: BridgeNet, network: str) -> None:
        """Have the bridge, marked as that of `network`, so that it is found again when all else is lost."""

    async def networks(self) -> Sequence[str]:
        """Names of the networks of which the host has anything: bridges, addresses or cached results."""

    async def holders(self, network: str) -> Sequence[str]:
        """Ids of the containers for which something is held in `network`, whether or not it is described anywhere."""

    async def remove(self, network: str, conflist: str, bridge: str) -> bool:
        """Remove what is left of a network without cells: bridge, addresses, cached results and the file itself.

        Goes by the names, whatever the file says. True when there was something.
        """

    @property
    def members(self) -> Members:
        """The cells that are attached, with their names and published ports."""

    async def apply_firewall(self, wall: Wall) -> None:
        """Make our table and our rules in other tables exactly what `wall` needs, with the ports of the members."""

    async def follow_firewall(self) -> NoReturn:
        """Put back what others change of our rules, until cancelled. Raises HostError where that cannot be seen."""

    async def taken(self, ports: Sequence[Port]) -> Mapping[Port, str]:
        """Those of `ports` that somebody else has on this host, a program or another kukeon, and who."""

    async def reserve(self, ports: Sequence[Port]) -> Reservation:
        """Keep other kukeons of this host from publishing `ports`, until it is released; says which one cannot be.

        What `taken` says of reserved ports stays true.
        """

    async def resolve(self, host: str) -> Resolution:
        """The IPv4 addresses of a name and for how long they hold. Raises HostError when it has none now."""


class Program(Protocol):
    """A program that runs in a container beside its own; see `host.program`, which says what each does."""

    @property
    def pid(self) -> int: ...
    async def read(self) -> tuple[str, Any] | None: ...
    def fail(self, error: errors.KukeonError) -> None: ...
    async def write(self, data: bytes) -> None: ...
    async def close_stdin(self) -> None: ...
    async def resize(self, rows: int, columns: int) -> None: ...
    async def signal(self, number: int) -> None: ...
    async def wait(self) -> observed.Exit: ...
    async def end(self) -> None: ...


class Containers(Protocol):
    """containerd's namespaces, records and tasks."""

    async def close(self) -> None:
        """Let go of containerd; twice is fine."""

    async def namespaces(self) -> Mapping[str, Mapping[str, str]]:
        """The labels of each namespace, whosever it is."""

    async def version(self) -> str:
        """containerd's version. Raises ConnectContainerd when it is away."""

    async def snapshotter(self) -> tuple[str, str]:
        """What keeps the files of containers, and in which directory ("" for one that does not say)."""

    async def namespace_exists(self, namespace: str) -> bool: ...
    async def create_namespace(self, namespace: str, labels: Mapping[str, str]) -> bool:
        """Make the containerd namespace unless it is there; True when it was made."""

    async def delete_namespace(self, namespace: str) -> None:
        """Drain the namespace of leases, images, snapshots and content, and delete it."""

    async def create(self, step: steps.CreateContainer) -> None: ...
    async def delete(self, namespace: str, id: str) -> None: ...
    async def owner(self, namespace: str, id: str) -> tuple[int, int]:
        """Who a recorded container runs as: uid and gid. Raises ContainerNotFound."""

    async def renew(self, step: steps.RenewContainer) -> None:
        """Raises ContainerNotFound."""

    async def fill_environment(self, namespace: str, id: str, values: Mapping[str, str]) -> None:
        """Have these variables in a recorded container's environment, in place of their namesakes."""

    async def find(self, namespace: str, id: str) -> observed.Container | None: ...
    async def survey(self, namespace: str) -> Mapping[str, observed.Container]:
        """What `find` would tell of every container of `namespace` that has a record or a snapshot, by id, at once.

        Parts of it are some milliseconds older than others: it tells that nothing is to be done, while whoever is about
        to change something looks with `find`, under the lock.
        """

    async def ids(self, namespace: str, labels: Mapping[str, str]) -> Sequence[str]:
        """Ids of all containers recorded in `namespace` that carry `labels`."""

    async def create_task(self, step: steps.CreateTask) -> int: ...
    async def start_task(self, namespace: str, id: str) -> None: ...
    async def stop_task(
        self, namespace: str, id: str, signal: str, grace_s: float, *, hang_up: bool = False
    ) -> observed.Exit | None: ...
    async def delete_task(self, namespace: str, id: str) -> observed.Exit | None: ...
    async def resize(self, namespace: str, id: str, rows: int, columns: int) -> None:
        """Tell the terminal of a task its size. Raises TaskNotFound."""

    async def exec_start(self, namespace: str, id: str, wanted: process_spec.Program) -> Program:
        """Run a program in container `id` beside its own.

        Raises TaskNotRunning, InvalidUser, Invalid when the container lacks the program or the directory.
        """

    async def end_abandoned(self, namespaces: Iterable[str]) -> None:
        """Clear away what a process which died has left: programs of `exec_start`, and in `namespaces` tasks and
        terminals that are half there."""

    async def wait_ready(self) -> None:
        """Wait until containerd answers, however long that takes."""

    def task_events(self) -> AsyncIterator[observed.TaskEvent]:
        """What happens to the tasks of all namespaces, as it happens. Ends with ConnectContainerd."""


class Images(Protocol):
    """The images of a containerd namespace."""

    async def find(self, namespace: str, ref: str) -> observed.Image:
        """Raises ImageNotFound."""

    async def list(self, namespace: str) -> Sequence[model.ImageInfo]: ...
    async def info(self, namespace: str, ref: str) -> model.ImageInfo:
        """Raises ImageNotFound."""

    async def delete(self, namespace: str, ref: str) -> None:
        """Raises ImageNotFound. Disk space is free again on return."""

    async def load(self, namespace: str, chunks: AsyncIterator[bytes], platform: str = "") -> Sequence[str]:
        """Import an archive and return the names of its images. `platform`: "" is the host's, `all` all that it has."""

    def save(
        self, namespace: str, refs: Sequence[str], platform: str, format_: str
    ) -> AsyncGenerator[tuple[bytes, int], None]:
        """An archive of images in pieces, each with the length of the whole. `format_` is oci or docker.

        Raises ImageNotFound, Conflict when part of one is missing, InvalidArchive for a platform that one is not for.
        """

    async def pull(
        self, namespace: str, ref: image_ref.ImageRef, platform: str, credentials: Credentials, progress: Progress
    ) -> tuple[str, int, bool]:
        """Have an image from its registry; its digest, its size in bytes, and whether its name pointed elsewhere.

        Raises the registry's errors, and ImageNotFound when it does not have the image.
        """

    async def digest(self, ref: image_ref.ImageRef, credentials: Credentials) -> str:
        """What an image's registry says that its name stands for; raises as `pull` does."""

    async def push(
        self,
        namespace: str,
        name: str,
        ref: image_ref.ImageRef,
        platform: str,
        credentials: Credentials,
        progress: Progress,
    ) -> tuple[str, int, bool]:
        """Have the image `name` at a registry as `ref`; results as of `pull`, for the name there.

        Raises ImageNotFound, Conflict when part of it is not here, the registry's errors.
        """

    async def tag(self, namespace: str, ref: str, name: str) -> str:
        """Have `name` point at what `ref` points at; its digest. Raises ImageNotFound."""

    async def prune(
        self, namespace: str, removable: Callable[[str], bool], *, dry_run: bool
    ) -> tuple[Sequence[model.PrunedImage], int]:
        """Remove images whose names are `removable`, and what killed loads have left; the second are the bytes freed.

        An image that some container was made from stays.
        """


class Host(Protocol):
    """All doors of one host."""

    @property
    def kernel(self) -> Kernel: ...
    @property
    def network(self) -> Network: ...
    @property
    def containers(self) -> Containers: ...
    @property
    def images(self) -> Images: ...
