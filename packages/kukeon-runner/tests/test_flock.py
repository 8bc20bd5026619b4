"""Who may change a run path: across processes, and after deaths."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_runner import flock

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLD = """
import sys
from kukeon_runner import flock
lock = flock.hold_run_path(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the run path until its stdin closes."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_one_process_holds_a_run_path_and_is_named(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with pytest.raises(errors.RunPathLocked) as caught:
        flock.hold_run_path(str(tmp_path))
    assert f"process {other.pid}" in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "kuke daemon stop" in caught.value.hint
    assert caught.value.exit_code == 5
    assert flock.holder(str(tmp_path)) == other.pid


@pytest.mark.parametrize(
    ("words", "name"), [(("-m", "kukeon_daemon"), "kukeond"), (("/usr/bin/kuke",), "kuke"), (("x.py",), "python")]
)
def test_a_holder_is_called_by_its_own_name(tmp_path: Path, words: tuple[str, ...], name: str) -> None:
    hold = (
        "import sys; from kukeon_runner import flock; held = flock.hold_run_path(sys.argv[1]);"
        " print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(tmp_path), *words]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(errors.RunPathLocked, match=rf"{name}[.0-9]* \(process {process.pid}\)"):
            flock.hold_run_path(str(tmp_path))
        process.communicate()


def test_changes_are_refused_while_it_is_held(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with pytest.raises(errors.RunPathLocked, match=str(other.pid)), flock.one_change(str(tmp_path)):
        pass


def test_the_lock_ends_with_its_process(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    assert flock.holder(str(tmp_path)) is None
    with flock.one_change(str(tmp_path)):
        pass
    with flock.hold_run_path(str(tmp_path)):
        assert flock.holder(str(tmp_path)) == os.getpid()


def test_release_twice_is_fine_and_lets_the_next_one_in(tmp_path: Path) -> None:
    lock = flock.hold_run_path(str(tmp_path))
    lock.release()
    lock.release()
    with flock.hold_run_path(str(tmp_path)):
        pass
    assert flock.holder(str(tmp_path)) is None
    assert Path(tmp_path, ".kukeon.lock").read_text() == ""


def test_children_do_not_inherit_the_lock(tmp_path: Path) -> None:
    with flock.hold_run_path(str(tmp_path)) as lock:
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE, close_fds=False)
        lock.release()
        with flock.hold_run_path(str(tmp_path)):
            pass
        child.communicate()


def test_a_short_change_does_not_fail_a_start(tmp_path: Path) -> None:
    inside, leave = threading.Event(), threading.Event()

    def change() -> None:
        with flock.one_change(str(tmp_path)):
            inside.set()
            leave.wait()

    thread = threading.Thread(target=change)
    thread.start()
    inside.wait()
    threading.Timer(0.05, leave.set).start()
    with flock.hold_run_path(str(tmp_path)):
        pass
    thread.join()


def test_changes_exclude_each_other_also_among_threads(tmp_path: Path) -> None:
    inside = most = 0

    def change() -> None:
        nonlocal inside, most
        for _ in range(10):
            with flock.one_change(str(tmp_path)):
                inside += 1
                most = max(most, inside)
                inside -= 1

    threads = [threading.Thread(target=change) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_stuck_change_ends_the_wait_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flock, "CHANGE_PATIENCE_S", 0.01)
    with flock.one_change(str(tmp_path)), pytest.raises(errors.TimedOut), flock.one_change(str(tmp_path)):
        pass


def test_a_link_is_not_taken_for_the_lock(tmp_path: Path) -> None:
    (tmp_path / ".kukeon.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.HostError, match="symbolic links"):
        flock.hold_run_path(str(tmp_path))
    assert not (tmp_path / "elsewhere").exists()


def test_a_run_path_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(errors.HostError, match="absent"):
        flock.hold_run_path(str(tmp_path / "absent"))
    assert flock.holder(str(tmp_path / "absent")) is None
