"""kukeond comes and goes, also badly; cells stay."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from kuketest import manifests, traces
from kuketest.instance import Instance
from kuketest.waiting import until, until_equal
from kuketest.web import page, wait_page

CELLS = 6


@pytest.mark.vm
def test_restart_keeps_everything(kukeon: Instance, server_cell: str) -> None:
    address = kukeon.address(server_cell)
    wait_page(address)
    before = traces.of_cells(kukeon)
    pid = kukeon.task_pid("web", server_cell)
    kukeon.stop()
    assert page(address) == "page of web\n", "a cell does not need kukeond to run"
    kukeon.start()
    assert traces.of_cells(kukeon) == before
    assert kukeon.task_pid("web", server_cell) == pid
    assert kukeon.state(server_cell) == "Ready"
    assert kukeon.address(server_cell) == address
    assert 'Cell "web": unchanged' in kukeon.apply(manifests.server("web")).out
    kukeon.kuke("stop", "cell", server_cell)
    assert kukeon.kuke("log", server_cell).out == "serving web\nbye\n", "the log went on across the restart"


def test_what_ended_while_it_was_away_is_noticed(kukeon: Instance, server_cell: str) -> None:
    pid = kukeon.task_pid("web", server_cell)
    kukeon.stop()
    kukeon.ctr("tasks", "kill", "--signal", "SIGKILL", f"default_default_{server_cell}_web")
    until(lambda: not Path(f"/proc/{pid}").exists(), "the program to be gone")
    kukeon.start()

    def exit_code() -> object:
        statuses = kukeon.cell(server_cell)["status"]["containers"]
        return next(status.get("exitCode") for status in statuses if status["name"] == "web")

    until_equal(exit_code, 128 + signal.SIGKILL, "the exit code")


@pytest.mark.parametrize("verb", ["delete", "purge"])
def test_what_died_with_its_shim_while_it_was_away_goes_without_a_trace(kukeon: Instance, verb: str) -> None:
    """The fixture compares what is on the host before and after: addresses, links, rules, mounts and the rest."""
    kukeon.apply(manifests.sleeper("dead"))
    pids = [kukeon.task_pid(name, "dead") for name in ("root", "main")]
    shim = int(Path(f"/proc/{pids[0]}/stat").read_text().rpartition(")")[2].split()[1])
    kukeon.stop()
    for pid in (shim, *pids):
        os.kill(pid, signal.SIGKILL)
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in (shim, *pids)), "all of the cell to be gone")
    kukeon.start()
    kukeon.kuke(verb, "cell", "dead")
    assert kukeon.kuke("get", "cell", "dead", code=3).out == ""


@pytest.mark.parametrize(
    "reached",
    [
        pytest.param("{data}/crash-*/metadata.json", id="first-document"),
        pytest.param("{runtime}/ns/default/default/default/crash-*/net", id="first-namespace"),
        pytest.param("{runtime}/containerd/state/io.containerd.runtime.v2.task/*/*_crash-*_*", id="first-task"),
        pytest.param("{data}/crash-*/main/log", id="first-log"),
    ],
)
def test_killed_in_the_middle_of_an_apply(kukeon: Instance, reached: str) -> None:
    names = [f"crash-{number}" for number in range(CELLS)]
    manifest = manifests.many(*map(manifests.sleeper, names))
    path = kukeon.home / "crash.yaml"
    path.write_text(manifest)
    clean = traces.of_cells(kukeon)
    data = kukeon.run_path / "data/default/default/default"
    pattern = reached.format(data=data, runtime=traces.runtime_directory(kukeon)).removeprefix("/")
    applying = kukeon.spawn_kuke("apply", "-f", str(path))
    until(lambda: list(Path("/").glob(pattern)), f"the apply to reach {pattern}")
    kukeon.sigkill()
    _, err = applying.communicate(timeout=60)
    assert applying.returncode == 8, err
    assert "hint:" in err

    kukeon.start()
    kukeon.apply(manifest)
    for name in names:
        assert kukeon.state(name) == "Ready"
    now = traces.of_cells(kukeon)
    assert len(now["containers"] - clean["containers"]) == 2 * CELLS
    assert len(now["tasks"] - clean["tasks"]) == 2 * CELLS
    assert len(now["snapshots"] - clean["snapshots"]) == CELLS
    assert len(now["ports"] - clean["ports"]) == CELLS
    assert len(now["addresses"] - clean["addresses"]) == CELLS
    assert len({kukeon.address(name) for name in names}) == CELLS
    for name in names:
        kukeon.kuke("delete", "cell", name)


def test_second_kukeond_on_the_run_path_is_refused(kukeon: Instance, server_cell: str) -> None:
    second = subprocess.run(
        kukeon.serve_command(), capture_output=True, text=True, timeout=60, env=kukeon.environment(), check=False
    )
    assert second.returncode == 5, second
    assert "cannot" in second.stderr
    assert str(kukeon.run_path) in second.stderr
    assert kukeon.state(server_cell) == "Ready", "the first one goes on"


def test_run_path_of_another_instance_is_refused(kukeon: Instance) -> None:
    kukeon.stop()
    other = subprocess.run(
        [*kukeon.serve_command(), "--cgroup-root", "/elsewhere"],
        capture_output=True,
        text=True,
        timeout=60,
        env=kukeon.environment(),
        check=False,
    )
    assert other.returncode == 5, other
    assert "/elsewhere" in other.stderr
    assert kukeon.cgroup_root in other.stderr
    kukeon.start()


def test_a_dead_socket_is_replaced(kukeon: Instance) -> None:
    kukeon.sigkill()
    assert kukeon.socket.is_socket()
    down = kukeon.kuke("get", "cells", code=8)
    assert str(kukeon.socket) in down.err
    assert "hint:" in down.err
    kukeon.start()
    kukeon.kuke("get", "cells")
