"""Cgroups on made-up trees of every version: what is created, enabled, found and removed, without a kernel's help."""

import os
from pathlib import Path

import pytest

from kukeon_api import errors
from kukeon_runner.host import cgroups_v2
from kukeon_runner.host.cgroups import Cgroups

V1_CONTROLLERS = ("cpu,cpuacct", "cpuset", "memory", "freezer", "blkio", "pids")


def mountinfo(tmp_path: Path, *lines: tuple[str, Path, str]) -> Path:
    """Write a mountinfo with the given (type, mount point, options), each on a device of its own."""
    place = tmp_path / "mountinfo"
    place.write_text(
        "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
        + "".join(
            f"{i} 22 0:{i} / {str(path).replace(' ', chr(92) + '040')} rw shared:{i} - {kind} {kind} {options}\n"
            for i, (kind, path, options) in enumerate(lines, start=30)
        )
    )
    return place


def unified(directory: Path, controllers: str = "cpuset cpu io memory hugetlb pids") -> Path:
    """Make a cgroup2 mount point as far as files can tell."""
    directory.mkdir(parents=True)
    (directory / "cgroup.controllers").write_text(controllers + "\n")
    (directory / "cgroup.subtree_control").write_text("")
    return directory


@pytest.fixture
def v2(tmp_path: Path) -> Cgroups:
    root = unified(tmp_path / "cgroup")
    return Cgroups.detect(root, mountinfo(tmp_path, ("cgroup2", root, "rw,nsdelegate")))


@pytest.fixture
def hybrid(tmp_path: Path) -> Cgroups:
    root = tmp_path / "cgroup"
    lines = [("cgroup2", unified(root / "unified", "hugetlb"), "rw")]
    for names in V1_CONTROLLERS:
        (root / names).mkdir()
        lines.append(("cgroup", root / names, f"rw,{names}"))
    (root / "systemd").mkdir()
    lines.append(("cgroup", root / "systemd", "rw,xattr,name=systemd"))
    for name, value in (("cpuset.cpus", "0-3"), ("cpuset.mems", "0")):
        (root / "cpuset" / name).write_text(value + "\n")
    return Cgroups.detect(root, mountinfo(tmp_path, *lines))


def test_a_group_that_was_left_frozen_is_thawed(v2: Cgroups, tmp_path: Path) -> None:
    assert v2.ensure("/top/cell")
    for place, state in (("top", "1"), ("top/cell", "1\n")):
        (tmp_path / "cgroup" / place / "cgroup.freeze").write_text(state)
    assert not v2.ensure("/top/cell", leaf=True)
    for place in ("top", "top/cell"):
        assert (tmp_path / "cgroup" / place / "cgroup.freeze").read_text().strip() == "0"


class TestDetect:
    def test_modes(self, v2: Cgroups, hybrid: Cgroups, tmp_path: Path) -> None:
        assert v2.mode == "v2"
        assert hybrid.mode == "hybrid"
        root = tmp_path / "old"
        (root / "memory").mkdir(parents=True)
        old = Cgroups.detect(root, mountinfo(tmp_path, ("cgroup", root / "memory", "rw,memory")))
        assert old.mode == "v1"

    def test_without_any_it_says_how_to_mount_one(self, tmp_path: Path) -> None:
        with pytest.raises(errors.HostError, match="none are mounted") as caught:
            Cgroups.detect(tmp_path, mountinfo(tmp_path))
        assert "mount -t cgroup2" in caught.value.hint

    def test_mounts_elsewhere_and_second_mounts_do_not_count(self, tmp_path: Path) -> None:
        root = unified(tmp_path / "cgroup")
        other = unified(tmp_path / "container")
        info = mountinfo(tmp_path, ("cgroup2", root, "rw"), ("cgroup2", other, "rw"))
        info.write_text(info.read_text() + f"50 22 0:30 / {root}/again rw - cgroup2 cgroup2 rw\n")
        assert [hierarchy.mountpoint for hierarchy in Cgroups.detect(root, info).hierarchies] == [root]

    def test_named_hierarchies_of_others_are_left_alone(self, tmp_path: Path) -> None:
        root = unified(tmp_path / "cgroup")
        info = mountinfo(tmp_path, ("cgroup2", root, "rw"), ("cgroup", root / "elogind", "rw,name=elogind"))
        assert Cgroups.detect(root, info).mode == "v2"

    def test_a_mount_point_with_a_space(self, tmp_path: Path) -> None:
        root = unified(tmp_path / "my cgroups")
        found = Cgroups.detect(root, mountinfo(tmp_path, ("cgroup2", root, "rw")))
        assert [hierarchy.mountpoint for hierarchy in found.hierarchies] == [root]


@pytest.mark.parametrize("verb", ["ensure", "exists", "processes", "kill", "remove", "controllers", "process_files"])
@pytest.mark.parametrize(
    "path",
    ["", "/", "kukeon", "/a/../b", "/a//b", "/a/", "/./a", "/..", "../../etc", "/a\0b", "/a\nb", "/" + "x" * 256],
)
def test_paths_that_lead_elsewhere_are_refused(v2: Cgroups, verb: str, path: str) -> None:
    with pytest.raises(errors.Invalid):
        getattr(v2, verb)(path)


class TestUnified:
    def test_ensure_makes_the_way_and_passes_controllers_down(self, v2: Cgroups, tmp_path: Path) -> None:
        for group in ("", "kukeon", "kukeon/r"):
            (tmp_path / "cgroup" / group).mkdir(exist_ok=True)
            (tmp_path / "cgroup" / group / "cgroup.subtree_control").write_text("")
        assert v2.ensure("/kukeon/r") is False
        for group in ("", "kukeon", "kukeon/r"):
            written = (tmp_path / "cgroup" / group / "cgroup.subtree_control").read_text()
            assert written == "+cpuset +cpu +io +memory +pids"

    def test_ensure_says_whether_it_made_the_group(self, v2: Cgroups) -> None:
        assert v2.exists("/kukeon/r") is False
        assert v2.ensure("/kukeon/r") is True
        assert v2.ensure("/kukeon/r") is False
        assert v2.ensure("/kukeon") is False
        assert v2.exists("/kukeon/r") is True

    def test_only_missing_controllers_are_written(self, v2: Cgroups, tmp_path: Path) -> None:
        control = tmp_path / "cgroup/cgroup.subtree_control"
        control.write_text("cpuset cpu memory pids hugetlb\n")
        v2.ensure("/kukeon")
        assert control.read_text().startswith("+io")
        control.write_text("cpuset cpu io memory pids\n")
        v2.ensure("/kukeon")
        assert control.read_text() == "cpuset cpu io memory pids\n"

    def test_what_the_kernel_lacks_is_left_out(self, tmp_path: Path) -> None:
        root = unified(tmp_path / "cgroup", "cpu pids")
        found = Cgroups.detect(root, mountinfo(tmp_path, ("cgroup2", root, "rw")))
        found.ensure("/kukeon")
        assert (root / "cgroup.subtree_control").read_text() == "+cpu +pids"

    def test_a_leaf_passes_nothing_down(self, v2: Cgroups, tmp_path: Path) -> None:
        for group in ("kukeon", "kukeon/leaf"):
            (tmp_path / "cgroup" / group).mkdir()
            (tmp_path / "cgroup" / group / "cgroup.subtree_control").write_text("")
        v2.ensure("/kukeon/leaf", leaf=True)
        assert (tmp_path / "cgroup/kukeon/cgroup.subtree_control").read_text()
        assert (tmp_path / "cgroup/kukeon/leaf/cgroup.subtree_control").read_text() == ""

    def test_controllers_are_what_is_passed_down_in_the_kernels_order(self, v2: Cgroups, tmp_path: Path) -> None:
        v2.ensure("/kukeon")
        assert v2.controllers("/kukeon") == ()
        (tmp_path / "cgroup/kukeon/cgroup.subtree_control").write_text("memory hugetlb cpu\n")
        assert v2.controllers("/kukeon") == ("cpu", "memory")
        assert v2.controllers("/absent") == ()

    @pytest.mark.parametrize(
        ("events", "own"),
        [
            (None, "0::/\n"),  # the true root
            ("populated 0\n", "0::/\n"),
            ("populated 1\nfrozen 0\n", "0::/user.slice\n"),
            ("populated 1\nfrozen 0\n", "1:name=systemd:/\n0::/init.scope\n"),
        ],
    )
    def test_a_root_that_is_not_ours_is_never_drained(self, tmp_path: Path, events: str | None, own: str) -> None:
        root = unified(tmp_path / "cgroup")
        (root / "cgroup.procs").write_text(f"{os.getpid()}\n")
        if events is not None:
            (root / "cgroup.events").write_text(events)
        (tmp_path / "self").write_text(own)
        assert cgroups_v2.Unified(root, self_cgroup=tmp_path / "self")._drain() is False
        assert not (root / cgroups_v2.BOOTSTRAP).exists()


class TestHybrid:
    def test_the_same_group_under_every_hierarchy(self, hybrid: Cgroups, tmp_path: Path) -> None:
        assert hybrid.ensure("/kukeon/r") is True
        for names in (*V1_CONTROLLERS, "systemd", "unified"):
            assert (tmp_path / "cgroup" / names / "kukeon/r").is_dir()
        assert hybrid.ensure("/kukeon/r") is False
        (tmp_path / "cgroup/memory/kukeon/r").rmdir()
        assert hybrid.exists("/kukeon/r") is False
        assert hybrid.ensure("/kukeon/r") is True

    def test_a_cpuset_inherits_from_its_parent(self, hybrid: Cgroups, tmp_path: Path) -> None:
        for group in ("a", "a/b"):
            (tmp_path / "cgroup/cpuset" / group).mkdir()
            for name in ("cpuset.cpus", "cpuset.mems"):
                (tmp_path / "cgroup/cpuset" / group / name).write_text("\n")
        (tmp_path / "cgroup/cpuset/a/cpuset.cpus").write_text("2\n")
        hybrid.ensure("/a/b")
        below = tmp_path / "cgroup/cpuset/a/b"
        assert (below / "cpuset.cpus").read_text().strip() == "2"
        assert (below / "cpuset.mems").read_text().strip() == "0"

    def test_controllers_have_the_names_of_v2(self, hybrid: Cgroups) -> None:
        hybrid.ensure("/kukeon")
        assert hybrid.controllers("/kukeon") == ("cpuset", "cpu", "io", "memory", "pids")
        assert hybrid.controllers("/absent") == ()

    def test_processes_are_those_of_any_hierarchy(self, hybrid: Cgroups, tmp_path: Path) -> None:
        hybrid.ensure("/kukeon/r")
        (tmp_path / "cgroup/memory/kukeon/cgroup.procs").write_text("7\n")
        (tmp_path / "cgroup/pids/kukeon/r/cgroup.procs").write_text("9\n7\n0\n")
        assert hybrid.processes("/kukeon") == (7, 9)
        assert hybrid.processes("/kukeon/r") == (7, 9)
        assert hybrid.processes("/absent") == ()


class TestRemove:
    @pytest.mark.parametrize("kind", ["v2", "hybrid"])
    def test_everything_below_and_nothing_beside(
        self, request: pytest.FixtureRequest, kind: str, tmp_path: Path
    ) -> None:
        found: Cgroups = request.getfixturevalue(kind)
        for path in ("/kukeon/r/s/t", "/kukeon/r2", "/kukeon2"):
            found.ensure(path)
        found.remove("/kukeon/r")
        assert not found.exists("/kukeon/r")
        assert found.exists("/kukeon/r2")
        assert found.exists("/kukeon2")
        found.remove("/kukeon/r")
        found.remove("/never/was")

    def test_links_are_not_followed(self, v2: Cgroups, tmp_path: Path) -> None:
        (tmp_path / "outside/below").mkdir(parents=True)
        v2.ensure("/kukeon")
        (tmp_path / "cgroup/link").symlink_to(tmp_path / "outside")
        v2.remove("/link")
        assert (tmp_path / "outside/below").exists()

    def test_what_stays_busy_is_an_error_in_time(self, v2: Cgroups, tmp_path: Path) -> None:
        v2.ensure("/kukeon")
        (tmp_path / "cgroup/kukeon/file").touch()
        with pytest.raises(errors.HostError, match="still calls it busy"):
            v2.remove("/kukeon", timeout_s=0.05)

    def test_processes_that_stay_are_named(self, v2: Cgroups, tmp_path: Path) -> None:
        v2.ensure("/kukeon")
        (tmp_path / "cgroup/kukeon/cgroup.procs").write_text(f"{os.getpid()}\n")
        with pytest.raises(errors.Conflict, match=f"processes are in it: {os.getpid()}"):
            v2.remove("/kukeon", timeout_s=0.05)


def test_what_cannot_be_created_is_a_host_error_with_a_hint(tmp_path: Path) -> None:
    root = unified(tmp_path / "cgroup")
    found = Cgroups.detect(root, mountinfo(tmp_path, ("cgroup2", root, "rw")))
    (root / "kukeon").write_text("a file")
    with pytest.raises(errors.HostError, match="cannot create cgroup"):
        found.ensure("/kukeon/r")
