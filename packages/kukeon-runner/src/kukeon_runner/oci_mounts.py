"""The mounts of a container, as the OCI runtime specification has them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import model

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def kernel(shm: str, *, privileged: bool, cgroup: str) -> list[dict[str, Any]]:
    """What the kernel shows: processes, devices, memory to share.

    `cgroup` is "ro" or "rw" where the container sees its cgroups at /sys/fs/cgroup, else empty.
    """
    mounts = [
        mount("/proc", "proc", "proc", "nosuid", "noexec", "nodev"),
        mount("/dev", "tmpfs", "tmpfs", "nosuid", "strictatime", "mode=755", "size=65536k"),
        mount("/dev/pts", "devpts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"),
        mount("/dev/shm", "bind", shm, "rbind", "rprivate", "nosuid", "noexec", "nodev"),  # noqa: S108 - in it
        mount("/dev/mqueue", "mqueue", "mqueue", "nosuid", "noexec", "nodev"),
        mount("/sys", "sysfs", "sysfs", "nosuid", "noexec", "nodev", "rw" if privileged else "ro"),
    ]
    if cgroup:
        mounts.append(mount("/sys/fs/cgroup", "cgroup", "cgroup", "nosuid", "noexec", "nodev", "relatime", cgroup))
    return mounts


def etc(files: Mapping[str, str]) -> list[dict[str, Any]]:
    """The files of a cell that its containers see under /etc, by their name there."""
    return [mount(f"/etc/{name}", "bind", path, "rbind", "rprivate", "ro") for name, path in sorted(files.items())]


def tmpfs(wanted: model.Tmpfs) -> dict[str, Any]:
    return _tmpfs(wanted.path, wanted.size_bytes, wanted.options)


def volume(wanted: model.VolumeMount, *, recursive: bool) -> dict[str, Any]:
    """A bind or a tmpfs. `recursive` makes what is mounted below a read-only source read-only, too.

    Propagation is private both ways: what either side mounts there later stays its own.
    """
    access: tuple[str, ...] = ("ro",) if wanted.read_only else ("rw",)
    if wanted.kind is model.VolumeKind.TMPFS:
        return _tmpfs(
            wanted.target, wanted.size_bytes, access if not wanted.mode else (*access, f"mode={wanted.mode:04o}")
        )
    if wanted.read_only and recursive:
        # With "ro" as well, for runtimes that know no "rro" and hand it to the kernel, which ignores it for a bind.
        access = ("ro", "rro")
    return mount(wanted.target, "bind", wanted.source, "rbind", "rprivate", *access)


def secrets(directory: str, wanted: Iterable[model.ContainerSecret]) -> list[dict[str, Any]]:
    """The secrets that are to be files, staged in `directory` by their names."""
    return [
        mount(
            each.mount_path, "bind", f"{directory}/{each.name}", "bind", "rprivate", "ro", "nosuid", "noexec", "nodev"
        )
        for each in wanted
        if each.mount_path
    ]


def outer_first(mounts: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """`mounts` in an order in which none hides another; it is kept among those of the same depth.

    They are mounted one after the other, so that a tmpfs on /etc after the bind of /etc/hosts would hide that.
    """
    return sorted(mounts, key=lambda each: each["destination"].rstrip("/").count("/"))


def mount(destination: str, kind: str, source: str, *options: str) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source, "options": list(options)}


def _tmpfs(path: str, size_bytes: int | None, options: Sequence[str]) -> dict[str, Any]:
    size = (f"size={size_bytes}",) if size_bytes else ()
    return mount(path, "tmpfs", "tmpfs", "nosuid", "nodev", *size, *options)
