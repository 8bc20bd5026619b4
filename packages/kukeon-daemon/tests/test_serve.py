"""`kukeond serve` as a process: its socket's life, its signals, its neighbours."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_daemon import listening
from kukeon_sdk import UnixClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAIT_S = 30.0
PROGRAM = Path(__file__).with_name("kukeond_memory.py")


def wait_for(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {WAIT_S} s"
        time.sleep(0.005)


class Daemon:
    """A kukeond with a controller in memory; its run path is `home`."""

    def __init__(self, home: Path, **flags: str) -> None:
        home.mkdir(exist_ok=True)
        self.home = home
        self.socket = Path(flags.get("socket", str(home / "kukeond.sock")))
        words = [word for pair in {"run_path": str(home), **flags}.items() for word in pair]
        environment = {**os.environ, "KUKEOND_CONFIGURATION": ""}
        self.process = subprocess.Popen(
            [sys.executable, str(PROGRAM), *words], stderr=subprocess.PIPE, text=True, env=environment
        )
        self.output: list[str] = []
        assert self.process.stderr is not None
        self._reader = threading.Thread(target=self.output.extend, args=(self.process.stderr,))
        self._reader.start()

    def log(self) -> str:
        return "".join(self.output)

    def wait_serving(self) -> Daemon:
        wait_for(lambda: "serving" in self.log() or self.process.poll() is not None, "service")
        assert self.process.poll() is None, self.log()
        return self

    def wait(self) -> int:
        code = self.process.wait(WAIT_S)
        self._reader.join(WAIT_S)
        return code

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def client(self) -> UnixClient:
        return UnixClient(str(self.socket))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    started: list[Daemon] = []

    def start(home: str = "home", **flags: str) -> Daemon:
        started.append(Daemon(tmp_path / home, **flags))
        return started[-1]

    yield start
    for daemon in started:
        daemon.kill()
        assert daemon.process.stderr is not None
        daemon.process.stderr.close()


Start = "Callable[..., Daemon]"


def realm(name: str) -> model.RealmDoc:
    return model.RealmDoc(metadata=model.Metadata(name=name))


def test_it_serves_and_leaves_nothing_behind(start: Start) -> None:
    daemon = start().wait_serving()
    with daemon.client() as client:
        assert client.ping().ok
    assert (daemon.home / "kukeond.pid").read_text() == f"{daemon.process.pid}\n"
    daemon.process.terminate()
    assert daemon.wait() == 0
    assert sorted(path.name for path in daemon.home.iterdir()) == ["closed"]


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_without_its_run_path_it_ends(start: Start, how: str) -> None:
    daemon = start()
    lock = daemon.home / ".kukeon.lock"
    lock.write_text("")
    daemon.wait_serving()
    lock.unlink()
    if how == "replaced":
        lock.write_text("another")
    assert daemon.wait() == 0
    assert "was removed or replaced" in daemon.log()


def test_sigterm_lets_running_calls_finish(start: Start) -> None:
    daemon = start().wait_serving()
    answers: list[bool] = []
    with daemon.client() as client:
        thread = threading.Thread(target=lambda: answers.append(client.create_realm(realm("slow")).created))
        thread.start()
        wait_for((daemon.home / "began").exists, "the call")
        daemon.process.terminate()
        wait_for(lambda: not daemon.socket.exists(), "the end of listening")
        assert daemon.process.poll() is None
        (daemon.home / "gate").touch()
        thread.join(WAIT_S)
    assert daemon.wait() == 0
    assert answers == [True]
    assert (daemon.home / "closed").read_text() == "['slow'] undone=False"


def test_calls_that_take_too_long_are_cancelled_and_undone(start: Start) -> None:
    daemon = start(grace="0.2").wait_serving()
    caught: list[BaseException] = []
    with daemon.client() as client:

        def create() -> None:
            with contextlib.suppress(errors.Unavailable):
                client.create_realm(realm("slow"))
                return
            caught.append(errors.Unavailable("told"))

        thread = threading.Thread(target=create)
        thread.start()
        wait_for((daemon.home / "began").exists, "the call")
        daemon.process.terminate()
        thread.join(WAIT_S)
    assert daemon.wait() == 0
    assert caught
    assert (daemon.home / "closed").read_text() == "[] undone=True"


def test_a_second_signal_ends_it_at_once(start: Start) -> None:
    daemon = start().wait_serving()
    with daemon.client() as client:
        thread = threading.Thread(target=self_lost, args=(client,))
        thread.start()
        wait_for((daemon.home / "began").exists, "the call")
        daemon.process.terminate()
        wait_for(lambda: "SIGTERM: stopping" in daemon.log(), "the first signal")
        daemon.process.send_signal(signal.SIGINT)
        assert daemon.wait() == 128 + signal.SIGINT
        thread.join(WAIT_S)
    assert not daemon.socket.exists()


def self_lost(client: UnixClient) -> None:
    with pytest.raises(errors.Unavailable):
        client.create_realm(realm("slow"))


def test_sighup_sets_the_log_level(start: Start, tmp_path: Path) -> None:
    settings = tmp_path / "kukeond.yaml"
    settings.write_text("kind: ServerConfiguration\nspec: {logLevel: warn}\n")
    daemon = start(configuration=str(settings))
    wait_for(daemon.socket.exists, "service")
    settings.write_text("kind: ServerConfiguration\nspec: {logLevel: debug}\n")
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "log level is debug" in daemon.log(), "the new level")
    settings.write_text("kind: ServerConfiguration\nspec: {logLevle: info}\n")
    daemon.process.send_signal(signal.SIGHUP)
    wait_for(lambda: "the settings stay as they are" in daemon.log(), "the refusal")
    with daemon.client() as client:
        client.list_realms()
    wait_for(lambda: "list_realms" in daemon.log(), "the line of the call")


def test_a_socket_left_by_a_killed_daemon_is_replaced(start: Start) -> None:
    first = start().wait_serving()
    first.kill()
    assert first.socket.exists()
    second = start().wait_serving()
    with second.client() as client:
        assert client.ping().ok


def test_a_second_daemon_with_another_run_path_is_refused(start: Start, tmp_path: Path) -> None:
    first = start().wait_serving()
    second = start("other", socket=str(first.socket))
    assert second.wait() == errors.Conflict.exit_code
    assert "Error: cannot listen" in second.log()
    with first.client() as client:
        assert client.ping().ok


def test_two_daemons_beside_each_other(start: Start) -> None:
    daemons = [start("one").wait_serving(), start("two").wait_serving()]
    for daemon in daemons:
        with daemon.client() as client:
            client.create_realm(realm(daemon.home.name))
    for daemon in daemons:
        with daemon.client() as client:
            assert [doc.metadata.name for doc in client.list_realms()] == [daemon.home.name]


def test_of_two_starting_at_once_one_serves(start: Start) -> None:
    shared = start("shared").home / "s.sock"
    daemons = [start(f"d{number}", socket=str(shared)) for number in range(2)]
    wait_for(lambda: any(daemon.process.poll() is not None for daemon in daemons), "a refusal")
    alive = [daemon for daemon in daemons if daemon.process.poll() is None]
    assert len(alive) == 1
    with alive[0].wait_serving().client() as client:
        assert client.ping().ok


def test_a_file_in_the_way_is_left_alone(start: Start, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "kukeond.sock").write_text("precious")
    daemon = start()
    assert daemon.wait() == errors.HostError.exit_code
    assert "something else than a socket" in daemon.log()
    assert daemon.socket.read_text() == "precious"


def test_a_successors_socket_is_left_alone(start: Start) -> None:
    daemon = start().wait_serving()
    daemon.socket.unlink()
    with socket.socket(socket.AF_UNIX) as successor:
        successor.bind(str(daemon.socket))
        daemon.process.terminate()
        assert daemon.wait() == 0
        assert daemon.socket.is_socket()


def test_a_path_that_is_too_long(start: Start, tmp_path: Path) -> None:
    daemon = start(socket=str(tmp_path / ("x" * 100)))
    assert daemon.wait() == 2
    assert "too long" in daemon.log()


class TestPathsThatCannotBe:
    """Wrong paths end the start with words and a code that keeps a supervisor from repeating it."""

    def refused(self, daemon: Daemon) -> str:
        assert daemon.wait() == errors.Invalid.exit_code, daemon.log()
        assert "Traceback" not in daemon.log()
        return daemon.log()

    def test_a_run_path_that_is_a_file(self, start: Start, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("precious")
        assert f"cannot use run path '{tmp_path}/file': it is not a directory" in self.refused(
            start(run_path=str(tmp_path / "file"))
        )
        assert "not a directory" in self.refused(start(run_path=str(tmp_path / "file" / "below")))
        assert (tmp_path / "file").read_text() == "precious"

    def test_a_loop_of_links(self, start: Start, tmp_path: Path) -> None:
        (tmp_path / "loop").symlink_to("loop")
        assert "too many levels of symbolic links" in self.refused(start(run_path=str(tmp_path / "loop")))
        assert "too many levels of symbolic links" in self.refused(start(socket=str(tmp_path / "loop" / "s")))

    def test_a_name_that_is_too_long(self, start: Start, tmp_path: Path) -> None:
        long = str(tmp_path / ("x" * 300))
        assert "file name too long" in self.refused(start(run_path=long, socket=str(tmp_path / "s")))

    def test_a_socket_below_a_file(self, start: Start, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for path in (tmp_path / "file" / "s", tmp_path / "file" / "a" / "s"):
            assert "not a directory" in self.refused(start(socket=str(path)))

    def test_a_socket_in_a_dangling_link(self, start: Start, tmp_path: Path) -> None:
        (tmp_path / "link").symlink_to("nowhere")
        assert f"'{tmp_path}/link' is not a directory" in self.refused(start(socket=str(tmp_path / "link" / "s")))


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.EACCES, errors.Denied), (errno.ENAMETOOLONG, errors.Invalid), (errno.EIO, errors.HostError)],
)
def test_what_looking_at_a_path_says(
    number: int, kind: type[errors.KukeonError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, **_: object) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(Path, "stat", fail)
    with pytest.raises(kind, match=f"cannot use run path '/r': {os.strerror(number).lower()}"):
        listening.check_run_path(Path("/r"))


def test_the_service_manager_is_told(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(WAIT_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "2000000")
        daemon = start()
        states = []
        while not states or "WATCHDOG" not in states[-1]:
            states.append(manager.recv(4096).decode())
        assert daemon.socket.exists()
        daemon.process.terminate()
        assert daemon.wait() == 0
        while "STOPPING" not in states[-1]:
            states.append(manager.recv(4096).decode())
    ready = next(index for index, state in enumerate(states) if state.startswith("READY=1"))
    assert all(state.startswith("STATUS=") for state in states[:ready])
    assert f"MAINPID={daemon.process.pid}" in states[ready]


class TestPermissions:
    """Nobody but the right people reaches the socket, at no moment."""

    @pytest.mark.parametrize(("gid", "mode"), [(0, 0o600), (65534, 0o660)])
    def test_of_the_placed_socket(self, start: Start, gid: int, mode: int) -> None:
        if gid and os.geteuid() != 0:
            pytest.skip("needs root to give the socket to a group")
        daemon = start(socket_gid=str(gid)).wait_serving()
        found = daemon.socket.stat()
        assert found.st_mode & 0o777 == mode
        if os.geteuid() == 0:
            assert (found.st_uid, found.st_gid) == (0, gid)

    def test_it_is_bound_out_of_reach_and_moved_when_it_is_right(self, tmp_path: Path) -> None:
        seen: list[tuple[int, bool]] = []
        path = tmp_path / "k.sock"
        listeners: list[socket.socket] = []

        def bind(hidden: str) -> None:
            listeners.append(socket.socket(socket.AF_UNIX))
            listeners[0].bind(hidden)
            seen.append((Path(hidden).parent.stat().st_mode & 0o777, path.exists()))
            Path(hidden).chmod(0o777)  # whatever the one who binds leaves behind

        file = listening.SocketFile(path, 0)
        file.place(bind)
        assert seen == [(0o700, False)]
        assert path.stat().st_mode & 0o777 == 0o600
        assert [entry.name for entry in tmp_path.iterdir()] == ["k.sock"]
        file.remove()
        file.remove()
        assert not path.exists()
        listeners[0].close()

    def test_what_a_crash_left_behind_is_taken_away(self, tmp_path: Path) -> None:
        path = tmp_path / "k.sock"
        file = listening.SocketFile(path, 0)

        def crash(hidden: str) -> None:
            Path(hidden).write_text("")
            raise KeyboardInterrupt

        with pytest.raises((KeyboardInterrupt, OSError)):
            file.place(crash)
        with socket.socket(socket.AF_UNIX) as listener:
            file.place(listener.bind)
        assert [entry.name for entry in tmp_path.iterdir()] == ["k.sock"]

    def test_a_directory_of_its_own(self, tmp_path: Path) -> None:
        directory = tmp_path / "a" / "b"
        listening.make_directory(directory, 0, ())
        assert directory.stat().st_mode & 0o777 == 0o750

    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a directory to a group")
    def test_a_directory_is_opened_to_the_group_when_it_is_ours(self, tmp_path: Path) -> None:
        ours, other = tmp_path / "ours", tmp_path / "other"
        for directory in (ours, other):
            directory.mkdir(mode=0o700)
            listening.make_directory(directory, 65534, {ours})
        assert (ours.stat().st_gid, ours.stat().st_mode & 0o777) == (65534, 0o750)
        assert (other.stat().st_gid, other.stat().st_mode & 0o777) == (0, 0o700)
