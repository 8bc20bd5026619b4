"""One cgroup2 hierarchy: the unified one, or the cgroup2 tree beside v1 controllers on a hybrid host.

A controller works in a group only when every ancestor passes it down by its `cgroup.subtree_control` (cgroups(7)), so
enabling starts at the mount point.  What a kernel, a container or a busy group does not let us enable is logged and
left out: a missing limit must not stop a cell, and `controllers` says what is really there.
"""

from __future__ import annotations

import errno
import logging
import os
import select
import time
from dataclasses import dataclass
from pathlib import Path

from kukeon_api import errors
from kukeon_runner.host import cgroups_tree as tree

log = logging.getLogger(__name__)

BOOTSTRAP = "__bootstrap"
"""Where the processes of a populated namespaced root go, so that the root may pass controllers down."""

LEAF = "_payload"
"""Where the processes of a container go that manages cgroups itself; its own group is then free to pass them down."""

_DRAIN_TURNS = 50

_told: set[tuple[str, str]] = set()

_REASONS = {
    errno.EBUSY: "it has processes of its own",
    errno.EOPNOTSUPP: "it is threaded or was not delegated the controller",
    errno.ENOENT: "its parent does not pass the controller down",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EROFS: "the hierarchy is mounted read-only",
}


@dataclass(frozen=True)
class Unified:
    """The cgroup2 hierarchy mounted at `mountpoint`."""

    mountpoint: Path
    wanted: tuple[str, ...] = tree.CONTROLLERS
    self_cgroup: Path = Path("/proc/self/cgroup")

    def place(self, parts: tuple[str, ...]) -> Path:
        return self.mountpoint.joinpath(*parts)

    def ensure(self, parts: tuple[str, ...], *, leaf: bool) -> bool:
        """Create the group and its ancestors, passing controllers down to it (and, unless `leaf`, through it)."""
        effective = tuple(name for name in self.wanted if name in _words(self.mountpoint / "cgroup.controllers"))
        group = self.mountpoint
        self._pass_down(group, effective)
        created = False
        for depth, part in enumerate(parts, start=1):
            group /= part
            created = tree.make(group)
            if not created and (tree.read(group / "cgroup.freeze") or "0").strip() != "0":
                # Whoever killed what was in it was killed, too: no process would start in there.
                self._freeze(group, "0")
            if depth < len(parts) or not leaf:
                self._pass_down(group, effective)
        return created

    def attach(self, parts: tuple[str, ...], pid: int) -> None:
        _attach(self.place(parts), pid)

    def delegate(self, parts: tuple[str, ...], pid: int) -> None:
        """Pass everything down as far as the group, and move its processes, `pid` first, into a leaf below it."""
        every = tuple(_words(self.mountpoint / "cgroup.controllers"))
        for depth in range(len(parts)):
            self._pass_down(self.place(parts[:depth]), every)
        group = self.place(parts)
        leaf = group / LEAF
        tree.make(leaf)
        _attach(leaf, pid, may_be_gone=True)
        for other in tree.members(group):
            _attach(leaf, other, may_be_gone=True)

    def kill(self, parts: tuple[str, ...], deadline: float) -> None:
        """Kill everything in the group and below and wait for the end of it; what is left is the caller's to find."""
        top = self.place(parts)
        try:
            # Kills forks that happen meanwhile, too (since Linux 5.14).
            tree.write(top / "cgroup.kill", "1")
        except FileNotFoundError:
            self._kill_one_by_one(top, deadline)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise errors.HostError(f"cannot kill cgroup {str(top)!r}: {error.strerror}") from error
        self._wait_until_empty(top, deadline)

    def _kill_one_by_one(self, top: Path, deadline: float) -> None:
        frozen = self._freeze(top, "1")
        try:
            while (opened := tree.kill(top)) and time.monotonic() < deadline:
                # A frozen process of cgroup2 dies of SIGKILL at once.
                tree.wait_for_exits(opened, deadline)
        finally:
            if frozen:
                self._freeze(top, "0")

    def _freeze(self, top: Path, state: str) -> bool:
        try:
            tree.write(top / "cgroup.freeze", state)
        except OSError as error:
            if error.errno in {errno.ENOENT, errno.ENODEV}:
                return False
            raise errors.HostError(f"cannot freeze cgroup {str(top)!r}: {error.strerror}") from error
        return True

    def _wait_until_empty(self, top: Path, deadline: float) -> None:
        try:
            with open(top / "cgroup.events", "rb", buffering=0) as events:
                poller = select.poll()
                poller.register(events, select.POLLPRI)
                while b"populated 1" in os.pread(events.fileno(), 4096, 0):
                    remaining = deadline - time.monotonic()
                    if remaining <= 0:
                        return
                    poller.poll(remaining * 1000)
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENODEV}:
                raise errors.HostError(f"cannot watch cgroup {str(top)!r}: {error.strerror}") from error

    def controllers(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """Return what the group passes down, in the kernel's order."""
        have = _words(self.place(parts) / "cgroup.subtree_control")
        return tuple(name for name in tree.CONTROLLERS if name in have)

    def _pass_down(self, group: Path, controllers: tuple[str, ...]) -> None:
        control = group / "cgroup.subtree_control"
        have = _words(control)
        missing = [name for name in controllers if name not in have]
        if not missing:
            return
        # Before, not after a refusal: with processes in it the kernel would take cpu, cpuset or pids alone, turn the
        # root into a threaded domain, and make every group below invalid.
        if group == self.mountpoint and self._drain():
            log.info("moved the processes of the cgroup root to /%s", BOOTSTRAP)
        try:
            tree.write(control, _plus(missing))
            return
        except OSError as error:
            log.debug("cgroup %r refused %s: %s", str(group), _plus(missing), error.strerror)
        # One refused controller refuses the whole line; what can be had is taken singly.
        for name in missing:
            try:
                tree.write(control, _plus([name]))
            except OSError as error:
                reason = _REASONS.get(error.errno or 0) or str(error.strerror)
                # Each cell passes here: once is enough to be told.
                level = logging.DEBUG if (name, reason) in _told else logging.WARNING
                _told.add((name, reason))
                log.log(level, "cannot enable controller %s below cgroup %r: %s", name, str(group), reason)

    def _drain(self) -> bool:
        """Move the processes of a namespaced root into a leaf; False when the root is not ours to drain.

        Both tests are needed: on an ordinary host the path alone is the same, and those processes are the system's.
        The true root has no cgroup.events.
        """
        namespaced = "populated 1" in (tree.read(self.mountpoint / "cgroup.events") or "")
        at_root = "0::/" in (tree.read(self.self_cgroup) or "").splitlines()
        if not (namespaced and at_root):
            return False
        leaf = self.mountpoint / BOOTSTRAP
        tree.make(leaf)
        for _ in range(_DRAIN_TURNS):
            pids = tree.members(self.mountpoint)
            if not pids:
                return True
            for pid in pids:
                _attach(leaf, pid, may_be_gone=True)
        return False


def _attach(group: Path, pid: int, *, may_be_gone: bool = False) -> None:
    try:
        tree.write(group / "cgroup.procs", str(pid))
    except ProcessLookupError as error:
        if may_be_gone:
            return
        raise errors.HostError(f"cannot move process {pid} to cgroup {str(group)!r}: it has ended") from error
    except OSError as error:
        raise errors.HostError(f"cannot move process {pid} to cgroup {str(group)!r}: {error.strerror}") from error


def _words(path: Path) -> list[str]:
    return (tree.read(path) or "").split()


def _plus(names: list[str]) -> str:
    return " ".join(f"+{name}" for name in names)
