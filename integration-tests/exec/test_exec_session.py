"""Programs in containers through the SDK: what goes in and out, and how they end."""

import hashlib
import os
import signal
import time
from pathlib import Path

import pytest

import kukeon_sdk
from kukeon_api import errors, model
from kukeon_sdk.sessions import ExecSession
from kuketest.instance import Instance
from kuketest.programs import CELL, container, left, processes, sleeping
from kuketest.waiting import PATIENCE, until


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
            done = client.exec(container(), ["sh", "-c", script], **more).communicate()  # type: ignore[arg-type] # by the case
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
            client.exec(container(), **wanted)  # type: ignore[arg-type] # wrong on purpose, too
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
                    time.sleep(pause_s)  # a reader who is slow: the end comes before the rest is read
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
