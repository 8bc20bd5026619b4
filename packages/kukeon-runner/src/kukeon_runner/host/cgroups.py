"""The host's cgroups, whatever their version: one path means the same group in every hierarchy.

Rule: a path is absolute, normalised and below the root, or it is refused; nothing outside it is ever created, signalled
or removed (except enabling controllers in its ancestors, which cgroup v2 demands).  Functions are synchronous and may
wait for processes to end: call them on a thread.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from kukeon_api import errors
from kukeon_runner.host import cgroups_tree, mounts
from kukeon_runner.host.cgroups_v1 import Legacy
from kukeon_runner.host.cgroups_v2 import Unified

Mode = Literal["v2", "hybrid", "v1"]

DEFAULT_ROOT = Path("/sys/fs/cgroup")
_MOUNTINFO = Path("/proc/self/mountinfo")


class Hierarchy(Protocol):
    """One mounted cgroup file system."""

    @property
    def mountpoint(self) -> Path: ...
    def place(self, parts: tuple[str, ...]) -> Path: ...
    def ensure(self, parts: tuple[str, ...], *, leaf: bool) -> bool: ...
    def attach(self, parts: tuple[str, ...], pid: int) -> None: ...
    def kill(self, parts: tuple[str, ...], deadline: float) -> None: ...
    def controllers(self, parts: tuple[str, ...]) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class Cgroups:
    """All hierarchies of a host.  `mode` is "v2", "v1", or "hybrid" for v1 controllers with a v2 tree beside."""

    mode: Mode
    hierarchies: tuple[Hierarchy, ...]

    @classmethod
    def detect(cls, root: str | Path = DEFAULT_ROOT, mountinfo: str | Path = _MOUNTINFO) -> Cgroups:
        """Find what is mounted at or below `root`.  Raises HostError when that is no cgroup file system."""
        hierarchies = _mounted(Path(root), Path(mountinfo).read_text(errors="surrogateescape"))
        unified = [found for found in hierarchies if isinstance(found, Unified)]
        legacy = [found for found in hierarchies if isinstance(found, Legacy)]
        if not hierarchies:
            raise errors.HostError(
                f"cannot find cgroups: none are mounted at {str(root)!r}", hint=f"mount -t cgroup2 cgroup2 {root}"
            )
        mode: Mode = "v2" if not legacy else "hybrid" if unified else "v1"
        return cls(mode, (*unified, *legacy))

    def ensure(self, path: str, *, leaf: bool = False) -> bool:
        """Create `path` and its ancestors where they are missing; True when `path` itself was missing anywhere.

        Controllers are enabled down to the children of `path`, or with `leaf` down to `path`: only a leaf may hold
        processes under cgroup v2.  A controller that cannot be had is logged and left out.
        """
        parts = cgroups_tree.check_path(path)
        return any([hierarchy.ensure(parts, leaf=leaf) for hierarchy in self.hierarchies])

    def exists(self, path: str) -> bool:
        """Tell whether the group is there in every hierarchy."""
        parts = cgroups_tree.check_path(path)
        # As text: asked of every cell in every pass, where pathlib takes most of the time.
        below = "/".join(parts)
        tops = (f"{hierarchy.mountpoint}/{below}" for hierarchy in self.hierarchies)
        return all(os.path.isdir(top) for top in tops)  # noqa: PTH112 - as said above

    def processes(self, path: str) -> tuple[int, ...]:
        """Return the pids in the group and below, in any hierarchy, in order; empty when it is absent."""
        parts = cgroups_tree.check_path(path)
        found: set[int] = set()
        for hierarchy in self.hierarchies:
            found |= cgroups_tree.processes(hierarchy.place(parts))
        return tuple(sorted(found))

    def attach(self, path: str, pid: int) -> None:
        """Move one process into the existing group `path`, which must be a leaf."""
        parts = cgroups_tree.check_path(path)
        for hierarchy in self.hierarchies:
            hierarchy.attach(parts, pid)

    def delegate(self, path: str, pid: int) -> None:
        """Hand the group `path` to `pid`, the one process in it, to make groups of its own in.

        Under cgroup v2 every controller that the host has is passed down as far as `path`, and the process moves to a
        leaf below, since a group that passes controllers on may hold none. v1 has no such rule. A process that has
        ended meanwhile is no trouble. Raises HostError.
        """
        parts = cgroups_tree.check_path(path)
        for hierarchy in self.hierarchies:
            if isinstance(hierarchy, Unified) and self.mode == "v2":
                hierarchy.delegate(parts, pid)

    def process_files(self, path: str) -> tuple[Path, ...]:
        """Return the files into which a process writes its pid to join the group, one for each hierarchy."""
        parts = cgroups_tree.check_path(path)
        return tuple(hierarchy.place(parts) / "cgroup.procs" for hierarchy in self.hierarchies)

    def kill(self, path: str, *, timeout_s: float = 10.0) -> None:
        """Kill every process in the group and below and wait until they are gone; an absent group has none.

        Raises HostError when some are left after `timeout_s` (they hang in the kernel).
        """
        parts = cgroups_tree.check_path(path)
        deadline = time.monotonic() + timeout_s
        # The freezer goes first: it also holds what the others list, and what was left frozen dies nowhere else.
        for hierarchy in sorted(self.hierarchies, key=_kill_order):
            hierarchy.kill(parts, deadline)
        left = self.processes(path)
        if left:
            raise errors.HostError(
                f"cannot kill the processes of cgroup {path!r}: "
                f"{len(left)} left after {timeout_s:g} s, first pid {left[0]}",
                hint="a process that survives SIGKILL hangs in the kernel: see `ps -o pid,stat,wchan`",
            )

    def remove(self, path: str, *, timeout_s: float = 10.0) -> None:
        """Remove the group with everything below, waiting up to `timeout_s` for its processes to end; absent is done.

        Kills nothing.  Raises Conflict when processes are left.
        """
        parts = cgroups_tree.check_path(path)
        deadline = time.monotonic() + timeout_s
        for hierarchy in self.hierarchies:
            cgroups_tree.remove(hierarchy.place(parts), deadline)

    def controllers(self, path: str) -> tuple[str, ...]:
        """Return the controllers that children of `path` can be limited with: of cpuset, cpu, io, memory, pids."""
        parts = cgroups_tree.check_path(path)
        have = {name for hierarchy in self.hierarchies for name in hierarchy.controllers(parts)}
        return tuple(name for name in cgroups_tree.CONTROLLERS if name in have)


def _kill_order(hierarchy: Hierarchy) -> int:
    if isinstance(hierarchy, Unified):
        return 1
    return 0 if isinstance(hierarchy, Legacy) and "freezer" in hierarchy.names else 2


def _mounted(root: Path, mountinfo: str) -> list[Unified | Legacy]:
    """Return the hierarchies mounted at or below `root`, one per file system (a second mount of it adds nothing)."""
    found: dict[str, Unified | Legacy] = {}
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind not in {"cgroup", "cgroup2"}:
            continue
        fields = left.split(" ")
        mountpoint = Path(mounts.unescape(fields[4]))
        if not mountpoint.is_relative_to(root) or fields[2] in found:
            continue
        if kind == "cgroup2":
            found[fields[2]] = Unified(mountpoint)
        elif names := _legacy_names(options):
            found[fields[2]] = Legacy(mountpoint, names)
    return list(found.values())


def _legacy_names(options: str) -> frozenset[str]:
    """Return what a v1 hierarchy is for; empty for named ones of others, which are none of our business."""
    words = set(options.split(",")) - {"rw", "ro", "xattr", "clone_children", "noprefix", "cpuset_v2_mode", "none"}
    names = {word for word in words if "=" not in word} | ({"name=systemd"} & words)
    return frozenset(names)
