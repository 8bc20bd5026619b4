"""One cgroup v1 hierarchy: a controller, several mounted together, or the named one of systemd.

The same directory is made under each.  v1 has no event for "empty" and no way to kill a group at once; a freezer
hierarchy, where there is one, keeps processes from forking away while they are killed.  Who froze may itself be killed
before it let go, and in a group that stays frozen nothing starts and nothing dies: so whoever makes or kills a group
lets it go first.
"""

from __future__ import annotations

import errno
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host import cgroups_tree as tree

if TYPE_CHECKING:
    from pathlib import Path

_UNIFIED_NAMES = {"blkio": "io"}
_CPUSET_FILES = ("cpuset.cpus", "cpuset.mems")


@dataclass(frozen=True)
class Legacy:
    """The v1 hierarchy of `names` (controllers, or "name=systemd") mounted at `mountpoint`."""

    mountpoint: Path
    names: frozenset[str]

    def place(self, parts: tuple[str, ...]) -> Path:
        return self.mountpoint.joinpath(*parts)

    def ensure(self, parts: tuple[str, ...], *, leaf: bool) -> bool:
        """Create the group and its ancestors; v1 needs no passing down, so `leaf` changes nothing."""
        del leaf
        group = self.mountpoint
        created = False
        for part in parts:
            parent, group = group, group / part
            created = tree.make(group)
            if "freezer" in self.names and not created:
                _thaw(group)
            if "memory" in self.names:
                _use_hierarchy(group)
            if "cpuset" in self.names:
                _inherit_cpuset(parent, group)
        return created

    def attach(self, parts: tuple[str, ...], pid: int) -> None:
        group = self.place(parts)
        try:
            tree.write(group / "cgroup.procs", str(pid))
        except OSError as error:
            raise errors.HostError(f"cannot move process {pid} to cgroup {str(group)!r}: {error.strerror}") from error

    def kill(self, parts: tuple[str, ...], deadline: float) -> None:
        """Kill everything in the group and below and wait for the end of it; what is left is the caller's to find."""
        top = self.place(parts)
        while time.monotonic() < deadline:
            if "freezer" in self.names:
                _set_state(top, "FROZEN")
            try:
                opened = tree.kill(top)
            finally:
                if "freezer" in self.names:
                    self._let_go(parts)
            if not opened:
                return
            tree.wait_for_exits(opened, deadline)

    def _let_go(self, parts: tuple[str, ...]) -> None:
        """Have nothing that was frozen above or below keep processes of the group: they would not even die."""
        for depth in range(1, len(parts)):
            _thaw(self.place(parts[:depth]))
        for group in tree.groups(self.place(parts)):
            _thaw(group)

    def controllers(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """Return the controllers that the group has, by the names of v2, in the kernel's order."""
        if not self.place(parts).is_dir():
            return ()
        have = {_UNIFIED_NAMES.get(name, name) for name in self.names}
        return tuple(name for name in tree.CONTROLLERS if name in have)


def _thaw(group: Path) -> None:
    if (tree.read(group / "freezer.self_freezing") or "0").strip() != "0":
        _set_state(group, "THAWED")


def _set_state(group: Path, state: str) -> None:
    """Freeze or thaw; a group that is gone has nothing to freeze."""
    try:
        tree.write(group / "freezer.state", state)
    except OSError as error:
        if error.errno not in {errno.ENOENT, errno.ENODEV}:
            raise errors.HostError(f"cannot set cgroup {str(group)!r} to {state}: {error.strerror}") from error


def _use_hierarchy(group: Path) -> None:
    """Have a group's memory count what is below; before Linux 5.11 that is off, and fixed once there is a child."""
    switch = group / "memory.use_hierarchy"
    if (tree.read(switch) or "1").strip() == "0":
        try:
            tree.write(switch, "1")
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise errors.HostError(f"cannot write {str(switch)!r}: {error.strerror}") from error


def _inherit_cpuset(parent: Path, group: Path) -> None:
    """Give a cpuset group its parent's processors and memory nodes: a new one has none and takes no process."""
    for name in _CPUSET_FILES:
        own = tree.read(group / name)
        if own is None or own.strip():
            continue
        inherited = (tree.read(parent / name) or "").strip()
        if not inherited:
            continue
        try:
            tree.write(group / name, inherited)
        except OSError as error:
            raise errors.HostError(f"cannot write {str(group / name)!r}: {error.strerror}") from error
