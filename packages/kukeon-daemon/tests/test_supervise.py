"""The supervisor as a process, around small programs that behave like a daemon with good and bad days."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_daemon import logfile, pidfile, supervise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAIT_S = 30.0

# A stand-in for `kukeond serve`: it writes its pid, and obeys the file `orders` at each start.
DAEMON = """
import os, signal, sys
told = {signal.SIGTERM, signal.SIGHUP}
signal.pthread_sigmask(signal.SIG_BLOCK, told)  # taken by sigwait alone: none is lost, whenever it comes
home = sys.argv[1]
with open(f"{home}/starts", "a") as f: f.write(f"{os.getpid()} {os.getsid(0)} {os.getppid()}\\n")
print("serving", flush=True)
order = open(f"{home}/orders").read().strip() if os.path.exists(f"{home}/orders") else ""
if order: sys.exit(int(order))
while signal.sigwait(told) == signal.SIGHUP:
    with open(f"{home}/hups", "a") as f: f.write("hup\\n")
print("stopping", flush=True)
"""


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {WAIT_S} s"
        time.sleep(0.01)


class Home:
    """A directory with a supervised stand-in, and what it has done so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.daemon = path / "daemon.py"
        self.daemon.write_text(DAEMON)
        self.log = path / "kukeond.log"
        self.pid = path / "supervise.pid"

    def command(self, *options: str) -> list[str]:
        own = ["--log-file", str(self.log), "--pid-file", str(self.pid), *options]
        return [sys.executable, "-m", "kukeon_daemon", "supervise", *own, "--", *self.stand_in()]

    def stand_in(self) -> list[str]:
        return [sys.executable, str(self.daemon), str(self.path)]

    def starts(self) -> list[list[int]]:
        with contextlib.suppress(FileNotFoundError):
            lines = (self.path / "starts").read_text().splitlines()
            return [[int(word) for word in line.split()] for line in lines]
        return []

    def wait_served(self, starts: int = 1) -> None:
        wait_for(lambda: len(self.starts()) >= starts, f"start {starts}")
        wait_for(lambda: self.log.read_text().count("serving") >= starts, f"service {starts}")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@contextlib.contextmanager
def running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=WAIT_S)


def test_a_killed_daemon_is_started_again(home: Home) -> None:
    with running(home.command()):
        home.wait_served()
        os.kill(home.starts()[0][0], signal.SIGKILL)
        home.wait_served(2)
    text = home.log.read_text()
    assert "ended with signal 9" in text
    assert home.starts()[0][0] != home.starts()[1][0]


def test_the_daemon_has_a_session_of_its_own(home: Home) -> None:
    with running(home.command()) as process:
        home.wait_served()
        pid, session, parent = home.starts()[0]
        assert session == pid
        assert parent == process.pid


def test_stopping_stops_the_daemon_first_and_ends_with_its_code(home: Home) -> None:
    with running(home.command()) as process:
        home.wait_served()
        process.terminate()
        assert process.wait(WAIT_S) == 0
    text = home.log.read_text()
    assert text.index("stopping\n") < text.index("stopped (exit code 0)")
    assert not home.pid.exists()


@pytest.mark.parametrize("code", [2, 5, 6, 7])
def test_an_exit_code_that_would_repeat_itself_is_passed_on(home: Home, code: int) -> None:
    (home.path / "orders").write_text(str(code))
    with running(home.command()) as process:
        assert process.wait(WAIT_S) == code
    assert len(home.starts()) == 1


def test_a_daemon_that_ends_on_purpose_is_left_alone(home: Home) -> None:
    (home.path / "orders").write_text("")
    with running(home.command()) as process:
        home.wait_served()
        os.kill(home.starts()[0][0], signal.SIGTERM)
        assert process.wait(WAIT_S) == 0
    assert len(home.starts()) == 1


def test_stopping_while_waiting_for_the_next_start(home: Home) -> None:
    (home.path / "orders").write_text("1")
    with running(home.command()) as process:
        wait_for(lambda: "next start in 1 s" in home.log.read_text() if home.log.exists() else False, "second crash")
        process.terminate()
        assert process.wait(WAIT_S) == 0


def test_a_wait_for_the_next_start_can_be_ended(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    (home.path / "orders").write_text("1")
    with running(home.command()) as process:
        wait_for(lambda: "next start in 2 s" in home.log.read_text() if home.log.exists() else False, "third crash")
        (home.path / "orders").write_text("")
        process.send_signal(signal.SIGCONT)
        home.wait_served(4)
        process.send_signal(signal.SIGCONT)
        os.kill(home.starts()[-1][0], signal.SIGKILL)
        home.wait_served(5)
    text = home.log.read_text()
    assert text.count("told to go on") == 1
    assert text.rindex("next start in 0.5 s") > text.index("next start in 2 s"), "the waits begin anew"


def test_hup_reaches_the_daemon_and_opens_the_log_anew(home: Home) -> None:
    with running(home.command()) as process:
        home.wait_served()
        home.log.rename(home.path / "moved")
        process.send_signal(signal.SIGHUP)
        wait_for((home.path / "hups").exists, "the daemon's SIGHUP")
        process.terminate()
        assert process.wait(WAIT_S) == 0
    assert "serving" in (home.path / "moved").read_text()
    assert "stopped (exit code 0)" in home.log.read_text()


def test_a_second_supervisor_is_refused(home: Home) -> None:
    with running(home.command()) as process:
        home.wait_served()
        second = subprocess.run(home.command(), capture_output=True, text=True, timeout=WAIT_S)
        assert second.returncode == 5
        assert f"process {process.pid}" in second.stderr
    assert len(home.starts()) == 1


def test_a_supervisor_is_small(home: Home) -> None:
    with running(home.command()) as process:
        home.wait_served()
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident_kb = int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1])
        maps = Path(f"/proc/{process.pid}/maps").read_text()
    assert resident_kb < 12 * 1024
    assert "cygrpc" not in maps


def test_a_command_that_does_not_exist_is_said(home: Home) -> None:
    command = [*home.command()[:-3], "/nowhere/kukeond"]
    with running(command) as process:
        wait_for(lambda: home.log.exists() and "/nowhere/kukeond" in home.log.read_text(), "the complaint")
        process.terminate()
        assert process.wait(WAIT_S) == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--log-file"], "--log-file needs a value"),
        (["--max-log-size", "many"], "whole number"),
        (["--"], "a command must follow"),
        (["--run-path", "/x", "--", "true"], "no meaning"),
    ],
)
def test_wrong_usage(arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert supervise.main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("Error: ")
    assert complaint in error


def test_what_is_not_ours_belongs_to_serve() -> None:
    settings = supervise.Settings(["--run-path", "/x", "--log-file=/l", "--socket-gid", "7"])
    assert settings.command[-5:] == ["serve", "--run-path", "/x", "--socket-gid", "7"]
    assert settings.log_file == "/l"


def test_waits_grow_and_a_stable_run_forgets_them() -> None:
    delays = [0.0]
    for _ in range(9):
        delays.append(supervise.next_delay_s(delays[-1], 1.0))
    assert delays[1:4] == [0.5, 1.0, 2.0]
    assert delays[-1] == supervise.MAX_DELAY_S
    assert supervise.next_delay_s(delays[-1], supervise.STABLE_S) == supervise.FIRST_DELAY_S


def test_a_kukeond_that_served_a_while_is_back_before_its_clients_give_up() -> None:
    delay_s = 0.0
    for ran_s in (1.0, 2.0, 5.0, 1.0, 5.0, 2.0, 1.0):
        delay_s = supervise.next_delay_s(delay_s, ran_s)
        assert delay_s <= 10.0
    assert supervise.next_delay_s(delay_s, 15.0) == supervise.FIRST_DELAY_S


def test_a_log_is_rotated_between_lines(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = logfile.LogFile(str(path), max_bytes=30, keep=2)
    for number in range(8):
        log.write(f"line {number} is\n".encode())
        log.write(b"  half and")
        log.write(b" half\n")
    texts = [p.read_text() for p in (tmp_path / "log.2", tmp_path / "log.1", path)]
    assert all(text.endswith("\n") and len(text) <= 40 for text in texts)
    assert "line 7 is\n  half and half\n" in "".join(texts)
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(p.name for p in tmp_path.iterdir()) == ["log", "log.1", "log.2"]


def test_an_endless_line_does_not_stop_the_log(tmp_path: Path) -> None:
    log = logfile.LogFile(str(tmp_path / "log"), max_bytes=10, keep=1)
    for _ in range(5):
        log.write(b"x" * 8)
    log.write(b"y\nnext\n")
    assert (tmp_path / "log.1").read_text() == "x" * 40 + "y\n"
    assert (tmp_path / "log").read_text() == "next\n"


def test_a_refusing_disk_loses_lines_not_the_daemon() -> None:
    log = logfile.LogFile("/dev/full", max_bytes=100, keep=0)
    log.write(b"lost\n")
    log.write(b"lost too\n")


def test_a_pid_file_has_one_owner(tmp_path: Path) -> None:
    path = str(tmp_path / "pid")
    first, second = pidfile.PidFile(path), pidfile.PidFile(path)
    first.take()
    assert Path(path).read_text() == f"{os.getpid()}\n"
    with pytest.raises(pidfile.Held) as held:
        second.take()
    assert held.value.pid == str(os.getpid())
    first.release()
    assert not Path(path).exists()
    second.take()
    second.release()
    second.release()


def test_a_pid_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    ours = pidfile.PidFile(str(path))
    ours.take()
    path.unlink()
    path.write_text("1\n")
    ours.release()
    assert path.read_text() == "1\n"
