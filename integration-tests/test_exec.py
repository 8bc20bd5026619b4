"""Programs in containers beside their own: what goes in and out, how they end, and what is left of them."""

import contextlib
import hashlib
import itertools
import json
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kukeon_sdk
from kukeon_api import errors, model
from kukeon_sdk.sessions import ExecSession
from kuketest import manifests
from kuketest.instance import Instance
from kuketest.pseudo_terminal import Terminal, terminal
from kuketest.waiting import PATIENCE, until

CELL = "shell"


def container(name: str = "main", cell: str = CELL) -> model.ContainerDoc:
    spec = model.ContainerSpec(id=name, realm_id="default", space_id="default", stack_id="default", cell_id=cell)
    return model.ContainerDoc(metadata=model.Metadata(name=name), spec=spec)


@pytest.fixture(scope="module")
def home(new_instance: Callable[..., Instance], image_archive: Path) -> Iterator[Instance]:
    """An instance of these stories, whose kukeond is killed in some of them."""
    instance = new_instance()
    instance.start()
    instance.kuke("image", "load", str(image_archive))
    instance.apply(manifests.sleeper(CELL))
    yield instance
    if instance.daemon is None:
        instance.start()
    instance.kuke("delete", "cell", CELL)
    assert left(instance) == []


@pytest.fixture
def shell(home: Instance) -> Instance:
    if home.daemon is None:
        home.start()
    return home


@pytest.fixture
def client(shell: Instance) -> Iterator[kukeon_sdk.Client]:
    with shell.client() as client:
        yield client


def runtime(instance: Instance) -> Path:
    record = json.loads((instance.run_path / ".kukeon-instance.json").read_text())
    return Path("/run/kukeon") / record["id"]


def left(instance: Instance) -> list[str]:
    """What is there of programs: their FIFOs."""
    directory = runtime(instance) / "exec"
    return [path.name for path in directory.iterdir()] if directory.exists() else []


def processes(marker: str) -> list[int]:
    """Processes, in whatever container, that have `marker` as a word of their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if marker.encode() in words:
            found.append(int(path.name))
    return found


def sleeping() -> tuple[str, str]:
    """A number of seconds that nobody else sleeps, and a script whose shell and child can be told by it."""
    seconds = str(100_000 + secrets.randbelow(900_000))
    return seconds, f"sleep {seconds}; true"


class TestSession:
    """Through the SDK."""

    @pytest.mark.exercises("Exec")
    def test_streams_and_code(self, client: kukeon_sdk.Client) -> None:
        with client.exec(container(), ["sh", "-c", "echo out; echo err >&2; exit 7"]) as session:
            assert session.pid > 0
            done = session.communicate()
        assert done == (model.ExitStatus(code=7), b"out\n", b"err\n")

    def test_a_signal_as_its_end_is_told(self, client: kukeon_sdk.Client) -> None:
        with client.exec(container(), ["sleep", "1000"]) as session:
            session.signal(signal.SIGTERM)
            assert session.wait() == model.ExitStatus(code=143, signal="SIGTERM")

    def test_who_where_and_with_what(self, client: kukeon_sdk.Client) -> None:
        def told(script: str, **more: object) -> str:
            done = client.exec(container(), ["sh", "-c", script], **more).communicate()  # type: ignore[arg-type]
            assert done.status.code == 0, done
            return done.stdout.decode().strip()

        assert told("id -u; id -g; pwd; echo $KUKEON_CELL_NAME") == f"0\n0\n/\n{CELL}"
        assert told("id -u; id -g", user="1000:10") == "1000\n10"
        assert told("pwd; echo $A-$KUKEON_CELL_NAME", working_dir="/tmp", env=["A=b c"]) == f"/tmp\nb c-{CELL}"
        # Names are looked up in the container's files as they are now.
        told("mkdir -p /etc; echo 'u:x:1234:5678::/:/bin/sh' >>/etc/passwd; echo 'g:x:77:u' >>/etc/group")
        assert told("id -u; id -g; id -G", user="u") == "1234\n5678\n5678 77"
        # It may do no more than the container's own program.
        own = told("grep -E '^(CapBnd|CapEff|NoNewPrivs|Seccomp):' /proc/1/status")
        assert told("grep -E '^(CapBnd|CapEff|NoNewPrivs|Seccomp):' /proc/self/status") == own
        assert told("cat /proc/self/cgroup") == told("cat /proc/1/cgroup")

    @pytest.mark.parametrize(
        ("wanted", "kind", "words"),
        [
            ({"command": ["no-such-program"]}, errors.Invalid, "there is no program 'no-such-program'"),
            ({"command": ["/etc"]}, errors.Invalid, "'/etc'"),
            ({"command": []}, errors.Invalid, "the command is empty"),
            ({"command": ["true"], "working_dir": "/no/such"}, errors.Invalid, "'/no/such' cannot be entered"),
            ({"command": ["true"], "working_dir": "tmp"}, errors.Invalid, "not absolute"),
            ({"command": ["true"], "user": "nobody-at-all"}, errors.InvalidUser, "'nobody-at-all'"),
            ({"command": ["true"], "env": ["=x"]}, errors.Invalid, "no variable"),
        ],
        ids=str,
    )
    def test_what_cannot_be_run_is_told(
        self, client: kukeon_sdk.Client, shell: Instance, wanted: dict[str, object], kind: type[Exception], words: str
    ) -> None:
        with pytest.raises(kind, match=words):
            client.exec(container(), **wanted)  # type: ignore[arg-type]
        until(lambda: not left(shell), "nothing to be left")

    def test_input_arrives_whole_and_ends(self, client: kukeon_sdk.Client) -> None:
        data = os.urandom(8 << 20)
        done = client.exec(container(), ["sha256sum"]).communicate(data)
        assert done.stdout.decode().split()[0] == hashlib.sha256(data).hexdigest()
        done = client.exec(container(), ["cat"]).communicate(data)
        assert hashlib.sha256(done.stdout).digest() == hashlib.sha256(data).digest()

    def test_input_that_nobody_reads_is_no_trouble(self, client: kukeon_sdk.Client) -> None:
        assert client.exec(container(), ["true"]).communicate(bytes(4 << 20)).status.code == 0
        with client.exec(container(), ["sleep", "1000"]) as session:
            # A signal does not wait behind it.
            session.write(bytes(300_000))
            session.signal(signal.SIGKILL)
            assert session.wait().code == 137
            with pytest.raises(errors.Conflict):
                session.write(b"late")

    def test_nothing_is_lost_at_the_end(self, client: kukeon_sdk.Client) -> None:
        script = "head -c 20000000 /dev/urandom | tee /tmp/sent; sha256sum /tmp/sent >&2"
        for pause_s in (0.0, 0.002):
            digest, errs = hashlib.sha256(), b""
            with client.exec(container(), ["sh", "-c", script]) as session:
                for stream, data in session:
                    time.sleep(pause_s)
                    if stream == "stdout":
                        digest.update(data)
                    else:
                        errs += data
                assert session.wait().code == 0
            assert errs.decode().split()[0] == digest.hexdigest()
        for _ in range(20):
            assert client.exec(container(), ["sh", "-c", "echo last"]).communicate().stdout == b"last\n"

    def test_a_program_waits_for_whoever_reads(self, client: kukeon_sdk.Client, shell: Instance) -> None:
        assert shell.daemon is not None
        with client.exec(container(), ["yes", "x" * 1000]) as session:
            assert session.read() is not None

            def stalled() -> bool:
                before = Path(f"/proc/{session.pid}/io").read_text().splitlines()[1]
                time.sleep(0.3)  # a program that is not stalled writes hundreds of megabytes in that time
                return Path(f"/proc/{session.pid}/io").read_text().splitlines()[1] == before

            until(stalled, "the program to wait")
            written = int(Path(f"/proc/{session.pid}/io").read_text().splitlines()[1].split()[1])
            assert written < 100 << 20
        until(lambda: not left(shell), "nothing to be left")

    def test_what_stays_in_the_background_is_not_waited_for(self, client: kukeon_sdk.Client) -> None:
        seconds, _ = sleeping()
        began = time.monotonic()
        done = client.exec(container(), ["sh", "-c", f"sleep {seconds} & echo there"]).communicate()
        assert (done.status.code, done.stdout) == (0, b"there\n")
        assert time.monotonic() - began < 10 * PATIENCE
        # The shell may be gone before what it started has become the other program.
        (pid,) = until(lambda: processes(seconds), "it to run")
        os.kill(pid, signal.SIGKILL)

    def test_leaving_ends_it_and_what_it_started(self, client: kukeon_sdk.Client, shell: Instance) -> None:
        for shell_script in ("{}", "trap '' HUP; {}"):
            seconds, script = sleeping()
            with client.exec(container(), ["sh", "-c", shell_script.format(script)]):
                until(lambda seconds=seconds: processes(seconds), "it to run")
            until(lambda seconds=seconds: not processes(seconds), "it to end")
        until(lambda: not left(shell), "nothing to be left")

    def test_what_made_a_session_of_its_own_goes_on(self, client: kukeon_sdk.Client, shell: Instance) -> None:
        staying, going = sleeping(), sleeping()
        with client.exec(container(), ["sh", "-c", f"setsid sleep {staying[0]} & {going[1]}"]):
            until(lambda: processes(staying[0]) and processes(going[0]), "both to run")
        until(lambda: not processes(going[0]), "the program to end")
        until(lambda: not left(shell), "nothing to be left")
        (pid,) = processes(staying[0])
        os.kill(pid, signal.SIGKILL)

    def test_many_at_once(self, client: kukeon_sdk.Client, shell: Instance) -> None:
        sessions = [client.exec(container(), ["sh", "-c", f"cat; exit {n}"]) for n in range(16)]
        for session in sessions:
            session.write(b"x")
            session.close_stdin()
        for n, session in enumerate(sessions):
            assert session.communicate() == (model.ExitStatus(code=n), b"x", b"")
        until(lambda: not left(shell), "nothing to be left")

    def test_a_terminal(self, client: kukeon_sdk.Client) -> None:
        with client.exec(container(), ["sh"], tty=True, rows=30, columns=100) as session:
            session.write(b"stty size; tty; echo end$((1+1))\n")
            self.shows(session, b"30 100", b"/dev/pts/", b"end2")
            session.resize(40, 120)
            session.write(b"stty size; echo end$((2+2))\n")
            self.shows(session, b"40 120", b"end4")
            seconds, _ = sleeping()
            session.write(f"sleep {seconds}\n".encode())
            until(lambda: processes(seconds), "it to run")
            session.write(b"\x03")
            session.write(b"exit 5\n")
            assert session.wait().code == 5
        # Its input has no end but the key that stands for it.
        assert client.exec(container(), ["cat"], tty=True).communicate(b"").status.code == 0

    def shows(self, session: ExecSession, *wanted: bytes) -> None:
        seen = b""
        while not all(word in seen for word in wanted):
            piece = session.read()
            assert piece is not None, seen
            seen += piece.data


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
