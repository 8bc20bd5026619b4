"""Every path and every derived name of an instance, in one place, without touching the host.

Two rules hold for all of them. A name is checked before it becomes part of a path (a `Ref` can't be made of anything
else), so nothing a client sends can lead out of the directories below. And what is derived is injective: two resources
never share a path, a network or a shim, whatever they are called. Names are DNS labels, so whatever of ours stands
beside a directory named by a user contains a dot or an underscore.

Paths are plain strings: steps, specs and plugins take strings.
"""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kukeon_api import errors, names
from kukeon_api.model import Ref
from kukeon_runner import terminals

if TYPE_CHECKING:
    from kukeon_api.model import Kind
    from kukeon_runner.instance import Instance

RUNTIME_ROOT = "/run/kukeon"
"""On tmpfs: what lives here must not outlive a reboot. The default instance has it to itself; any other one has a
directory in it named by its id. An id is eight hex digits, so no fixed name below may be eight hex digits."""

_INSTANCE_ID = re.compile(r"[0-9a-f]{8}")
_SHARED_LOCK = ".claims.lock"

CONTAINERD_CGROUP_SUFFIX = "_containerd"
"""No cgroup root may end so, lest one instance's tree be another one's containerd."""

KUKETTY_CGROUP_SUFFIX = "_kuketty"
"""The same for the process that keeps its terminals."""

SOCKET_PATH_LIMIT = 107
"""sockaddr_un has room for 108 bytes with the final zero, unix(7)."""

_IDENTIFIER = re.compile(r"[A-Za-z0-9]+(?:[._-][A-Za-z0-9]+)*")
"""What containerd takes as a namespace or container id; two hyphens in a row are not."""

_INTERFACE_NAME_LIMIT = 15
_ETC_FILES = frozenset({"hosts", "hostname", "resolv.conf", "host-hosts", "host-resolv.conf"})


def instance_file(run_path: str) -> str:
    """The record of what the run path was made with."""
    return f"{run_path}/.kukeon-instance.json"


def run_path_lock(run_path: str) -> str:
    """The file whose flock says who may change the run path."""
    return f"{run_path}/.kukeon.lock"


def check_socket_path(path: str) -> str:
    """Return `path`, or raise Invalid when no unix socket can be bound or dialled there."""
    size = len(os.fsencode(path))
    if size > SOCKET_PATH_LIMIT:
        raise errors.Invalid(
            f"cannot use {path!r} as a unix socket: {size} bytes, the kernel takes {SOCKET_PATH_LIMIT}",
            hint="choose a shorter run path, or name the socket's place explicitly",
        )
    return path


def check_identifier(text: str, what: str) -> str:
    """Return `text`, or raise Invalid when containerd would refuse it as an identifier."""
    if len(text) > names.MAX_CONTAINERD_ID_LENGTH:
        raise errors.Invalid(
            f"cannot use {text!r} as {what}: {len(text)} characters, containerd takes {names.MAX_CONTAINERD_ID_LENGTH}",
            hint="choose shorter names",
        )
    if not _IDENTIFIER.fullmatch(text):
        raise errors.Invalid(
            f"cannot use {text!r} as {what}: containerd takes letters and digits with single '.', '_' or '-' between",
        )
    return text


def components(ref: Ref, *kinds: Kind) -> tuple[str, ...]:
    """The names on the way to `ref`; a Ref has checked them when it was made.

    Raises ValueError when `ref` is of none of `kinds`, which is a mistake of the caller.
    """
    if ref.kind not in kinds:
        raise ValueError(f"{str(ref)!r} is a {ref.kind}, not a {' or '.join(kinds)}")
    return ref.parts


@dataclass(frozen=True)
class Layout:
    """Where the instance keeps what, and what it calls things that the whole host sees."""

    instance: Instance
    runtime_root: str = RUNTIME_ROOT

    # The run path: what must survive a reboot.

    @property
    def run_path(self) -> str:
        return self.instance.run_path

    @property
    def instance_file(self) -> str:
        return instance_file(self.run_path)

    @property
    def lock_file(self) -> str:
        return run_path_lock(self.run_path)

    @property
    def data(self) -> str:
        """The root of the resources' tree; nothing but realms is in it."""
        return f"{self.run_path}/data"

    def directory(self, ref: Ref) -> str:
        """The directory of any resource. A container's is inside its cell's and holds its log, no document."""
        return "/".join((self.data, *ref.parts))

    def realm_dir(self, ref: Ref) -> str:
        return "/".join((self.data, *components(ref, "Realm")))

    def space_dir(self, ref: Ref) -> str:
        return "/".join((self.data, *components(ref, "Space")))

    def stack_dir(self, ref: Ref) -> str:
        return "/".join((self.data, *components(ref, "Stack")))

    def cell_dir(self, ref: Ref) -> str:
        return "/".join((self.data, *components(ref, "Cell")))

    def container_dir(self, ref: Ref) -> str:
        return "/".join((self.data, *components(ref, "Container")))

    def metadata(self, ref: Ref) -> str:
        """The document of a realm, space, stack or cell; a container's is part of its cell's."""
        return "/".join((self.data, *components(ref, "Realm", "Space", "Stack", "Cell"), "metadata.json"))

    def conflist(self, ref: Ref) -> str:
        """The CNI network configuration list of a space."""
        return f"{self.space_dir(ref)}/network.conflist"

    def subnet_file(self, ref: Ref) -> str:
        """The record of the subnet that a space was given."""
        return f"{self.space_dir(ref)}/network.json"

    def etc_file(self, ref: Ref, name: str) -> str:
        """A cell's own /etc/`name`, which all its containers see; `host-...` for those on the host's network.

        Begins with a dot: containers' directories stand beside it, and one may be called `etc-hosts`.
        """
        if name not in _ETC_FILES:
            raise ValueError(f"no cell has a file {name!r} of its own")
        return f"{self.cell_dir(ref)}/.etc-{name}"

    def container_log(self, ref: Ref) -> str:
        return f"{self.container_dir(ref)}/log"

    def container_capture(self, ref: Ref) -> str:
        """What the terminal of an attachable container showed."""
        return f"{self.container_dir(ref)}/tty/capture"

    @property
    def pause_dir(self) -> str:
        """Not below /run, which Debian mounts noexec."""
        return f"{self.run_path}/pause"

    @property
    def pause_rootfs(self) -> str:
        """The read-only root file system of all root containers of ours."""
        return f"{self.pause_dir}/rootfs"

    # The runtime directory: what a reboot clears.

    @property
    def runtime_dir(self) -> str:
        return f"{self.runtime_root}/{self.instance.id}" if self.instance.id else self.runtime_root

    def owns_runtime_entry(self, name: str) -> bool:
        """Whether the entry `name` of the runtime directory is this instance's; others may have theirs in it."""
        return bool(self.instance.id) or not (_INSTANCE_ID.fullmatch(name) or name == _SHARED_LOCK)

    @property
    def shared_lock(self) -> str:
        """The file whose locks keep instances of one host apart while they claim something; it is nobody's own."""
        return f"{self.runtime_root}/{_SHARED_LOCK}"

    @property
    def owner_file(self) -> str:
        """Says which run path the runtime directory belongs to."""
        return f"{self.runtime_dir}/.instance.json"

    @property
    def kukeond_socket(self) -> str:
        """Where kukeond listens unless told otherwise: clients look in /run for the default instance only."""
        directory = self.run_path if self.instance.id else self.runtime_dir
        return check_socket_path(f"{directory}/kukeond.sock")

    @property
    def pid_file(self) -> str:
        return f"{self.kukeond_socket.removesuffix('.sock')}.pid"

    def pins(self, ref: Ref) -> str:
        """The directory in which a cell's namespaces are pinned as `net`, `ipc` and `uts`."""
        return "/".join((self.runtime_dir, "ns", *components(ref, "Cell")))

    def netns(self, ref: Ref) -> str:
        return f"{self.pins(ref)}/net"

    def shm(self, ref: Ref) -> str:
        """The mountpoint of the tmpfs that a cell's containers share as /dev/shm."""
        return "/".join((self.runtime_dir, "shm", *components(ref, "Cell")))

    def secrets(self, ref: Ref) -> str:
        """The mountpoint of the tmpfs with the secrets of a cell's containers, a directory for each by its id."""
        return "/".join((self.runtime_dir, "secrets", *components(ref, "Cell")))

    @property
    def programs(self) -> str:
        """Where the streams of programs are that run in containers beside their own, a directory for each."""
        return f"{self.runtime_dir}/exec"

    @property
    def cni_cache(self) -> str:
        """Results of CNI ADD. They describe namespaces and links, so they may not outlive those."""
        return f"{self.runtime_dir}/cni/cache"

    @property
    def cni_data(self) -> str:
        """host-local's `dataDir`; it keeps a directory per network in it, see `ipam`."""
        return f"{self.runtime_dir}/cni/networks"

    @property
    def names_file(self) -> str:
        """What the names in egress policies were when they were last looked up."""
        return f"{self.runtime_dir}/cni/names.json"

    def ipam(self, ref: Ref) -> str:
        """The addresses in use in a space's network, a file each."""
        return f"{self.cni_data}/{self.network(ref)}"

    # The terminals of containers.

    @property
    def terminals(self) -> str:
        """Their sockets and FIFOs, and what kuketty must know of them after its own restart."""
        return f"{self.runtime_dir}/tty"

    def terminal_socket(self, ref: Ref) -> str:
        """Where clients reach the terminal of a container."""
        return check_socket_path(f"{self.terminals}/{terminals.name(ref)}.sock")

    @property
    def kuketty_socket(self) -> str:
        """What kukeond talks to kuketty through; its pid file and configuration stand beside it."""
        return check_socket_path(f"{self.runtime_dir}/kuketty.sock")

    @property
    def kuketty_log(self) -> str:
        return f"{self.run_path}/kuketty.log"

    @property
    def kuketty_cgroup(self) -> str:
        """Beside the cells' tree, like containerd's: it outlives kukeond."""
        return f"{self.cgroup_root}{KUKETTY_CGROUP_SUFFIX}"

    # The embedded containerd.

    @property
    def containerd_root(self) -> str:
        return f"{self.run_path}/containerd"

    @property
    def containerd_state(self) -> str:
        return f"{self.runtime_dir}/containerd/state"

    @property
    def containerd_socket(self) -> str:
        """Short, since containerd derives further socket names from it."""
        return check_socket_path(f"{self.runtime_dir}/containerd/containerd.sock")

    @property
    def containerd_config(self) -> str:
        return f"{self.runtime_dir}/containerd/config.toml"

    @property
    def containerd_pid_file(self) -> str:
        return f"{self.runtime_dir}/containerd/containerd.pid"

    @property
    def containerd_log(self) -> str:
        return f"{self.run_path}/containerd.log"

    @property
    def containerd_cgroup(self) -> str:
        """Beside the cells' tree: containerd outlives kukeond, and is no part of what a realm's limits are about."""
        return f"{self.cgroup_root}{CONTAINERD_CGROUP_SUFFIX}"

    # Names that others on the host see.

    def namespace(self, realm: str, override: str | None = None) -> str:
        """The containerd namespace of a realm: what its spec says, or `<realm>.<suffix>`."""
        if override:
            return check_identifier(override, f"the containerd namespace of realm {realm!r}")
        names.check_name(realm, "Realm")
        return check_identifier(f"{realm}.{self.instance.namespace_suffix}", "a containerd namespace")

    def realm_of(self, namespace: str) -> str | None:
        """The realm that a containerd namespace was derived from, None when it is not this instance's.

        What precedes the suffix must be one name: `a.b.kukeon.io` belongs to an instance whose suffix is `b.kukeon.io`.
        """
        realm, dot, _ = namespace.rpartition(f".{self.instance.namespace_suffix}")
        derived = bool(dot) and namespace == f"{realm}.{self.instance.namespace_suffix}"
        return realm if derived and names.is_name(realm) else None

    def shim_group(self, ref: Ref) -> str:
        """The value of containerd's group annotation: containers of one cell share one shim."""
        _, *rest = components(ref, "Cell")
        return "_".join(rest)

    def network(self, ref: Ref) -> str:
        """The CNI network name of a space, unique on the host: no name has an underscore, so no two join alike."""
        parts = components(ref, "Space")
        return "_".join((self.instance.id, *parts) if self.instance.id else parts)

    def space_of(self, network: str) -> Ref | None:
        """The space that a CNI network was named after, None when it is not this instance's."""
        own, parts = ([self.instance.id] if self.instance.id else []), network.split("_")
        if len(parts) != len(own) + 2 or parts[: len(own)] != own or not all(map(names.is_name, parts)):
            return None
        return Ref(*parts[len(own) :])

    def bridge(self, ref: Ref) -> str:
        """The bridge of a space: a hash, since the kernel takes 15 bytes. `instance.check_bridges` finds collisions."""
        key = "\0".join((self.instance.id, *components(ref, "Space")))
        name = f"k-{hashlib.sha256(key.encode()).hexdigest()[:10]}"
        assert len(name) <= _INTERFACE_NAME_LIMIT
        return name

    @property
    def nft_table(self) -> str:
        return f"kukeon_{self.instance.id}" if self.instance.id else "kukeon"

    @property
    def cgroup_root(self) -> str:
        return self.instance.cgroup_root

    def cgroup(self, ref: Ref) -> str:
        """The cgroup of a realm, space, stack or cell, relative to the mountpoint of the hierarchy."""
        parts = components(ref, "Realm", "Space", "Stack", "Cell")
        return "/".join((self.cgroup_root, *map(_cgroup_component, parts)))

    def container_cgroup(self, cell: Ref, containerd_id: str) -> str:
        """The cgroup of one container inside its cell's."""
        if not _IDENTIFIER.fullmatch(containerd_id):
            raise errors.Invalid(f"cannot use {containerd_id!r} as a container id")
        return f"{self.cgroup(cell)}/{_cgroup_component(containerd_id)}"


def _cgroup_component(name: str) -> str:
    # Every cgroup v1 directory has a file `tasks`, which is the one name of the kernel's that a user may also choose.
    # An underscore is in no name, so nothing else becomes this.
    return "tasks_" if name == "tasks" else name
