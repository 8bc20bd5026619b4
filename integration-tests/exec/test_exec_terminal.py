"""`kuke exec` at a real terminal, and what becomes of programs when what carries them ends."""

import os
import signal
import subprocess
from collections.abc import Iterator

import pytest

import kukeon_sdk
from kuketest import manifests
from kuketest.instance import Instance
from kuketest.programs import CELL, container, left, processes, runtime, sleeping
from kuketest.pseudo_terminal import Terminal, terminal
from kuketest.waiting import PATIENCE, until


class TestTerminal:
    """`kuke exec -it`, at a real terminal."""

    @pytest.fixture
    def at(self, shell: Instance) -> Iterator[Terminal]:
        command = [str(shell.programs / "kuke"), "exec", "-it", CELL, "--", "sh"]
        with terminal(command, shell.environment() | {"TERM": "vt220"}, str(shell.home)) as at:
            at.type(b"echo up$((1+1))\r")
            at.shows(b"up2")
            at.shows(b"# ")  # it listens to keys alone only now
            yield at

    def test_a_shell(self, at: Terminal) -> None:
        at.type(b"stty size; echo $TERM\r")
        at.shows(b"24 80")
        at.shows(b"vt220")
        at.resize(50, 132)
        at.type(b"while [ \"$(stty size)\" != '50 132' ]; do sleep 0.05; done; echo size$((1+1))\r")
        at.shows(b"size2")
        seconds, _ = sleeping()
        at.type(f"sleep {seconds}\r".encode())
        until(lambda: processes(seconds), "it to run")
        at.type(b"\x03")
        at.type(b"echo after$((1+1))\r")
        at.shows(b"after2")
        assert not at.given_back
        at.type(b"exit 42\r")
        assert at.ends() == 42
        assert at.given_back

    def test_control_d(self, at: Terminal) -> None:
        at.type(b"\x04")
        assert at.ends() == 0
        assert at.given_back

    def test_a_kuke_that_is_told_to_end(self, at: Terminal) -> None:
        at.process.send_signal(signal.SIGHUP)
        assert at.ends() == 129
        assert at.given_back

    def test_a_kuke_that_is_stopped_and_goes_on(self, at: Terminal) -> None:
        at.process.send_signal(signal.SIGTSTP)
        until(lambda: at.given_back, "the terminal to be given back")
        at.process.send_signal(signal.SIGCONT)
        until(lambda: not at.given_back, "the terminal to be taken again")
        at.type(b"exit 4\r")
        assert at.ends() == 4
        assert at.given_back

    def test_a_kukeond_that_is_killed(self, at: Terminal, shell: Instance) -> None:
        shell.sigkill()
        assert at.ends() == 8
        assert b"Error: cannot finish Exec" in at.seen
        assert at.given_back


class TestTrouble:
    """What happens to programs when what carries them ends."""

    def started(self, shell: Instance) -> tuple[str, subprocess.Popen[str]]:
        seconds, script = sleeping()
        kuke = shell.spawn_kuke("exec", CELL, "--", "sh", "-c", f"trap '' HUP; {script}")
        until(lambda: processes(seconds), "it to run")
        return seconds, kuke

    def test_a_kukeond_that_stops(self, shell: Instance) -> None:
        seconds, kuke = self.started(shell)
        shell.stop()
        _, err = kuke.communicate(timeout=30 * PATIENCE)
        assert kuke.returncode == 8
        assert "Error: cannot go on with Exec: kukeond is stopping" in err
        assert processes(seconds) == []
        assert left(shell) == []

    def test_a_kukeond_that_is_killed(self, shell: Instance) -> None:
        seconds, kuke = self.started(shell)
        shell.sigkill()
        _, err = kuke.communicate(timeout=30 * PATIENCE)
        assert kuke.returncode == 8
        assert "ended during the call" in err
        shell.start()
        assert processes(seconds) == []
        assert left(shell) == []
        assert shell.kuke("exec", CELL, "--", "echo", "on").out == "on\n"

    def test_a_containerd_that_is_killed(self, shell: Instance, client: kukeon_sdk.Client) -> None:
        with client.exec(container(), ["sh", "-c", "echo up; read x; echo $x; exit 6"]) as session:
            assert session.read() == ("stdout", b"up\n")
            os.kill(int((runtime(shell) / "containerd" / "containerd.pid").read_text().split()[0]), signal.SIGKILL)
            session.write(b"still here\n")
            assert session.read() == ("stdout", b"still here\n")
            assert session.wait().code == 6
        until(lambda: not left(shell), "nothing to be left")

    def test_a_cell_that_is_killed(self, shell: Instance, client: kukeon_sdk.Client) -> None:
        shell.apply(manifests.sleeper("doomed"))
        with client.exec(container(cell="doomed"), ["sleep", "1000"]) as session:
            shell.kuke("delete", "cell", "doomed")
            assert session.wait().code == 137
        until(lambda: not left(shell), "nothing to be left")
