"""The OCI runtime specification of a container.

Pure: the same inputs give the same document. Field names are the OCI runtime specification's, version 1.0.2, which
every runc and crun in use reads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kukeon_api import model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from kukeon_runner import observed

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

SHIM_GROUP = "io.containerd.runc.v2.group"
"""Containers that carry the same value share one shim process (containerd, runtime v2 documentation)."""


@dataclass(frozen=True)
class Place:
    """What a container's document takes from the cell around it: finished names and host paths."""

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


def pause(place: Place, container_id: str) -> dict[str, Any]:
    """The root container of a cell that names none of its own: it holds nothing and may do nothing."""
    document = _skeleton(place, container_id)
    document["process"] |= {"args": list(PAUSE_ARGS), "env": [], "cwd": "/"}
    document["root"] = {"path": "rootfs", "readonly": True}
    # runc makes device nodes in /dev, which a read-only root refuses, so even this one gets a tmpfs there.
    document["mounts"] = [
        _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=64k"),
    ]
    document["process"]["user"] = {"uid": 65534, "gid": 65534}
    return document


def container(place: Place, container_id: str, wanted: model.ContainerSpec, image: observed.Image) -> dict[str, Any]:
    """A container made from `image` as `wanted` says, complete but for `process.user`."""
    document = _skeleton(place, container_id)
    process = document["process"]
    process |= {
        "args": list(arguments(wanted, image)),
        "env": environment(image.env, place.variables, wanted.env),
        "cwd": wanted.working_dir or image.working_dir or "/",
    }
    granted = capabilities(wanted.capabilities)
    process["capabilities"] = {kind: granted for kind in ("bounding", "effective", "permitted")}
    document["root"] = {"path": "rootfs", "readonly": bool(wanted.read_only_root_filesystem)}
    document["mounts"] = _mounts(place, wanted)
    for option in wanted.security_opts or ():
        name, _, value = option.replace(":", "=", 1).partition("=")
        if name == "no-new-privileges":
            process["noNewPrivileges"] = value.lower() != "false"
    document["linux"]["resources"] |= resources(wanted.resources)
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


def capabilities(wanted: model.Capabilities | None) -> list[str]:
    """The capability set after `drop` (where ALL empties it), then `add`."""
    granted = set(CAPABILITIES)
    if wanted is not None:
        dropped = {capability(each) for each in wanted.drop or ()}
        granted = set() if "CAP_ALL" in dropped else granted - dropped
        granted |= {capability(each) for each in wanted.add or ()}
    return sorted(granted)


def capability(name: str) -> str:
    """The kernel's spelling: `net_raw` is CAP_NET_RAW."""
    upper = name.strip().upper()
    return upper if upper.startswith("CAP_") else f"CAP_{upper}"


def resources(wanted: model.Resources | None) -> dict[str, Any]:
    """Limits as the runtime writes them; only positive values take effect."""
    found: dict[str, Any] = {}
    if wanted is None:
        return found
    if wanted.memory_limit_bytes:
        found["memory"] = {"limit": wanted.memory_limit_bytes}
    if wanted.cpu_shares:
        found["cpu"] = {"shares": wanted.cpu_shares}
    if wanted.pids_limit:
        found["pids"] = {"limit": wanted.pids_limit}
    return found


def _skeleton(place: Place, container_id: str) -> dict[str, Any]:
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
                {"type": "network", "path": f"{place.pins}/net"},
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
    mounts = [
        _mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        _mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        _mount(
            "/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"
        ),
        _mount("/dev/shm", "bind", place.shm, "rbind", "rprivate", "nosuid", "noexec", "nodev"),  # noqa: S108 - in it
        _mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        _mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "ro"),
    ]
    if place.cgroup_files:
        mounts.append(_mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", "ro"))
    mounts += [
        _mount(f"/etc/{name}", "bind", path, "rbind", "rprivate", "ro") for name, path in sorted(place.etc.items())
    ]
    mounts += [_tmpfs(each.path, each.size_bytes, each.options or ()) for each in wanted.tmpfs or ()]
    mounts += [_volume(each) for each in wanted.volumes]
    return mounts


def _volume(volume: model.VolumeMount) -> dict[str, Any]:
    access = "ro" if volume.read_only else "rw"
    if volume.kind == model.VolumeKind.TMPFS:
        options = (access,) if not volume.mode else (access, f"mode={volume.mode:04o}")
        return _tmpfs(volume.target, volume.size_bytes, options)
    return _mount(volume.target, "bind", volume.source, "rbind", "rprivate", access)


def _tmpfs(path: str, size_bytes: int | None, options: Sequence[str]) -> dict[str, Any]:
    size = (f"size={size_bytes}",) if size_bytes else ()
    return _mount(path, "tmpfs", "tmpfs", "nosuid", "nodev", *size, *options)


def _mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}
