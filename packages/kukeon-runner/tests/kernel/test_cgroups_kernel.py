"""Cgroups of this kernel, whichever version it has: groups named kt-group-<random> at the root, removed in the end."""

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kukeon_api import errors
from kukeon_runner.host import cgroups_v1, cgroups_v2
from kukeon_runner.host.cgroups import DEFAULT_ROOT, Cgroups

pytestmark = pytest.mark.kernel

DEADLINE_S = 20.0


@pytest.fixture
def found() -> Cgroups:
    if not os.access(DEFAULT_ROOT, os.W_OK):
        pytest.skip(f"{DEFAULT_ROOT} is not writable here")
    return Cgroups.detect()


@pytest.fixture
def top(found: Cgroups) -> Iterator[str]:
    path = f"/kt-group-{secrets.token_hex(4)}"
    yield path
    found.kill(path)
    found.remove(path)
    assert not any(hierarchy.place((path[1:],)).exists() for hierarchy in found.hierarchies)


class Program:
    """A child in a cgroup; what it is told to run begins only then."""

    def __init__(self, found: Cgroups, path: str, *command: str) -> None:
        script = 'read -r go && exec "$@"'
        self.process = subprocess.Popen(["sh", "-c", script, "sh", *command], stdin=subprocess.PIPE)
        found.attach(path, self.process.pid)
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.close()

    def end(self) -> int:
        return self.process.wait(DEADLINE_S)


@pytest.fixture
def sleeper(found: Cgroups, top: str) -> Iterator[Program]:
    found.ensure(f"{top}/a/leaf", leaf=True)
    program = Program(found, f"{top}/a/leaf", "sleep", "1000")
    yield program
    program.process.kill()
    program.end()


def test_ensure_and_remove(found: Cgroups, top: str) -> None:
    assert found.exists(top) is False
    assert found.ensure(f"{top}/r/s/t") is True
    assert found.ensure(f"{top}/r/s/t") is False
    assert found.exists(f"{top}/r/s/t") is True
    assert found.processes(top) == ()
    found.remove(f"{top}/r")
    assert found.exists(top) is True
    assert found.exists(f"{top}/r") is False


def test_controllers_work_in_the_group(found: Cgroups, top: str) -> None:
    found.ensure(f"{top}/r")
    effective = found.controllers(f"{top}/r")
    assert {"memory", "pids"} <= set(effective)
    assert effective == found.controllers(top)
    # What is effective can be used for a group below.
    found.ensure(f"{top}/r/leaf", leaf=True)
    place = next(p for p in found.process_files(f"{top}/r/leaf") if (p.parent / "pids.max").exists()).parent
    (place / "pids.max").write_text("50")
    assert (place / "pids.max").read_text() == "50\n"


def test_a_process_can_join_and_is_listed(found: Cgroups, top: str, sleeper: Program) -> None:
    assert found.processes(top) == (sleeper.process.pid,)
    assert found.processes(f"{top}/a/leaf") == (sleeper.process.pid,)


def test_kill_ends_everything_below(found: Cgroups, top: str) -> None:
    programs = []
    for name in ("x", "y/deeper"):
        found.ensure(f"{top}/{name}", leaf=True)
        programs.append(Program(found, f"{top}/{name}", "sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000"))
    deadline = time.monotonic() + DEADLINE_S
    while len(found.processes(top)) < 6:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    found.kill(top)
    assert found.processes(top) == ()
    assert [program.end() for program in programs] == [-signal.SIGKILL] * 2
    found.kill(top)
    found.remove(top, timeout_s=DEADLINE_S)


def test_kill_ends_what_keeps_forking(found: Cgroups, top: str) -> None:
    found.ensure(f"{top}/leaf", leaf=True)
    limit = next(p for p in found.process_files(f"{top}/leaf") if (p.parent / "pids.max").exists()).parent / "pids.max"
    limit.write_text("40")
    forker = (
        "import os, signal\n"
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\n"
        "while True:\n"
        "    try:\n"
        "        os.fork()\n"
        "    except OSError:\n"
        "        pass\n"
    )
    program = Program(found, f"{top}/leaf", sys.executable, "-IS", "-c", forker)
    deadline = time.monotonic() + DEADLINE_S
    while len(found.processes(top)) < 30:
        assert time.monotonic() < deadline
    found.kill(top)
    assert found.processes(top) == ()
    program.end()
    found.remove(top)


@pytest.fixture
def freezer(found: Cgroups) -> Path:
    places = [h.mountpoint for h in found.hierarchies if isinstance(h, cgroups_v1.Legacy) and "freezer" in h.names]
    if not places:
        pytest.skip("this kernel has no freezer of cgroup v1 mounted")
    return places[0]


@pytest.mark.cgroup_v1
@pytest.mark.parametrize("frozen", ["", "a", "a/leaf"])
def test_what_somebody_froze_and_never_thawed_is_killed(
    found: Cgroups, top: str, sleeper: Program, freezer: Path, frozen: str
) -> None:
    """As when kukeond dies in the middle of killing: at the group, above it or below it."""
    Path(f"{freezer}{top}", frozen, "freezer.state").write_text("FROZEN")
    found.kill(f"{top}/a", timeout_s=DEADLINE_S)
    assert sleeper.end() == -signal.SIGKILL
    assert found.processes(top) == ()


@pytest.mark.cgroup_v1
@pytest.mark.parametrize("frozen", ["", "a", "a/leaf"])
def test_programs_run_in_a_group_that_was_left_frozen(found: Cgroups, top: str, freezer: Path, frozen: str) -> None:
    found.ensure(f"{top}/a/leaf", leaf=True)
    Path(f"{freezer}{top}", frozen, "freezer.state").write_text("FROZEN")
    assert not found.ensure(f"{top}/a/leaf", leaf=True)
    assert Program(found, f"{top}/a/leaf", "true").end() == 0


def test_kill_and_remove_of_an_absent_group(found: Cgroups, top: str) -> None:
    found.kill(f"{top}/never")
    found.remove(f"{top}/never")
    assert found.processes(f"{top}/never") == ()
    assert found.controllers(f"{top}/never") == ()


def test_remove_waits_for_processes_to_end(found: Cgroups, top: str, sleeper: Program) -> None:
    killer = threading.Timer(0.3, sleeper.process.kill)
    killer.start()
    found.remove(top, timeout_s=DEADLINE_S)
    killer.join()
    assert found.exists(top) is False


def test_remove_waits_for_processes_to_leave(found: Cgroups, top: str, sleeper: Program) -> None:
    other = f"{top}-other"
    found.ensure(other, leaf=True)
    mover = threading.Timer(0.3, found.attach, (other, sleeper.process.pid))
    mover.start()
    try:
        found.remove(top, timeout_s=DEADLINE_S)
        assert found.processes(other) == (sleeper.process.pid,)
    finally:
        mover.join()
        found.kill(other)
        found.remove(other)


def test_remove_kills_nothing(found: Cgroups, top: str, sleeper: Program) -> None:
    with pytest.raises(errors.Conflict, match=f"processes are in it: {sleeper.process.pid}"):
        found.remove(top, timeout_s=0.2)
    assert sleeper.process.poll() is None


def test_unreaped_processes_do_not_keep_a_group(found: Cgroups, top: str) -> None:
    found.ensure(f"{top}/leaf", leaf=True)
    program = Program(found, f"{top}/leaf", "true")
    os.waitid(os.P_PID, program.process.pid, os.WEXITED | os.WNOWAIT)
    found.remove(top, timeout_s=DEADLINE_S)
    assert program.end() == 0


def test_a_process_that_is_gone_cannot_join(found: Cgroups, top: str) -> None:
    found.ensure(top, leaf=True)
    program = subprocess.Popen(["true"])
    program.wait()
    with pytest.raises(errors.HostError, match="cannot move process"):
        found.attach(top, program.pid)


def test_two_at_once_both_succeed(found: Cgroups, top: str) -> None:
    outcomes: list[object] = []
    barrier = threading.Barrier(2)

    def go() -> None:
        try:
            for i in range(10):
                found.ensure(f"{top}/{i}/b/c")
            barrier.wait(DEADLINE_S)
            found.remove(top)
            outcomes.append(None)
        except errors.KukeonError as error:
            outcomes.append(error)

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [None, None]


class TestUnified:
    """The cgroup2 tree, which hybrid hosts have, too."""

    @pytest.fixture
    def tree(self, found: Cgroups) -> cgroups_v2.Unified:
        for hierarchy in found.hierarchies:
            if isinstance(hierarchy, cgroups_v2.Unified):
                return hierarchy
        pytest.skip("this host has no cgroup2 mounted")

    def test_kill_without_cgroup_kill(
        self, found: Cgroups, top: str, tree: cgroups_v2.Unified, sleeper: Program
    ) -> None:
        # Linux before 5.14: freeze, kill one by one, thaw.
        parts = (top[1:], "a")
        tree._kill_one_by_one(tree.place(parts), time.monotonic() + 20)
        assert sleeper.end() == -signal.SIGKILL
        assert "frozen 0" in (tree.place(parts) / "cgroup.events").read_text()

    @pytest.fixture
    def controller(self, tree: cgroups_v2.Unified) -> Iterator[str]:
        """A controller that the root passes down for the time of a test."""
        available = (tree.mountpoint / "cgroup.controllers").read_text().split()
        control = tree.mountpoint / "cgroup.subtree_control"
        if not available:
            pytest.skip("the cgroup2 tree of this host has no controllers")
        before = control.read_text().split()
        control.write_text(f"+{available[0]}")
        yield available[0]
        if available[0] not in before:
            control.write_text(f"-{available[0]}")

    def test_a_populated_namespaced_root_is_drained(
        self, tree: cgroups_v2.Unified, controller: str, top: str, tmp_path: Path
    ) -> None:
        # The process is alone in a cgroup namespace whose root holds it, as in a container.
        group = tree.place((top[1:],))
        group.mkdir()
        script = (
            "import sys\n"
            "from pathlib import Path\n"
            "from kukeon_runner.host.cgroups_v2 import Unified\n"
            "root = Path(sys.argv[1])\n"
            "tree = Unified(root, wanted=(sys.argv[2],))\n"
            "assert tree.ensure(('kukeon', 'r'), leaf=False)\n"
            "assert (root / 'cgroup.subtree_control').read_text().split() == [sys.argv[2]]\n"
            "assert (root / 'kukeon/r/cgroup.subtree_control').read_text().split() == [sys.argv[2]]\n"
            "assert not (root / 'cgroup.procs').read_text()\n"
            "assert (root / '__bootstrap/cgroup.procs').read_text()\n"
            "print('drained')\n"
        )
        inner = tmp_path / "inner"
        inner.mkdir()
        enter = f'echo $$ >{group}/cgroup.procs && exec unshare --cgroup --mount sh -c "$0" "$@"'
        mount = 'mount -t cgroup2 none "$1" && exec "$0" -c "$3" "$1" "$2"'
        done = subprocess.run(
            ["sh", "-c", enter, mount.replace("$0", sys.executable), "sh", str(inner), controller, script],
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
        )
        assert done.stdout == "drained\n", done.stderr
