"""UnixClient against a real gRPC server on a real socket."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, model
from kukeon_sdk import UnixClient, dial

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Daemon

MIB = 1 << 20
WAIT_S = 30.0


def realm(name: str) -> model.RealmDoc:
    return model.RealmDoc(metadata=model.Metadata(name=name))


def pong(**_: Any) -> model.PingResult:
    return model.PingResult(ok=True, version="9")


def test_a_call_and_its_typed_answer(daemon: Daemon, client: UnixClient) -> None:
    daemon.answers["create_realm"] = lambda doc: model.CreateRealmResult(realm=doc, created=True)
    result = client.create_realm(realm("shop"), timeout=WAIT_S)
    assert result == model.CreateRealmResult(realm=realm("shop"), created=True)


def test_switches_travel_by_position_and_by_name(daemon: Daemon, client: UnixClient) -> None:
    daemon.answers["delete_realm"] = lambda doc, force, cascade: model.DeleteRealmResult(
        realm=doc, deleted=(f"force={force}", f"cascade={cascade}")
    )
    assert client.delete_realm(realm("a"), True).deleted == ("force=True", "cascade=False")
    assert client.delete_realm(realm("a"), cascade=True).deleted == ("force=False", "cascade=True")
    misspelled: dict[str, Any] = {"cascading": True}
    with pytest.raises(TypeError, match=r"delete_realm\(\) got an unexpected keyword argument 'cascading'"):
        client.delete_realm(realm("a"), **misspelled)


@pytest.mark.parametrize("count", [0, 1, 3, 4, 20])
def test_lists_are_paged_unseen(daemon: Daemon, client: UnixClient, count: int) -> None:
    everything = tuple(realm(f"r{number}") for number in range(count))
    daemon.answers["list_realms"] = lambda: everything
    assert client.list_realms() == everything
    assert daemon.requests == max(1, -(-count // 3))


def test_errors_come_back_as_what_they_were(daemon: Daemon, client: UnixClient) -> None:
    def absent(doc: model.CellDoc) -> None:
        raise errors.CellNotFound("cannot start cell 'x': no such cell", hint="create it")

    daemon.answers["start_cell"] = absent
    with pytest.raises(errors.CellNotFound) as caught:
        client.start_cell(model.CellDoc(metadata=model.Metadata(name="x"), spec=cell_spec()))
    assert isinstance(caught.value, errors.NotFound)
    assert str(caught.value) == "cannot start cell 'x': no such cell"
    assert caught.value.hint == "create it"


def cell_spec() -> model.CellSpec:
    return model.CellSpec(realm_id="r", space_id="s", stack_id="t")


def test_problems_survive_the_wire(daemon: Daemon, client: UnixClient) -> None:
    problems = tuple(errors.Problem(source="a.yaml", line=n, message="wrong") for n in range(1, 4))

    def invalid(**_: Any) -> None:
        raise errors.InvalidManifest("3 problems", problems=problems)

    daemon.answers["apply_documents"] = invalid
    with pytest.raises(errors.InvalidManifest) as caught:
        client.apply_documents(b"x")
    assert caught.value.problems == problems


def test_a_timeout_ends_the_waiting(daemon: Daemon, client: UnixClient) -> None:
    release = threading.Event()
    daemon.answers["ping"] = lambda: (release.wait(WAIT_S), pong())[1]
    started = time.monotonic()
    with pytest.raises(errors.TimedOut, match=r"no answer within 0\.3 s") as caught:
        client.ping(timeout=0.3)
    assert time.monotonic() - started < WAIT_S / 2
    assert "goes on with what it has begun" not in caught.value.hint, "a question begins nothing"
    release.set()
    assert client.ping(timeout=WAIT_S).ok


def test_no_time_at_all_is_a_timeout_too(daemon: Daemon, client: UnixClient) -> None:
    daemon.answers["ping"] = pong
    client.ping()
    with pytest.raises(errors.TimedOut):
        client.ping(timeout=0)


def test_one_connection_serves_many_threads(daemon: Daemon, client: UnixClient) -> None:
    daemon.answers["create_realm"] = lambda doc: model.CreateRealmResult(realm=doc)
    seen: list[str] = []

    def work(name: str) -> None:
        seen.append(client.create_realm(realm(name), timeout=WAIT_S).realm.metadata.name)

    threads = [threading.Thread(target=work, args=(f"r{number}",)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert sorted(seen) == sorted(f"r{number}" for number in range(16))


def test_closing_twice_and_calling_afterwards(daemon: Daemon) -> None:
    client = UnixClient(str(daemon.path))
    client.close()
    client.close()
    with pytest.raises(errors.Conflict, match="closed"):
        client.ping()


def test_closing_wakes_a_caller_on_another_thread(daemon: Daemon, client: UnixClient) -> None:
    called, release = threading.Event(), threading.Event()

    def slow() -> model.PingResult:
        called.set()
        release.wait(WAIT_S)
        return pong()

    daemon.answers["ping"] = slow
    caught: list[BaseException] = []

    def call() -> None:
        try:
            client.ping()
        except errors.KukeonError as error:
            caught.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert called.wait(WAIT_S)
    client.close()
    thread.join(WAIT_S)
    release.set()
    assert isinstance(caught[0], errors.Conflict)


def test_a_restarted_daemon_is_found_again(daemon: Daemon, client: UnixClient) -> None:
    daemon.answers["ping"] = pong
    assert client.ping().ok
    daemon.restart()
    assert client.ping(timeout=WAIT_S).ok


def test_a_stopped_daemon_is_told_and_found_again(daemon: Daemon, client: UnixClient) -> None:
    daemon.answers["ping"] = pong
    assert client.ping().ok
    daemon.stop()
    with pytest.raises(errors.Unavailable):
        client.ping()
    with pytest.raises(errors.Unavailable, match="no such file"):
        client.ping()
    daemon.restart()
    assert client.ping(timeout=WAIT_S).ok


def test_a_lost_connection_is_told(daemon: Daemon, client: UnixClient) -> None:
    called = threading.Event()

    def never() -> model.PingResult:
        called.set()
        time.sleep(0.5)  # the server's thread outlives the call
        return pong()

    daemon.answers["ping"] = never
    daemon.answers["list_realms"] = lambda: ()
    client.list_realms()

    def stop() -> None:
        called.wait(WAIT_S)
        daemon.stop()

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(errors.Unavailable, match=r"ended during the call$") as caught:
        client.ping(timeout=WAIT_S)
    stopper.join()
    assert "half done" not in caught.value.hint


SERVER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from conftest import Daemon
daemon = Daemon(Path(sys.argv[1]))
def never(**_):
    print("called", flush=True)
    sys.stdin.read()
daemon.answers.update(create_realm=never, ping=never)
print("serving", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    """Start daemons at `p.sock` that can be killed and paused, and whose calls never end."""
    started: list[subprocess.Popen[str]] = []

    def spawn() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", SERVER, f"{tmp_path}/p.sock", str(Path(__file__).parent)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        wait_line(process, "serving\n")
        return process

    yield spawn
    for process in started:
        process.kill()
        process.communicate()


def wait_line(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == line


@pytest.mark.parametrize("back", [False, True], ids=["away", "started again"])
def test_a_daemon_killed_during_a_call(spawn: Callable[[], subprocess.Popen[str]], tmp_path: Path, back: bool) -> None:
    path = tmp_path / "p.sock"
    process = spawn()

    def kill() -> None:
        wait_line(process, "called\n")
        if back:
            path.unlink()
            spawn()
        process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    with UnixClient(str(path)) as client, pytest.raises(errors.Unavailable) as caught:
        client.create_realm(realm("a"), timeout=WAIT_S)
    killer.join()
    assert str(caught.value) == f"cannot finish CreateRealm: kukeond at '{path}' ended during the call"
    assert caught.value.hint.startswith("the work may be half done; the same command can be repeated")
    assert "kuke daemon start" in caught.value.hint


def test_a_paused_daemon(spawn: Callable[[], subprocess.Popen[str]], tmp_path: Path) -> None:
    paused = spawn()
    paused.send_signal(signal.SIGSTOP)
    # The signal takes effect a moment later; a call that is accepted before has no end.
    os.waitid(os.P_PID, paused.pid, os.WSTOPPED | os.WNOWAIT)
    with (
        UnixClient(f"{tmp_path}/p.sock", dial_timeout=0.5) as client,
        pytest.raises(errors.Unavailable, match=r"^cannot reach kukeond at '\S+': no answer within 0\.5 s$") as caught,
    ):
        client.ping()
    assert "paused" in caught.value.hint


def test_an_unknown_method_means_another_version(tmp_path: Any) -> None:
    from concurrent import futures

    import grpc

    server = grpc.server(futures.ThreadPoolExecutor(1))
    server.add_insecure_port(f"unix:{tmp_path}/s")
    server.start()
    try:
        with UnixClient(f"{tmp_path}/s") as client, pytest.raises(errors.Unsupported, match="Ping"):
            client.ping()
    finally:
        server.stop(0).wait()


def test_a_message_over_the_limit_is_refused_before_it_is_sent(client: UnixClient) -> None:
    with pytest.raises(errors.Invalid, match="limit"):
        client.apply_documents(b" " * (64 * MIB))


def test_a_large_message_passes(daemon: Daemon, client: UnixClient) -> None:
    daemon.answers["apply_documents"] = lambda raw_yaml, **_: model.ApplyDocumentsResult(
        resources=(model.ApplyResourceResult(action=model.ApplyAction.CREATED, name=str(len(raw_yaml))),)
    )
    assert client.apply_documents(b" " * (48 * MIB)).resources[0].name == str(48 * MIB)


@pytest.mark.parametrize("name", ["plain", "with space", "per%20cent", "hash#", "question?", "ünïcode", "a:b"])
def test_odd_paths(daemon: Daemon, tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.mkdir()
    daemon.answers["ping"] = pong
    daemon.path.rename(directory / "s")
    with dial(f"unix://{directory}/s") as client:
        assert client.ping(timeout=WAIT_S).ok


SCRIPT = """
import sys
import kukeon_sdk
assert "grpc" not in sys.modules and "google.protobuf" not in sys.modules
client = kukeon_sdk.dial(sys.argv[1])
assert "grpc" not in sys.modules
print("calling", flush=True)
try:
    client.ping()
except KeyboardInterrupt:
    print("interrupted", flush=True)
    client.close()
"""


def test_ctrl_c_ends_the_waiting_at_once_and_importing_is_cheap(daemon: Daemon) -> None:
    called, release = threading.Event(), threading.Event()

    def slow() -> model.PingResult:
        called.set()
        release.wait(WAIT_S)
        return pong()

    daemon.answers["ping"] = slow
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(daemon.path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert called.wait(WAIT_S), process.communicate()
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=WAIT_S)
        took_s = time.monotonic() - started
    release.set()
    assert (out, err, process.returncode) == ("calling\ninterrupted\n", "", 0)
    assert took_s < 10


FORKING = """
import os, sys
import kukeon_sdk
client = kukeon_sdk.dial(sys.argv[1])
assert client.ping(timeout=30).ok
child = os.fork()
if child == 0:
    ok = client.ping(timeout=30).ok
    client.close()
    os._exit(0 if ok else 1)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert client.ping(timeout=30).ok
client.close()
print("done")
"""


def test_a_forked_process_has_a_connection_of_its_own(daemon: Daemon) -> None:
    daemon.answers["ping"] = pong
    command = [sys.executable, "-c", FORKING, str(daemon.path)]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=WAIT_S * 2, env={**os.environ, "GRPC_ENABLE_FORK_SUPPORT": "1"}
    )
    assert (done.stdout, done.returncode) == ("done\n", 0), done.stderr
