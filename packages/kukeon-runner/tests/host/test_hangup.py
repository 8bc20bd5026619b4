"""Shells at terminals that nobody holds any more, each the first of its PID namespace as in a container."""

import os
import pty
import select
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kukeon_runner.host import hangup

pytestmark = pytest.mark.host

PATIENCE_S = 20.0


class Program:
    """The first program of a PID namespace, at a terminal of its own."""

    def __init__(self, *command: str) -> None:
        self.terminal, far = pty.openpty()
        self._parent = subprocess.Popen(
            ["unshare", "--fork", "--pid", "--kill-child", "setsid", "-c", *command], stdin=far, stdout=far, stderr=far
        )
        os.close(far)
        self.shown = b""

    def shows(self, text: bytes) -> None:
        while text not in self.shown:
            assert select.select([self.terminal], [], [], PATIENCE_S)[0], self.shown
            self.shown += os.read(self.terminal, 4096)
        self.shown = self.shown.partition(text)[2]

    def types(self, keys: bytes) -> None:
        os.write(self.terminal, keys)

    @property
    def pid(self) -> int:
        return int(Path(f"/proc/{self._parent.pid}/task/{self._parent.pid}/children").read_text())

    def is_told(self, *numbers: int) -> None:
        pid = self.pid
        for number in numbers:
            os.kill(pid, number)

    def ends(self) -> int:
        return self._parent.wait(PATIENCE_S)

    @property
    def runs(self) -> bool:
        return self._parent.poll() is None

    def close(self) -> None:
        self._parent.kill()
        self._parent.wait()
        os.close(self.terminal)


@pytest.fixture
def run() -> Iterator[Callable[..., Program]]:
    made: list[Program] = []

    def make(*command: str) -> Program:
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        made.append(Program(*command))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.mark.parametrize("shell", [("busybox", "ash", "-i"), ("dash", "-i")])
@pytest.mark.parametrize("busy", [False, True])
def test_a_shell_that_no_signal_ends_ends_with_its_terminal(
    run: Callable[..., Program], tmp_path: Path, shell: tuple[str, ...], busy: bool
) -> None:
    program = run(*shell)
    program.types(f"trap 'echo bye >{tmp_path}/bye' EXIT; echo up$((1+1))\r".encode())
    program.shows(b"up2")
    if busy:
        program.types(b"sleep 1000; echo never\r")
        program.shows(b"sleep 1000")
    program.is_told(signal.SIGTERM, signal.SIGHUP)
    assert program.runs
    assert hangup.hang_up(program.pid, signal.SIGTERM)
    program.ends()
    assert (tmp_path / "bye").read_text() == "bye\n"


@pytest.mark.parametrize("number", ["HUP", "TERM"])
def test_a_program_that_listens_is_left_its_terminal(run: Callable[..., Program], number: str) -> None:
    program = run("sh", "-c", f"trap 'echo goodbye; exit 3' {number}; echo up; while :; do sleep 0.1; done")
    program.shows(b"up")
    assert not hangup.hang_up(program.pid, signal.SIGTERM)
    program.is_told(signal.SIGTERM, signal.SIGHUP)
    program.shows(b"goodbye")
    assert program.ends() == 3


def test_what_is_not_the_first_program_dies_of_the_signal_itself(run: Callable[..., Program]) -> None:
    program = run("sh", "-c", "sh -c 'echo up; sleep 1000'; echo over")
    program.shows(b"up")
    second = int(Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text())
    assert not hangup.hang_up(second, signal.SIGTERM)


def test_standard_input_that_is_no_terminal_is_let_be(run: Callable[..., Program], tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for other in (str(fifo), "/dev/null"):
        program = run("sh", "-c", f"exec <>{other}; echo up; while :; do sleep 0.1; done")
        program.shows(b"up")
        assert not hangup.hang_up(program.pid, signal.SIGTERM)
        assert program.runs


def test_a_program_that_is_gone_has_nothing_to_hang_up(run: Callable[..., Program]) -> None:
    program = run("true")
    program.ends()
    assert not hangup.hang_up(2**22 + 1, signal.SIGTERM)
