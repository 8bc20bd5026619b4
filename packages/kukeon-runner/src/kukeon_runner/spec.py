"""The OCI runtime specification of a container.

Pure: the same inputs give the same document. Field names are the OCI runtime specification's, version 1.0.2, which
every runc and crun in use reads.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from kukeon_api import model, normalise
from kukeon_runner import observed, oci_mounts, seccomp

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OCI_VERSION = "1.0.2"
DEFAULT_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PAUSE_ARGS = ("/kukepause",)

CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
"""What a container starts with: enough to install packages and serve low ports; no raw sockets, no device nodes."""

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/scsi",
    "/proc/sched_debug",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

TERMINAL_SIZE = {"height": 24, "width": 80}
"""Until somebody who attaches has another one."""
TERMINAL_TYPE = "TERM=xterm-256color"
"""What nearly every terminal today understands; the image and the manifest may say otherwise."""
TERMINAL_TARGET = "/run/kukeon/tty"

TRUE = frozenset({"1", "t", "true"})
"""Spellings of true in a security option."""

SHIM_GROUP = "io.containerd.runc.v2.group"
"""Containers that carry the same value share one shim process (containerd, runtime v2 documentation)."""


@dataclass(frozen=True)
class Place:
    """What a container's document takes from the cell and the host around it: finished names and host paths."""

    cgroup: str
    pins: str
    shm: str
    etc: Mapping[str, str]
    """Files of the cell that containers see under /etc, by their name there."""
    group: str
    variables: Mapping[str, str]
    cgroup_files: bool
    """Whether to show the container its own cgroup at /sys/fs/cgroup (one mount on v2, a dozen on v1)."""
    nofile: int
    """Limit of open files, at most what the daemon itself may set."""
    host: observed.Abilities = field(default_factory=observed.Abilities)
    memory_limit_bytes: int = 0
    """Of containers that say nothing of memory; 0 is none."""
    secrets: str = ""
    """Directory in which the container's secrets are staged."""
    host_etc: Mapping[str, str] = field(default_factory=dict)
    """In place of `etc` for a container on the host's network."""
    nested: bool = False
    """Whether programs inside may manage cgroups below the container's own."""
    terminal: str = ""
    """Directory in which what its terminal shows is kept, which an attachable container may read."""


def pause(place: Place, container_id: str, *, networked: bool = True) -> dict[str, Any]:
    """The root container of a cell that names none of its own: it holds nothing and may do nothing.

    It has no seccomp profile: the program takes no input and makes three system calls, and a filter costs time.
    """
    document = _skeleton(place, container_id, networked=networked)
    document["process"] |= {"args": list(PAUSE_ARGS), "env": [], "cwd": "/"}
    document["root"] = {"path": "rootfs", "readonly": True}
    # runc makes device nodes in /dev, which a read-only root refuses, so even this one gets a tmpfs there.
    document["mounts"] = [
        oci_mounts.mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        oci_mounts.mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=64k"),
    ]
    document["process"]["user"] = {"uid": 65534, "gid": 65534}
    return document


def container(
    place: Place,
    container_id: str,
    wanted: model.ContainerSpec,
    image: observed.Image,
    found: observed.Found = observed.Found(),  # noqa: B008 - a frozen value
) -> dict[str, Any]:
    """A container made from `image` as `wanted` says, complete but for `process.user`.

    `found` is what there is on the host of what it names.
    """
    document = _skeleton(place, container_id, networked=not wanted.host_network)
    process, linux = document["process"], document["linux"]
    process |= {
        "args": list(arguments(wanted, image)),
        "env": environment(image.env, place.variables, wanted.env),
        "cwd": wanted.working_dir or image.working_dir or "/",
    }
    caps = granted(wanted, place.host)
    # As with Docker: neither inheritable (a file's inheritable bits would bring them back, CVE-2022-24769) nor ambient,
    # so a program that is not root has none.
    process["capabilities"] = {kind: caps for kind in ("bounding", "effective", "permitted")}
    options = dict(map(_option, wanted.security_opts or ()))
    unsaid = "false" if wanted.privileged else "true"
    process["noNewPrivileges"] = options.get("no-new-privileges", unsaid).lower() in TRUE
    if (profile := _seccomp(options.get("seccomp", ""), wanted, found, caps, place.host.machine)) is not None:
        linux["seccomp"] = profile
    if wanted.privileged:
        linux["maskedPaths"], linux["readonlyPaths"] = [], []
    left_out = {"pid"} if wanted.host_pid else set()
    left_out |= {"cgroup"} if wanted.host_cgroup else set()
    linux["namespaces"] = [each for each in linux["namespaces"] if each["type"] not in left_out]
    document["root"] = {"path": "rootfs", "readonly": bool(wanted.read_only_root_filesystem)}
    document["mounts"] = _mounts(place, wanted)
    if wanted.attachable:
        process |= {"terminal": True, "consoleSize": dict(TERMINAL_SIZE)}
        process["env"] = environment((TERMINAL_TYPE, *image.env), place.variables, wanted.env)
        document["mounts"].append(oci_mounts.mount(TERMINAL_TARGET, "bind", place.terminal, "rbind", "rprivate", "ro"))
    linux["resources"] |= resources(wanted.resources, place.memory_limit_bytes)
    _add_devices(linux, found.devices, every=wanted.privileged)
    return document


def arguments(wanted: model.ContainerSpec, image: observed.Image) -> tuple[str, ...]:
    """The command line: `command` replaces the image's entrypoint and default arguments, `args` only the latter."""
    if wanted.command:
        return (wanted.command, *wanted.args)
    return (*image.entrypoint, *(wanted.args or image.cmd))


def environment(image: Iterable[str], generated: Mapping[str, str], own: Iterable[str]) -> list[str]:
    """`KEY=VALUE` entries, later sources winning: the default PATH, the image, ours, the manifest's."""
    merged: dict[str, str] = {}
    for entry in (DEFAULT_PATH, *image, *(f"{key}={value}" for key, value in generated.items()), *own):
        merged[entry.partition("=")[0]] = entry
    return list(merged.values())


def capabilities(wanted: model.Capabilities | None, start: Iterable[str]) -> list[str]:
    """The capability set from `start` on after `drop` (where ALL empties it), then `add`."""
    granted = set(start)
    if wanted is not None:
        dropped = {capability(each) for each in wanted.drop or ()}
        granted = set() if "CAP_ALL" in dropped else granted - dropped
        granted |= {capability(each) for each in wanted.add or ()}
    return sorted(granted)


def capability(name: str) -> str:
    """The kernel's spelling: `net_raw` is CAP_NET_RAW."""
    upper = name.strip().upper()
    return upper if upper.startswith("CAP_") else f"CAP_{upper}"


def resources(wanted: model.Resources | None, memory_limit_bytes: int = 0) -> dict[str, Any]:
    """Limits as the runtime writes them; only positive values take effect.

    `memory_limit_bytes` holds where the manifest says nothing of memory; a 0 there says that there is no limit.
    """
    found: dict[str, Any] = {}
    stated = wanted.memory_limit_bytes if wanted is not None else None
    if memory := memory_limit_bytes if stated is None else stated:
        found["memory"] = {"limit": memory}
    if wanted is None:
        return found
    if wanted.cpu_shares:
        found["cpu"] = {"shares": wanted.cpu_shares}
    if wanted.pids_limit:
        found["pids"] = {"limit": wanted.pids_limit}
    return found


def granted(wanted: model.ContainerSpec, host: observed.Abilities) -> list[str]:
    """The capabilities of a container; a privileged one starts from all that there are to give."""
    return capabilities(wanted.capabilities, host.capabilities if wanted.privileged else CAPABILITIES)


def seccomp_file(wanted: model.ContainerSpec) -> str:
    """The path of the seccomp profile that the container brings along; empty when it brings none."""
    chosen = dict(map(_option, wanted.security_opts or ())).get("seccomp", "")
    return chosen if chosen.startswith("/") else ""


def _option(text: str) -> tuple[str, str]:
    """A security option and its value, `true` where it has none: `no-new-privileges:true`, `seccomp=/p`."""
    name, separator, value = normalise.security_opt(text).partition("=")
    return name, value if separator else "true"


def _seccomp(
    chosen: str, wanted: model.ContainerSpec, found: observed.Found, caps: Iterable[str], machine: str
) -> Mapping[str, Any] | None:
    if chosen.startswith("/"):
        return found.seccomp
    if chosen == "unconfined" or wanted.privileged:
        return None
    return seccomp.profile(set(caps), machine)


def _add_devices(linux: dict[str, Any], devices: Iterable[observed.Device], *, every: bool) -> None:
    """Have the nodes in the container's /dev, and the leave to use them; `every` is the leave to use any, as root."""
    rules = linux["resources"]["devices"]
    if every:
        rules.append({"allow": True, "access": "rwm"})
    for each in devices:
        numbers = {"type": each.kind, "major": each.major, "minor": each.minor}
        linux.setdefault("devices", []).append(
            {"path": each.path, **numbers, "fileMode": each.mode, "uid": each.uid, "gid": each.gid}
        )
        if not every:
            rules.append({"allow": True, **numbers, "access": "rwm"})


def _skeleton(place: Place, container_id: str, *, networked: bool) -> dict[str, Any]:
    network = [{"type": "network", "path": f"{place.pins}/net"}] if networked else []
    return {
        "ociVersion": OCI_VERSION,
        "process": {
            "noNewPrivileges": True,
            "rlimits": [{"type": "RLIMIT_NOFILE", "hard": place.nofile, "soft": min(1024, place.nofile)}],
        },
        "linux": {
            "cgroupsPath": f"{place.cgroup}/{container_id}",
            # No hostname here: in a joined uts namespace it would rename the whole cell.
            "namespaces": [
                {"type": "pid"},
                {"type": "mount"},
                {"type": "cgroup"},
                *network,
                {"type": "ipc", "path": f"{place.pins}/ipc"},
                {"type": "uts", "path": f"{place.pins}/uts"},
            ],
            "resources": {"devices": [{"allow": False, "access": "rwm"}]},
            "maskedPaths": list(MASKED_PATHS),
            "readonlyPaths": list(READONLY_PATHS),
        },
        "annotations": {SHIM_GROUP: place.group},
    }


def _mounts(place: Place, wanted: model.ContainerSpec) -> list[dict[str, Any]]:
    managing = place.nested or wanted.privileged
    cgroup = "rw" if managing else "ro" if place.cgroup_files else ""
    return [
        *oci_mounts.kernel(place.shm, privileged=wanted.privileged, cgroup=cgroup),
        *oci_mounts.outer_first(
            [
                *oci_mounts.etc(place.host_etc if wanted.host_network else place.etc),
                *(oci_mounts.tmpfs(each) for each in wanted.tmpfs or ()),
                *(oci_mounts.volume(each, recursive=place.host.recursive_read_only) for each in wanted.volumes),
                *oci_mounts.secrets(place.secrets, wanted.secrets),
            ]
        ),
    ]
