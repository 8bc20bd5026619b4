"""Stories of terminals: a person attaches, leaves and comes back, and whoever dies around them, the program goes on."""

import json
import os
import pty
import select
import signal
import stat
import subprocess
import termios
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

import kukeon_sdk
from kukeon_sdk import attach
from kuketest import manifests
from kuketest.instance import Instance
from kuketest.waiting import PATIENCE, until, until_equal

GROUP = 64123
"""Of nobody, until a test runs as it."""
DETACH = b"\x1d\x1d"
PATIENCE_S = 30.0 * PATIENCE
STOP_GRACE_S = 10.0


def shell(name: str = "main", **more: object) -> dict[str, object]:
    made = manifests.container(name, "")
    made.pop("args", None)
    return made | {"command": "/bin/sh", "attachable": True, **more}


def container(cell: str, name: str = "main") -> kukeon_sdk.model.ContainerDoc:
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": cell}
    return kukeon_sdk.model.ContainerDoc(
        metadata=kukeon_sdk.model.Metadata(name=name), spec=kukeon_sdk.model.ContainerSpec(id=name, **place)
    )


class Screen:
    """A terminal with `kuke` at it."""

    def __init__(self, kukeon: Instance, *arguments: str, prefix: Sequence[str] = ()) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(self.master, (24, 80))
        self.modes = termios.tcgetattr(self.master)
        self.process = subprocess.Popen(
            [*prefix, str(kukeon.programs / "kuke"), *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=kukeon.environment(),
            start_new_session=True,
        )
        # Kept open: the last words of a process that ended are read through it.
        self.slave = slave
        self.seen = self.all = b""

    def sees(self, text: bytes, patience_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience_s
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} did not come: {self.seen!r}"
            shown = os.read(self.master, 65536)
            self.seen += shown
            self.all += shown
        self.seen = self.seen.partition(text)[2]

    def types(self, text: bytes) -> None:
        os.write(self.master, text)

    def answers(self, text: bytes, keys: bytes) -> None:
        """Type `keys` until `text` comes: what is typed while nobody is connected is lost."""

        def answered() -> bool:
            self.types(keys)
            try:
                self.sees(text, 1)
            except AssertionError:
                return False
            return True

        until(answered, "the program to answer")

    def ends(self) -> int:
        code = self.process.wait(PATIENCE_S)
        assert termios.tcgetattr(self.master) == self.modes
        return code

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@contextmanager
def at_a_terminal(kukeon: Instance, *arguments: str, prefix: Sequence[str] = ()) -> Iterator[Screen]:
    screen = Screen(kukeon, *arguments, prefix=prefix)
    try:
        yield screen
    finally:
        screen.close()


@pytest.fixture
def web(kukeon: Instance) -> Iterator[Instance]:
    tty = {"prompt": "cell> ", "onInit": [{"script": "echo typed-$((1+1))\nkept=yes"}]}
    kukeon.apply(manifests.cell("web", shell(tty=tty)))
    yield kukeon
    kukeon.kuke("delete", "cell", "web")


def capture(kukeon: Instance, cell: str = "web", name: str = "main") -> Path:
    with kukeon.client() as client:
        return Path(client.log_container(container(cell, name)).host_capture_path)


def kuketty_pid(kukeon: Instance) -> int:
    """0 while it is about to start."""
    record = json.loads((kukeon.run_path / ".kukeon-instance.json").read_text())
    text = Path(f"/run/kukeon/{record['id']}/kuketty.pid").read_text()
    return int(text or 0)


@pytest.mark.vm
def test_attach_leave_and_come_back(web: Instance) -> None:
    with at_a_terminal(web, "attach", "web") as screen:
        screen.sees(b"Leave it with Ctrl-] Ctrl-]")
        screen.sees(b"typed-2")
        screen.sees(b"cell> ")
        screen.types(b"mine=shell; until test \"$(stty size)\" = '24 80'; do sleep 0.1; done; echo at-$((1+1))\r")
        screen.sees(b"at-2")
        termios.tcsetwinsize(screen.master, (50, 132))
        os.kill(screen.process.pid, signal.SIGWINCH)
        screen.types(b"until test \"$(stty size)\" = '50 132'; do sleep 0.1; done; echo wide-$((1+1))\r")
        screen.sees(b"wide-2")
        screen.types(DETACH)
        screen.sees(b"it goes on")
        assert screen.ends() == 0
    assert web.state("web") == "Ready"
    with at_a_terminal(web, "attach", "web") as screen:
        screen.sees(b"wide-2")
        screen.types(b"echo again-$mine-$kept\r")
        screen.sees(b"again-shell-yes")
        screen.types(b"exit\r")
        screen.sees(b"has ended")
        assert screen.ends() == 0
    assert capture(web).read_bytes().count(b"typed-2") == 1
    assert "again-shell-yes" in web.kuke("log", "web").out


@pytest.mark.vm
@pytest.mark.exercises("Exec")
def test_programs_beside_the_one_that_is_attached_to(web: Instance) -> None:
    script = "cat; stty size || echo none; exit 3"
    done = web.kuke("exec", "-i", "web", "--", "sh", "-c", script, manifest="hello\n", code=3)
    assert done.out == "hello\nnone\n"
    with at_a_terminal(web, "exec", "-it", "web", "--", "sh") as screen:
        screen.sees(b"# ")
        screen.types(b"stty size; echo in-$((1+1)); exit 6\r")
        screen.sees(b"24 80")
        screen.sees(b"in-2")
        assert screen.ends() == 6
    assert "in-2" not in web.kuke("log", "web").out


def test_kukeond_and_kuketty_die_under_somebody_who_is_attached(web: Instance) -> None:
    with at_a_terminal(web, "attach", "web") as screen:
        screen.sees(b"cell> ")
        web.sigkill()
        screen.types(b"echo alone-$((1+1))\r")
        screen.sees(b"alone-2")
        web.start()
        pid = kuketty_pid(web)
        os.kill(pid, signal.SIGKILL)
        until(lambda: kuketty_pid(web) not in (0, pid), "kuketty to come back")

        screen.answers(b"back-2", b"echo back-$((1+1))\r")
        # The size is told again after a connection was made anew, so that no change is missed.
        termios.tcsetwinsize(screen.master, (31, 97))
        os.kill(screen.process.pid, signal.SIGWINCH)
        screen.types(b"until test \"$(stty size)\" = '31 97'; do sleep 0.1; done; echo sized-$((1+1))-$kept\r")
        screen.sees(b"sized-2-yes")
        screen.types(DETACH)
        assert screen.ends() == 0
    assert capture(web).read_bytes().count(b"typed-2") == 1


def test_two_are_attached_and_one_vanishes(web: Instance) -> None:
    with at_a_terminal(web, "attach", "web") as one:
        one.sees(b"cell> ")
        with at_a_terminal(web, "attach", "web") as other:
            other.sees(b"cell> ")
            other.types(b"echo both-$((1+1))\r")
            one.sees(b"both-2")
            other.sees(b"both-2")
            other.process.kill()
        one.types(b"echo still-$((1+1))\r")
        one.sees(b"still-2")
        one.types(DETACH)
        assert one.ends() == 0


def test_what_cannot_be_attached_to(kukeon: Instance) -> None:
    kukeon.apply(manifests.cell("pair", shell("a"), shell("b"), manifests.container("c", "sleep 3600")))

    def refused(code: int, words: str, hint: str, *arguments: str) -> None:
        with at_a_terminal(kukeon, "attach", *arguments) as screen:
            screen.sees(words.encode())
            screen.sees(hint.encode())
            assert screen.ends() == code

    refused(3, "nowhere", "hint:", "nowhere")
    refused(2, "a, b have terminals", "kuke attach pair -c a", "pair")
    refused(7, "has no terminal", "attached to a, b", "pair", "-c", "c")
    refused(3, "cannot find container 'x'", "attached to a, b", "pair", "-c", "x")
    kukeon.kuke("kill", "container", "a", "--cell", "pair")
    refused(5, "it does not run", "kuke start container a --cell pair", "pair", "-c", "a")
    piped = kukeon.kuke("attach", "pair", "-c", "b", code=2)
    assert "must be a terminal" in piped.err
    kukeon.kuke("kill", "cell", "pair")
    refused(5, "does not run", "hint:", "pair", "-c", "b")
    kukeon.kuke("start", "cell", "pair")
    with at_a_terminal(kukeon, "attach", "pair", "-c", "b") as screen:
        screen.types(b"echo b-$((1+1))\r")
        screen.sees(b"b-2")
    kukeon.kuke("kill", "cell", "pair")
    kukeon.kuke("delete", "cell", "pair")


@pytest.mark.exercises("Attach", "AttachContainer", "LogContainer", "ResizeTerminal")
def test_the_same_bytes_through_kukeond(web: Instance) -> None:
    with web.client() as client, client.attach(container("web"), rows=33, columns=77) as session:
        shown = b""
        session.write(b"stty size; exit 3\r")
        for piece in session:
            shown += piece
        assert b"typed-2" in shown
        assert b"33 77" in shown
        assert session.ended is not None
        assert session.ended.code == 3
    kept = capture(web).read_bytes()
    with web.client() as client:
        client.start_container(container("web"))
        with attach.Terminal(client.attach_container(container("web")).host_socket_path) as terminal:
            assert client.resize_terminal(container("web"), 20, 70).resized
            terminal.write(b"stty size; exit\r")
            assert b"20 70" in b"".join(terminal)
        assert client.log_container(container("web")).host_capture_path == str(capture(web))
    assert capture(web).read_bytes().startswith(kept)


def test_where_the_socket_cannot_be_seen_it_goes_through_kukeond(web: Instance) -> None:
    elsewhere = ("unshare", "--mount", "sh", "-ec", 'mount -t tmpfs none /run/kukeon; exec "$@"', "sh")
    with at_a_terminal(web, "attach", "web", prefix=elsewhere) as screen:
        screen.sees(b"cell> ")
        screen.types(b"mine=shell; until test \"$(stty size)\" = '24 80'; do sleep 0.1; done; echo at-$((1+1))\r")
        screen.sees(b"at-2")
        termios.tcsetwinsize(screen.master, (50, 132))
        os.kill(screen.process.pid, signal.SIGWINCH)
        screen.types(b"until test \"$(stty size)\" = '50 132'; do sleep 0.1; done; echo wide-$((1+1))\r")
        screen.sees(b"wide-2")
        web.sigkill()
        # Of another one meanwhile; it is told again when there is a connection again.
        termios.tcsetwinsize(screen.master, (33, 99))
        web.start()
        screen.answers(b"back-2", b"echo back-$((1+1))\r")
        screen.types(b"until test \"$(stty size)\" = '33 99'; do sleep 0.1; done; echo sized-$((1+1))-$mine\r")
        screen.sees(b"sized-2-shell")
        assert b"wide-2" not in screen.all.partition(b"back-2")[2]
        screen.types(DETACH)
        screen.sees(b"it goes on")
        assert screen.ends() == 0
    with at_a_terminal(web, "run", "web", prefix=elsewhere) as screen:
        screen.sees(b"cell> ")
        screen.types(b"exit 5\r")
        assert screen.ends() == 5
    with at_a_terminal(web, "attach", "web", prefix=elsewhere) as screen:
        screen.sees(b"it does not run")
        assert screen.ends() == 5


def test_members_of_the_group_attach_and_others_do_not(
    new_instance: Callable[..., Instance], image_archive: Path
) -> None:
    kukeon = new_instance("--containerd", "embedded", "--socket-gid", str(GROUP))
    kukeon.start()
    try:
        kukeon.kuke("image", "load", str(image_archive))
        kukeon.apply(manifests.cell("web", shell()))
        with kukeon.client() as client:
            path = client.attach_container(container("web")).host_socket_path
        found = Path(path).stat()
        assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (0o660, 0, GROUP)
        kept = capture(kukeon).stat()
        assert (stat.S_IMODE(kept.st_mode), kept.st_gid) == (0o640, GROUP)
        member = ("setpriv", "--reuid=65534", f"--regid={GROUP}", "--clear-groups")
        for _ in range(3):
            with at_a_terminal(kukeon, "attach", "web", prefix=member) as screen:
                screen.types(b"echo member-$((1+1))\r")
                screen.sees(b"member-2")
                screen.types(DETACH)
                assert screen.ends() == 0
            kukeon.kuke("kill", "cell", "web")
            kukeon.kuke("start", "cell", "web")
        # Who may talk to kukeond gets to a terminal whose socket is closed to them, too.
        Path(path).chmod(0o600)
        with at_a_terminal(kukeon, "attach", "web", prefix=member) as screen:
            screen.types(b"echo through-$((1+1))\r")
            screen.sees(b"through-2")
            screen.types(DETACH)
            assert screen.ends() == 0
        stranger = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
        with at_a_terminal(kukeon, "attach", "web", prefix=stranger) as screen:
            screen.sees(b"permission denied")
            assert screen.ends() == 6
        code = f"from kukeon_sdk import attach; attach.Terminal({path!r})"
        done = subprocess.run(
            [*stranger, str(kukeon.programs / "python"), "-c", code], capture_output=True, text=True, check=False
        )
        assert "Denied" in done.stderr
        kukeon.kuke("kill", "cell", "web")
        kukeon.kuke("delete", "cell", "web")
    finally:
        kukeon.stop()


def test_it_floods_with_nobody_there_and_its_last_words_are_kept(kukeon: Instance) -> None:
    script = "head -c 25000000 /dev/zero | tr '\\0' x | fold -w 99; echo over"
    kukeon.apply(manifests.cell("loud", manifests.container("main", script) | {"attachable": True}))
    until_equal(lambda: kukeon.state("loud"), "Exited", "the state of the cell")
    path = capture(kukeon, "loud")
    until(lambda: path.read_bytes().endswith(b"over\r\n"), "the last words")
    assert sum(each.stat().st_size for each in path.parent.iterdir()) > 25_000_000
    kukeon.kuke("delete", "cell", "loud")


def test_a_client_that_takes_nothing_holds_up_nobody(web: Instance) -> None:
    with web.client() as client:
        path = client.attach_container(container("web")).host_socket_path
    with attach.Terminal(path) as slow, attach.Terminal(path) as quick:
        slow.read()
        quick.write(b"head -c 5000000 /dev/zero | tr '\\0' x | fold -w 99; echo do'ne'\r")
        shown = b""
        while b"done\r\n" not in shown:
            shown = shown[-100:] + quick.read()
        with pytest.raises(kukeon_sdk.errors.Unavailable, match="faster than you take it"):
            b"".join(slow)


@pytest.mark.parametrize(("program", "code"), [("/bin/sh", 7), ("/usr/bin/bash", 128 + signal.SIGHUP)])
def test_a_shell_is_not_waited_for_until_the_grace_is_over(kukeon: Instance, program: str, code: int) -> None:
    """Interactive shells ignore SIGTERM; they end when their terminal is hung up."""
    # The machine's own bash, with what it is linked to.
    places = {each: os.path.realpath(each) for each in ("/usr", "/lib", "/lib64") if Path(each).exists()}
    volumes = [{"source": source, "target": target, "readOnly": True} for target, source in places.items()]
    own = {"volumes": volumes} if program.startswith("/usr") else {}
    tty = {"onInit": [{"script": "trap 'exit 7' EXIT; echo set-$((1+1))"}]}
    kukeon.apply(manifests.cell("quick", shell(command=program, args=["-i"], tty=tty, **own)))
    until(lambda: "set-2" in kukeon.kuke("log", "quick").out, "the trap to be set")
    before = time.monotonic()
    kukeon.kuke("stop", "cell", "quick")
    assert time.monotonic() - before < STOP_GRACE_S / 2 * PATIENCE
    (status,) = [each for each in kukeon.cell("quick")["status"]["containers"] if each["name"] == "main"]
    assert status["exitCode"] == code, status
    kukeon.kuke("delete", "cell", "quick")
