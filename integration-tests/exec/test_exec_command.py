"""`kuke exec` without a terminal, through kukeond and without."""

import contextlib
import itertools
import signal
import subprocess

import pytest

import kukeon_sdk
from kukeon_api import errors
from kuketest import manifests
from kuketest.instance import Instance
from kuketest.programs import CELL, container, left, processes, sleeping
from kuketest.waiting import PATIENCE, until


class TestTargets:
    """What cannot be meant is told with what to do."""

    def test_missing_and_ambiguous(self, shell: Instance) -> None:
        done = shell.kuke("exec", "shel", "--", "true", code=3)
        assert f"did you mean {CELL!r}" in done.err
        done = shell.kuke("exec", CELL, "-c", "mian", "--", "true", code=3)
        assert "hint: it has main" in done.err
        shell.apply(
            manifests.cell(
                "pair",
                manifests.container("one", "trap 'exit 0' TERM; sleep 3600 & wait $!"),
                manifests.container("two", "exit 0"),
            )
        )
        done = shell.kuke("exec", "pair", "--", "true", code=2)
        assert "it has one, two" in done.err
        assert "hint: name one: kuke exec pair -c one -- COMMAND" in done.err
        assert shell.kuke("exec", "pair", "-c", "one", "--", "echo", "x").out == "x\n"
        until(lambda: shell.find_task_pid("two", "pair") is None, "two to end")
        done = shell.kuke("exec", "pair", "-c", "two", "--", "true", code=5)
        assert "hint: start it: kuke start container two --cell pair" in done.err
        shell.kuke("stop", "cell", "pair")
        done = shell.kuke("exec", "pair", "-c", "one", "--", "true", code=5)
        assert "hint: start it: kuke start cell pair" in done.err
        shell.kuke("delete", "cell", "pair")

    def test_a_stopped_one_through_the_sdk(self, shell: Instance, client: kukeon_sdk.Client) -> None:
        shell.apply(manifests.sleeper("still"))
        shell.kuke("stop", "cell", "still")
        with pytest.raises(errors.TaskNotRunning, match="it does not run"):
            client.exec(container(cell="still"), ["true"])
        shell.kuke("delete", "cell", "still")
        with pytest.raises(errors.CellNotFound):
            client.exec(container(cell="still"), ["true"])
        with pytest.raises(errors.ContainerNotFound):
            client.exec(container("none"), ["true"])


class TestCommand:
    """`kuke exec` without a terminal."""

    def test_in_a_pipe(self, shell: Instance) -> None:
        done = shell.kuke("exec", "-i", CELL, "--", "sh", "-c", "cat; echo no >&2; exit 3", manifest="hello", code=3)
        assert (done.out, done.err) == ("hello", "no\n")
        # Without -i there is nothing to read.
        assert shell.kuke("exec", CELL, "--", "cat", manifest="hello").out == ""
        assert shell.kuke("exec", CELL, "-e", "A=b", "-e", "HOME", "-w", "/tmp", "-u", "5", "--", "sh", "-c",
                          "echo $A $HOME $PWD; id -u").out == f"b {shell.home} /tmp\n5\n"  # fmt: skip

    def test_a_terminal_has_to_be_there(self, shell: Instance) -> None:
        done = shell.kuke("exec", "-it", CELL, "--", "sh", code=2)
        assert "standard input is none" in done.err

    def test_a_reader_that_goes_away(self, shell: Instance) -> None:
        seconds, _ = sleeping()
        kuke = shell.spawn_kuke("exec", CELL, "--", "yes", seconds)
        assert kuke.stdout is not None
        assert kuke.stdout.readline() == f"{seconds}\n"
        kuke.stdout.close()
        assert kuke.wait(30 * PATIENCE) == 141
        assert kuke.stderr is not None
        kuke.stderr.close()
        until(lambda: not processes(seconds), "it to end")
        until(lambda: not left(shell), "nothing to be left")

    def test_signals_are_for_the_program(self, shell: Instance) -> None:
        script = (
            "trap 'echo int; exit 9' INT; trap 'echo usr; kill $!' USR1; sleep 1000 & echo up; wait; sleep 1000 & wait"
        )
        kuke = shell.spawn_kuke("exec", CELL, "--", "sh", "-c", script)
        assert kuke.stdout is not None
        assert kuke.stdout.readline() == "up\n"
        kuke.send_signal(signal.SIGUSR1)
        assert kuke.stdout.readline() == "usr\n"
        kuke.send_signal(signal.SIGINT)
        out, err = kuke.communicate(timeout=30 * PATIENCE)
        assert (out, err, kuke.returncode) == ("int\n", "", 9)

    def test_three_times_control_c_leaves_a_program_that_does_not_want_to_hear(self, shell: Instance) -> None:
        seconds, script = sleeping()
        kuke = shell.spawn_kuke("exec", CELL, "--", "sh", "-c", f"trap '' INT; echo up; {script}")
        assert kuke.stdout is not None
        assert kuke.stdout.readline() == "up\n"
        keys = itertools.count()

        def ended() -> bool:
            next(keys)  # two of a kind at once are one, signal(7): a busy machine may need more than three
            kuke.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                kuke.wait(0.1)
            return kuke.returncode is not None

        until(ended, "kuke to leave it")
        assert next(keys) >= 3
        _, err = kuke.communicate(timeout=30 * PATIENCE)
        assert (kuke.returncode, err) == (130, "interrupted\n")
        until(lambda: not processes(seconds), "it to end")

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
    def test_a_kuke_that_is_killed_leaves_nothing(self, shell: Instance, number: signal.Signals) -> None:
        seconds, script = sleeping()
        kuke = shell.spawn_kuke("exec", CELL, "--", "sh", "-c", script)
        until(lambda: processes(seconds), "it to run")
        kuke.send_signal(number)
        kuke.communicate(timeout=30 * PATIENCE)
        assert kuke.returncode == (-number if number == signal.SIGKILL else 128 + number)
        until(lambda: not processes(seconds), "it to end")
        until(lambda: not left(shell), "nothing to be left")


class TestInProcess:
    """Without kukeond."""

    def test_it_is_the_same(self, inside_instance: Instance) -> None:
        inside_instance.apply(manifests.sleeper("alone"))
        script = "cat; echo no >&2; exit 3"
        done = inside_instance.kuke("exec", "-i", "alone", "--", "sh", "-c", script, manifest="hello", code=3)
        assert (done.out, done.err) == ("hello", "no\n")
        seconds, script = sleeping()
        kuke = inside_instance.spawn_kuke("exec", "alone", "--", "sh", "-c", script)
        until(lambda: processes(seconds), "it to run")
        kuke.send_signal(signal.SIGHUP)
        kuke.communicate(timeout=30 * PATIENCE)
        assert kuke.returncode == 129
        assert processes(seconds) == []
        assert left(inside_instance) == []
        # One that is killed leaves what the next one ends.
        kuke = inside_instance.spawn_kuke("exec", "alone", "--", "sh", "-c", script)
        until(lambda: processes(seconds), "it to run")
        kuke.kill()
        kuke.communicate(timeout=30 * PATIENCE)
        inside_instance.kuke("delete", "cell", "alone")
        assert processes(seconds) == []
        assert left(inside_instance) == []
