"""What the doctor finds in trees of cgroups that look like those of real hosts, and on this one."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_runner import doctor
from kukeon_runner.doctor import Doctor, Group, Status

if TYPE_CHECKING:
    from pathlib import Path

ALL = "cpuset cpu io memory pids"


class Tree:
    """A cgroup2 file system of files, and a kernel that answers with `refusals`."""

    def __init__(self, directory: Path) -> None:
        self.root = directory / "cgroup"
        self.proc = directory / "proc"
        (self.proc / "self").mkdir(parents=True)
        (self.proc / "self" / "cgroup").write_text("0::/user.slice\n")
        self.refusals: dict[str, int] = {}
        self.written: list[tuple[str, str]] = []
        self.group("", advertised=ALL, type="")

    def group(
        self, path: str, *, advertised: str = ALL, enabled: str = "", type: str = "domain", pids: str = ""
    ) -> None:
        place = self.root / path
        place.mkdir(exist_ok=True)
        (place / "cgroup.controllers").write_text(advertised + "\n")
        (place / "cgroup.subtree_control").write_text(enabled + "\n")
        (place / "cgroup.procs").write_text(pids)
        if type:
            (place / "cgroup.type").write_text(type + "\n")

    def write(self, path: Path, text: str) -> None:
        number = self.refusals.get(text.lstrip("+"))
        if number:
            raise OSError(number, os.strerror(number))
        self.written.append((str(path.relative_to(self.root)), text))

    def doctor(self) -> Doctor:
        return Doctor(self.root, self.proc, self.write)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def statuses(found: doctor.Diagnosis) -> dict[str, str]:
    return {finding.controller: str(finding.status) for finding in found.findings}


def test_all_enabled_already_writes_nothing(tree: Tree) -> None:
    tree.group("", enabled=ALL, type="")
    found = tree.doctor().examine()
    assert found.well
    assert set(statuses(found).values()) == {"enabled"}
    assert tree.written == []


def test_what_is_not_enabled_is_asked_for(tree: Tree) -> None:
    tree.group("", enabled="cpu", type="")
    found = tree.doctor().examine()
    assert found.well
    assert statuses(found) == {
        "cpu": "enabled",
        "memory": "enabled-by-probe",
        "io": "enabled-by-probe",
        "pids": "enabled-by-probe",
    }
    assert [text for _, text in tree.written] == ["+memory", "+io", "+pids"]


def test_without_probing_nothing_is_written(tree: Tree) -> None:
    found = tree.doctor().examine(probe=False)
    assert not found.well
    assert set(statuses(found).values()) == {"needs-delegation"}
    assert found.fix == f'echo "+cpu +memory +io +pids" | sudo tee {tree.root}/cgroup.subtree_control'
    assert tree.written == []


@pytest.mark.parametrize(
    ("number", "status", "echo"),
    [
        (errno.EBUSY, "internal-process", False),
        (errno.EOPNOTSUPP, "not-delegated", False),
        (errno.EACCES, "permission-denied", True),
        (errno.EPERM, "permission-denied", True),
        (errno.EROFS, "read-only", False),
        (errno.ENOENT, "kernel-missing", False),
        (errno.ENODEV, "refused", False),
        (errno.EINVAL, "refused", False),
    ],
)
def test_each_answer_of_the_kernel_has_its_words(tree: Tree, number: int, status: str, echo: bool) -> None:
    tree.refusals["io"] = number
    found = tree.doctor().examine()
    (trouble,) = found.troubles
    assert (trouble.controller, str(trouble.status)) == ("io", status)
    assert trouble.detail == f"{errno.errorcode[number]}: {os.strerror(number)}"
    assert bool(found.fix) is echo
    assert doctor.REMEDIES[trouble.status]
    assert not found.well


def test_every_status_that_is_not_well_says_what_to_do() -> None:
    assert {status for status in Status if not status.well} == set(doctor.REMEDIES)


@pytest.mark.parametrize(
    ("controller", "type", "status"),
    [
        ("memory", "threaded", Status.THREADED),
        ("io", "domain threaded", Status.THREADED),
        ("cpu", "domain threaded", Status.NOT_DELEGATED),
        ("memory", "domain", Status.NOT_DELEGATED),
    ],
)
def test_threads_and_missing_delegation_are_told_apart(controller: str, type: str, status: Status) -> None:
    group = Group(frozenset({controller}), frozenset(), type, populated=False)
    assert doctor.judge(controller, group, errno.EOPNOTSUPP, asked=True) is status


def test_what_the_kernel_lacks_is_not_asked_for(tree: Tree) -> None:
    tree.group("", advertised="cpu memory", enabled="cpu memory", type="")
    found = tree.doctor().examine()
    assert statuses(found) == {"cpu": "enabled", "memory": "enabled", "io": "kernel-missing", "pids": "kernel-missing"}
    assert (found.fix, tree.written) == ("", [])


def test_a_populated_group_is_never_probed(tree: Tree) -> None:
    tree.group("k", enabled="memory", pids="17\n")
    found = tree.doctor().examine("/k")
    assert statuses(found)["cpu"] == "internal-process"
    assert tree.written == [], "the kernel would make it a threaded domain"
    assert not found.drained


@pytest.mark.parametrize(("cgroup", "drained"), [("0::/\n", True), ("0::/docker/x\n", False)])
def test_processes_at_the_root_of_our_own_namespace_move_away(tree: Tree, cgroup: str, drained: bool) -> None:
    tree.group("", pids="1\n", type="domain")
    (tree.proc / "self" / "cgroup").write_text(cgroup)
    found = tree.doctor().examine()
    assert (found.drained, found.well) == (drained, drained)
    tree.group("", advertised="cpu", pids="1\n", type="domain")
    assert not tree.doctor().examine().well, "something else is wrong as well"


def test_a_cell_that_runs_containers_needs_everything(tree: Tree) -> None:
    tree.group("", enabled="cpu io memory pids", type="")
    assert tree.doctor().examine(probe=False).well
    assert statuses(tree.doctor().examine(probe=False, everything=True))["cpuset"] == "needs-delegation"


def test_a_group_that_is_absent_or_none(tree: Tree) -> None:
    with pytest.raises(errors.NotFound, match="no such cgroup"):
        tree.doctor().examine("/none")
    with pytest.raises(errors.Invalid):
        tree.doctor().examine("/../etc")


def test_what_makes_memory_limits_less_than_they_seem(tree: Tree) -> None:
    (tree.proc / "swaps").write_text("Filename Type Size Used Priority\n/dev/sda2 partition 1 0 -2\n")
    (tree.proc / "7").mkdir()
    (tree.proc / "7" / "comm").write_text("systemd-oomd\n")
    swap, killer = tree.doctor().examine().notes
    assert "swap is on" in swap
    assert "systemd-oomd runs" in killer


def test_version_1(tmp_path: Path) -> None:
    root, proc = tmp_path / "cgroup", tmp_path / "proc"
    (proc / "self").mkdir(parents=True)
    lines = []
    for number, name in enumerate(("cpu,cpuacct", "memory", "blkio")):
        (root / name).mkdir(parents=True)
        lines.append(f"{number} 1 0:{number} / {root / name} rw - cgroup cgroup rw,{name}\n")
    (proc / "self" / "mountinfo").write_text("".join(lines))
    (proc / "cgroups").write_text("#subsys_name\thierarchy\tnum_cgroups\tenabled\npids\t0\t1\t0\n")
    found = Doctor(root, proc).examine()
    assert (found.mode, found.fix) == ("v1", "")
    assert statuses(found) == {"cpu": "enabled", "memory": "enabled", "io": "enabled", "pids": "kernel-missing"}
    assert found.troubles[0].detail == "switched off on the kernel's command line"
    assert "limits work" in found.notes[0]
    assert not list(root.glob("*/kukeon-doctor*"))
    (proc / "cgroups").write_text("pids\t0\t1\t1\n")
    assert statuses(Doctor(root, proc).examine())["pids"] == "not-mounted"
    (proc / "cgroups").write_text("")
    assert Doctor(root, proc).examine().troubles[0].detail == "not built into the kernel"
    with pytest.raises(errors.NotFound):
        Doctor(root, proc).examine("/none")


@pytest.mark.kernel
def test_on_this_host() -> None:
    found = Doctor().examine()
    assert found.findings
    for trouble in found.troubles:
        assert doctor.REMEDIES[trouble.status]
    again = Doctor().examine()
    assert [finding.status.well for finding in again.findings] == [finding.status.well for finding in found.findings]
