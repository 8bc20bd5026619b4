"""What keeps cells of this host from being limited by cgroups, and what to do about it.

Deciding is pure: `judge` maps what was seen, and what the kernel answered, to a finding. `Doctor` looks, and by trying
asks the kernel; it reads and writes with the code that makes cells' groups.
"""

from __future__ import annotations

import contextlib
import enum
import errno
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host import cgroups_tree as tree
from kukeon_runner.host.cgroups import DEFAULT_ROOT, Cgroups
from kukeon_runner.host.cgroups_v1 import Legacy
from kukeon_runner.host.cgroups_v2 import Unified

if TYPE_CHECKING:
    from collections.abc import Callable

NEEDED = ("cpu", "memory", "io", "pids")
"""What the limits of a container are made of."""

_THREADED = frozenset({"cpu", "cpuset", "perf_event", "pids"})
"""Controllers that work in threaded groups, too: cgroup-v2.rst, "Threads"."""


class Status(enum.StrEnum):
    """How it is with one controller."""

    ENABLED = "enabled"
    BY_PROBE = "enabled-by-probe"
    KERNEL_MISSING = "kernel-missing"
    NOT_MOUNTED = "not-mounted"
    NOT_DELEGATED = "not-delegated"
    THREADED = "threaded-subtree"
    INTERNAL = "internal-process"
    UNASKED = "needs-delegation"
    DENIED = "permission-denied"
    READ_ONLY = "read-only"
    REFUSED = "refused"

    @property
    def well(self) -> bool:
        return self in (Status.ENABLED, Status.BY_PROBE)

    @property
    def by_echo(self) -> bool:
        """Whether writing to `cgroup.subtree_control`, with the rights for it, mends it."""
        return self in (Status.UNASKED, Status.DENIED)


REMEDIES = {
    Status.KERNEL_MISSING: "the kernel does not offer it here: it was built or started without it (look for"
    " cgroup_disable= in /proc/cmdline), or the group above does not pass it down",
    Status.NOT_MOUNTED: "the kernel has it, but no hierarchy with it is mounted: mount one, or start the machine with"
    " systemd.unified_cgroup_hierarchy=1 for cgroup v2",
    Status.NOT_DELEGATED: "this group is the root of a cgroup namespace, and whoever made that does not delegate the"
    " controller: ask the host, or the runtime outside, to (in systemd: Delegate=yes)",
    Status.THREADED: "this group is threaded, and the controller works on whole processes: have the group below that is"
    " threaded removed, or take another one as root",
    Status.INTERNAL: "processes are in this group itself, and one with processes cannot pass controllers down: move"
    " them into a group below it",
    Status.UNASKED: "nobody has enabled it; kukeond does so when it makes its first group",
    Status.DENIED: "only root may: repeat it with sudo",
    Status.READ_ONLY: "the hierarchy is mounted read-only: run on the host, or in a container that has it read-write",
    Status.REFUSED: "the kernel refused for a reason that is none of the usual ones; `dmesg` may say more",
}
"""What to do about each status that is not well, in words for people."""


@dataclass(frozen=True)
class Group:
    """One cgroup v2 group as it was found."""

    advertised: frozenset[str]
    enabled: frozenset[str]
    type: str
    """`cgroup.type`; empty for the true root, which has none."""
    populated: bool
    """Whether processes are in the group itself."""


@dataclass(frozen=True)
class Finding:
    """How it is with one controller, and what the kernel or a file said about it."""

    controller: str
    status: Status
    detail: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Everything found about one place."""

    mode: str
    """`v2`, `v1`, or `hybrid` for v1 controllers with a v2 tree beside."""
    target: str
    findings: tuple[Finding, ...]
    drained: bool = False
    """Whether processes in the way are moved by kukeond itself: it is alone at the root of its cgroup namespace."""
    notes: tuple[str, ...] = ()

    @property
    def troubles(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if not finding.status.well)

    @property
    def well(self) -> bool:
        """Whether kukeond can have all that is needed."""
        return not self.troubles or self.drained

    @property
    def fix(self) -> str:
        """The command that mends what a command can mend; empty when there is none."""
        names = [finding.controller for finding in self.troubles if finding.status.by_echo]
        if not names or self.mode != "v2":
            return ""
        return f'echo "{" ".join(f"+{name}" for name in names)}" | sudo tee {self.target}/cgroup.subtree_control'


def judge(controller: str, group: Group, refusal: int | None, *, asked: bool) -> Status:
    """Return how it is with a controller of a v2 group.

    `asked`: the kernel was asked to enable it, and `refusal` is the errno it answered, None when it did.
    """
    if controller in group.enabled:
        return Status.ENABLED
    if controller not in group.advertised:
        return Status.KERNEL_MISSING
    if group.populated and group.type:
        return Status.INTERNAL
    if not asked:
        return Status.UNASKED
    match refusal:
        case None:
            return Status.BY_PROBE
        case errno.EBUSY:
            return Status.INTERNAL
        case errno.EOPNOTSUPP:
            threaded = "threaded" in group.type and controller not in _THREADED
            return Status.THREADED if threaded else Status.NOT_DELEGATED
        case errno.EACCES | errno.EPERM:
            return Status.DENIED
        case errno.EROFS:
            return Status.READ_ONLY
        case errno.ENOENT:
            return Status.KERNEL_MISSING
        case _:
            return Status.REFUSED


@dataclass(frozen=True)
class Doctor:
    """Examines the cgroups below `root`; the other fields are where it looks, for tests."""

    root: Path = DEFAULT_ROOT
    proc: Path = Path("/proc")
    write: Callable[[Path, str], None] = field(default=tree.write)

    def examine(self, group: str = "", *, probe: bool = True, everything: bool = False) -> Diagnosis:
        """Look at the root, or at the `group` below it (absolute, like /kukeon/realm).

        With `probe` the kernel is asked for what is not enabled, which needs root and can be repeated. `everything`
        needs all that the place advertises, for a cell that runs containers of its own. Raises `Invalid` for what is
        no cgroup path, `NotFound` when the group is absent, `HostError` where there are no cgroups.
        """
        parts = tree.check_path(group) if group else ()
        if tree.read(self.root / "cgroup.controllers") is not None:
            return self._unified(parts, probe=probe, everything=everything)
        return self._legacy(parts, probe=probe, everything=everything)

    def _unified(self, parts: tuple[str, ...], *, probe: bool, everything: bool) -> Diagnosis:
        place = self.root.joinpath(*parts)
        seen = _look(place)
        needed = tuple(sorted(seen.advertised)) if everything else NEEDED
        findings = tuple(self._finding(place, seen, name, probe=probe) for name in needed)
        troubles = [finding for finding in findings if not finding.status.well]
        only_busy = bool(troubles) and all(finding.status is Status.INTERNAL for finding in troubles)
        drained = only_busy and not parts and seen.populated and self._at_namespace_root()
        return Diagnosis("v2", str(place), findings, drained, tuple(self._memory_notes()))

    def _finding(self, place: Path, seen: Group, name: str, *, probe: bool) -> Finding:
        # Never where processes are in the way: the kernel would take cpu or pids all the same, turn the group into a
        # threaded domain, and make every group below it invalid.
        wanted = name in seen.advertised - seen.enabled and not (seen.populated and seen.type)
        refusal, detail = None, ""
        if wanted and probe:
            try:
                self.write(place / "cgroup.subtree_control", f"+{name}")
            except OSError as error:
                refusal = error.errno or errno.EIO
                detail = f"{errno.errorcode.get(refusal, refusal)}: {error.strerror}"
        return Finding(name, judge(name, seen, refusal, asked=probe), detail)

    def _legacy(self, parts: tuple[str, ...], *, probe: bool, everything: bool) -> Diagnosis:
        cgroups = Cgroups.detect(self.root, self.proc / "self" / "mountinfo")
        have: dict[str, Legacy | Unified] = {}
        for hierarchy in cgroups.hierarchies:
            if isinstance(hierarchy, Legacy):
                have |= dict.fromkeys(
                    ("io" if name == "blkio" else name for name in sorted(hierarchy.names)), hierarchy
                )
            elif isinstance(hierarchy, Unified):
                advertised = (tree.read(hierarchy.mountpoint / "cgroup.controllers") or "").split()
                have |= {name: hierarchy for name in advertised if name not in have}
        needed = tuple(sorted(have.keys() - {"name=systemd"})) if everything else NEEDED
        findings = []
        for name in needed:
            found = have.get(name)
            if isinstance(found, Unified):
                place = found.place(parts)
                findings.append(self._finding(place, _look(place), name, probe=probe))
            elif found is not None:
                findings.append(_legacy_finding(name, found.place(parts), probe=probe))
            else:
                findings.append(self._unmounted(name))
        note = f"these are cgroups of {'both versions' if cgroups.mode == 'hybrid' else 'version 1'}: limits work, each"
        more = "controller in a tree of its own; version 2 is had with systemd.unified_cgroup_hierarchy=1 at boot"
        target = "/".join(("", *parts)) or "/"
        return Diagnosis(cgroups.mode, target, tuple(findings), False, (f"{note} {more}", *self._memory_notes()))

    def _unmounted(self, name: str) -> Finding:
        """Return why no hierarchy has a v1 controller; /proc/cgroups lists those that the kernel has: cgroups(7)."""
        wanted = "blkio" if name == "io" else name
        for line in (tree.read(self.proc / "cgroups") or "").splitlines():
            words = line.split()
            if words[:1] == [wanted]:
                if words[-1] == "0":
                    return Finding(name, Status.KERNEL_MISSING, "switched off on the kernel's command line")
                return Finding(name, Status.NOT_MOUNTED)
        return Finding(name, Status.KERNEL_MISSING, "not built into the kernel")

    def _at_namespace_root(self) -> bool:
        return "0::/" in (tree.read(self.proc / "self" / "cgroup") or "").splitlines()

    def _memory_notes(self) -> list[str]:
        """Return what makes memory limits less than they seem."""
        notes = []
        swaps = (tree.read(self.proc / "swaps") or "").splitlines()[1:]
        if swaps:
            notes.append("swap is on: a container at its memory limit swaps, and slows the host, before it is killed")
        killers = sorted({"systemd-oomd", "earlyoom"} & self._programs())
        if killers:
            notes.append(f"{killers[0]} runs: it may kill containers before they reach their own limits")
        return notes

    def _programs(self) -> set[str]:
        found = set()
        for entry in self.proc.glob("[0-9]*/comm"):
            # Processes end while they are looked at.
            with contextlib.suppress(OSError):
                found.add(entry.read_text(errors="replace").strip())
        return found


def _look(place: Path) -> Group:
    advertised = tree.read(place / "cgroup.controllers")
    if advertised is None:
        raise errors.NotFound(f"cannot examine {str(place)!r}: there is no such cgroup")
    return Group(
        advertised=frozenset(advertised.split()),
        enabled=frozenset((tree.read(place / "cgroup.subtree_control") or "").split()),
        type=(tree.read(place / "cgroup.type") or "").strip(),
        populated=(place / "cgroup.procs").exists() and bool(tree.members(place)),
    )


def _legacy_finding(name: str, place: Path, *, probe: bool) -> Finding:
    """Return how it is with a v1 controller: it is there when groups can be made."""
    if not place.is_dir():
        raise errors.NotFound(f"cannot examine {str(place)!r}: there is no such cgroup")
    if not probe:
        status = Status.ENABLED if os.access(place, os.W_OK) else Status.DENIED
        return Finding(name, status, str(place))
    trial = place / f"kukeon-doctor-{os.getpid()}"
    try:
        trial.mkdir()
        trial.rmdir()
    except OSError as error:
        detail = f"{errno.errorcode.get(error.errno or 0, '')}: {error.strerror}"
        match error.errno:
            case errno.EACCES | errno.EPERM:
                return Finding(name, Status.DENIED, detail)
            case errno.EROFS:
                return Finding(name, Status.READ_ONLY, detail)
            case _:
                return Finding(name, Status.REFUSED, detail)
    return Finding(name, Status.ENABLED, str(place))
