"""What tests of client programs say about programs in memory: what they do, how they end, and what follows."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, model
from kukeon_sdk.testing import MemoryClient, archives, programs

if TYPE_CHECKING:
    from kukeon_sdk.testing.programs import Process

WAIT_S = 30.0
STACK = model.Ref("default", "default", "default")
WEB = STACK.child("web").child("main")
E = model.EventType


def cell(
    name: str = "web", command: str = "serve", *args: str, auto_delete: bool = False, **fields: Any
) -> model.CellDoc:
    container = model.ContainerSpec(id="main", image="busybox", command=command, args=args, **fields)
    place: dict[str, Any] = {"realm_id": "default", "space_id": "default", "stack_id": "default"}
    spec = model.CellSpec(**place, containers=(container,), auto_delete=auto_delete)
    return model.CellDoc(metadata=model.Metadata(name=name), spec=spec)


def container(name: str = "web") -> model.ContainerDoc:
    place: dict[str, Any] = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": name}
    return model.ContainerDoc(metadata=model.Metadata(name="main"), spec=model.ContainerSpec(id="main", **place))


@pytest.fixture
def client() -> MemoryClient:
    client = MemoryClient()
    client.load_image("default", archives.oci("busybox"))
    return client


def state(client: MemoryClient) -> model.CellState:
    return client.get_cell(cell()).cell.status.state


def status(client: MemoryClient) -> model.ContainerStatus:
    return client.get_cell(cell()).cell.status.containers[0]


class TestExec:
    def test_a_registered_program(self, client: MemoryClient) -> None:
        seen: dict[str, Any] = {}

        def greet(process: Process) -> int:
            seen.update(env=process.env, user=process.user, where=process.working_dir, ref=process.ref)
            for line in process.stdin:
                process.stdout.write(b"hello " + line)
            process.stderr.write(" ".join(process.argv).encode())
            return 3

        client.programs["greet"] = greet
        client.create_cell(cell(env=("A=own", "B=own")))
        session = client.exec(container(), ["/bin/greet", "-v"], env=["A=b"], user="nobody", working_dir="/tmp")
        done = session.communicate(b"you\nme\n")
        assert done == (model.ExitStatus(code=3), b"hello you\nhello me\n", b"/bin/greet -v")
        assert seen == {"env": {"A": "b", "B": "own"}, "user": "nobody", "where": "/tmp", "ref": WEB}

    def test_one_that_returns_nothing_raises_or_never_ends(self, client: MemoryClient) -> None:
        def fails(process: Process) -> None:
            raise RuntimeError("boom")

        client.programs |= {"quiet": lambda process: None, "fails": fails, "hangs": lambda process: process.sleep()}
        client.create_cell(cell())
        assert client.exec(container(), ["quiet"]).wait().code == 0
        failed = client.exec(container(), ["fails"]).communicate()
        assert failed.status.code == 1
        assert b"RuntimeError: boom" in failed.stderr
        with client.exec(container(), ["hangs"]) as session:
            session.signal(signal.SIGKILL)
            assert session.wait() == model.ExitStatus(code=137, signal="SIGKILL")
        with pytest.raises(errors.TimedOut), client.exec(container(), ["hangs"], timeout=0.05) as session:
            session.wait()
        session = client.exec(container(), ["hangs"])
        client.stop_cell(cell())
        assert session.wait().code == 137

    def test_signals_that_it_takes(self, client: MemoryClient) -> None:
        def stubborn(process: Process) -> int:
            told = threading.Event()
            process.on_signal(signal.SIGTERM, told.set)
            process.stdout.write(b"ready")
            assert told.wait(WAIT_S)
            return 5

        client.programs["stubborn"] = stubborn
        client.create_cell(cell())
        with client.exec(container(), ["stubborn"]) as session:
            assert session.read(WAIT_S) == ("stdout", b"ready")
            session.signal(signal.SIGTERM)
            assert session.wait(WAIT_S).code == 5
        with client.exec(container(), ["stubborn"]) as session:
            session.signal(99)
            with pytest.raises(errors.Invalid, match="signal 99"):
                session.wait(WAIT_S)

    def test_time_passes_for_who_sleeps(self, client: MemoryClient) -> None:
        client.programs.update(programs.BASIC)
        client.create_cell(cell())
        done = client.exec(container(), ["sh", "-c", "sleep 0.01; echo awake; sleep 0.01 & wait $!"]).communicate()
        assert (done.status.code, done.stdout) == (0, b"awake\n")

    def test_a_terminal_that_shows_much_more_than_is_read(self, client: MemoryClient) -> None:
        client.programs.update(programs.BASIC)
        client.create_cell(cell())
        typed = b"\n" * 3_000_000  # each is shown twice, as two bytes
        with client.exec(container(), ["cat"], tty=True) as session:
            typing = threading.Thread(target=lambda: session.write(typed + b"\x04"), daemon=True)
            typing.start()
            typing.join(0.2)  # long enough for it to get ahead
            shown = 0
            while (piece := session.read(WAIT_S)) is not None:
                shown += len(piece.data)
        assert shown == 4 * len(typed)

    def test_closing_ends_them(self, client: MemoryClient) -> None:
        running, ended = threading.Barrier(3), threading.Barrier(3)

        def stays(process: Process) -> None:
            try:
                running.wait(WAIT_S)
                process.sleep()
            finally:
                ended.wait(WAIT_S)

        client.programs["serve"] = stays
        client.create_cell(cell())
        session = client.exec(container(), ["serve"])
        running.wait(WAIT_S)
        client.close()
        ended.wait(WAIT_S)
        with pytest.raises(errors.Conflict):
            session.wait(WAIT_S)

    def test_what_cannot_run(self, client: MemoryClient) -> None:
        with pytest.raises(errors.CellNotFound):
            client.exec(container(), ["x"])
        client.create_cell(cell())
        with pytest.raises(errors.Invalid, match="there is no program 'x'") as caught:
            client.exec(container(), ["x"])
        assert "client.programs['x']" in caught.value.hint
        client.stop_cell(cell())
        with pytest.raises(errors.TaskNotRunning):
            client.exec(container(), ["x"])


class TestOwnPrograms:
    def test_what_it_returns_ends_the_container(self, client: MemoryClient) -> None:
        client.programs["serve"] = lambda process: process.stdout.write(b"one\ntwo") and 4
        with client.events(follow=True, kinds=["Container"]) as events:
            client.create_cell(cell())
            assert [(next(events).type, each)[0] for each in range(3)] == [E.CREATED, E.STARTED, E.EXITED]
        assert state(client) is model.CellState.ERROR
        assert status(client).exit_code == 4
        assert [entry.data for entry in client.logs(container())] == [b"one", b"two"]

    def test_by_its_place(self, client: MemoryClient) -> None:
        def stay(process: Process) -> None:
            process.stdout.write(b"here\n")
            process.sleep()

        client.programs[str(WEB)] = stay
        client.create_cell(cell("other"))
        client.create_cell(cell())
        with client.logs(container(), follow=True) as entries:
            assert next(entries).data == b"here"
        with pytest.raises(StopIteration):
            next(client.logs(container("other")))

    def test_last_words(self, client: MemoryClient) -> None:
        def serve(process: Process) -> None:
            process.on_signal(signal.SIGTERM, lambda: process.stdout.write(b"bye\n"))
            process.stdout.write(b"hi\n")
            process.sleep()

        client.programs["serve"] = serve
        client.create_cell(cell())
        with client.logs(container(), follow=True) as entries:
            assert next(entries).data == b"hi"
            client.stop_cell(cell())
            assert next(entries).data == b"bye"
            client.delete_cell(cell())
            assert list(entries) == []

    def test_a_container_without_a_program_is_given_words(self, client: MemoryClient) -> None:
        client.create_cell(cell())
        client.write(WEB, b"listening\n")
        client.write(WEB, b"trouble\n", "stderr")
        assert [(str(entry.stream), entry.data) for entry in client.logs(container())] == [
            ("stdout", b"listening"),
            ("stderr", b"trouble"),
        ]
        client.stop_cell(cell())
        with pytest.raises(errors.TaskNotRunning):
            client.write(WEB, b"late\n")


class TestEnds:
    def test_restarts_come_at_once_and_then_after_pauses(self, client: MemoryClient) -> None:
        client.create_cell(cell(restart_policy="always"))
        client.finish(WEB, 1)
        assert (state(client), status(client).restart_count) == (model.CellState.READY, 1)
        client.finish(WEB, 1)
        assert state(client) is model.CellState.DEGRADED
        assert status(client).next_restart is not None
        client.forward(2)
        assert (state(client), status(client).restart_count) == (model.CellState.READY, 2)
        assert [each.type for each in client.events(kinds=["Container"])][-2:] == [E.RESTARTING, E.STARTED]

    def test_on_failure_gives_up(self, client: MemoryClient) -> None:
        client.create_cell(cell(restart_policy="on-failure", restart_max_retries=1, restart_backoff_seconds=0))
        client.finish(WEB, 1)
        client.finish(WEB, 1)
        assert (state(client), status(client).reason) == (model.CellState.ERROR, "RestartsGivenUp")
        client.start_cell(cell())
        client.finish(WEB, 0)
        assert state(client) is model.CellState.EXITED

    def test_who_was_stopped_stays_down(self, client: MemoryClient) -> None:
        client.create_cell(cell(restart_policy="unless-stopped"))
        client.stop_container(container())
        client.forward(600)
        assert status(client).state is model.ContainerState.STOPPED

    def test_who_waits_to_be_started_again_is_told_to_have_been_ended(self, client: MemoryClient) -> None:
        client.create_cell(cell(restart_policy="always"))
        for _ in range(2):
            client.finish(WEB, 1)
        assert [client.kill_container(container()).killed for _ in range(2)] == [True, False]
        client.start_container(container())
        for _ in range(2):
            client.finish(WEB, 1)
        assert [client.stop_cell(cell()).stopped for _ in range(2)] == [True, False]

    def test_a_follower_sees_a_restart_without_anybody_asking(self, client: MemoryClient) -> None:
        client.create_cell(cell(restart_policy="always"))
        client.finish(WEB, 1)
        now = client.world.now
        with client.events(follow=True, timeout=WAIT_S) as events:
            client.finish(WEB, 1)
            threading.Timer(0.05, lambda: client.forward(5)).start()
            assert E.RESTARTING in (next(events).type for _ in range(6))
        assert now() < client.world.now()

    @pytest.mark.parametrize("code", [0, 3])
    def test_auto_delete(self, client: MemoryClient, code: int) -> None:
        client.create_cell(cell(auto_delete=True))
        assert client.finish(WEB, code).status.containers[0].exit_code == code
        assert not client.get_cell(cell()).metadata_exists
        assert [each.type for each in client.events(kinds=["Cell"])][-1] is E.DELETED

    def test_out_of_memory(self, client: MemoryClient) -> None:
        client.create_cell(cell())
        client.finish(WEB, 137, oom_killed=True)
        assert (status(client).oom_killed, status(client).exit_signal) == (True, "SIGKILL")
        assert E.OOM_KILLED in [each.type for each in client.events()]

    def test_waiting_for_an_exit(self, client: MemoryClient) -> None:
        client.create_cell(cell())
        threading.Timer(0.05, lambda: client.finish(WEB, 3)).start()
        with client.events(follow=True, kinds=["Container"], timeout=WAIT_S) as events:
            assert next(events).exit_code == 3


class TestTerminals:
    def test_a_shell(self, client: MemoryClient) -> None:
        client.programs.update(programs.BASIC)
        client.create_cell(cell("web", "/bin/sh", attachable=True))
        with client.attach(container(), rows=24, columns=80) as terminal:
            terminal.write(b"stty size\r")
            shown = b""
            while b"24 80\r\n" not in shown:
                shown += terminal.read(WAIT_S)
            assert shown == b"stty size\r\n24 80\r\n"
            terminal.write(b"exit 4\r")
            assert b"".join(terminal) == b"exit 4\r\n"
            assert terminal.ended == model.AttachEnded(code=4)
        assert [entry.data for entry in client.logs(container(), tail=1)] == [b"exit 4\r\n"]

    def test_going_on_where_one_was(self, client: MemoryClient) -> None:
        client.create_cell(cell("web", "x", attachable=True))
        client.write(WEB, b"one two")
        with client.attach(container()) as terminal:
            assert terminal.read(WAIT_S) == b"one two"
            assert terminal.position == 7
        client.write(WEB, b" three")
        with client.attach(container(), position=7) as terminal:
            assert terminal.read(WAIT_S) == b" three"
            assert terminal.position == 13
        with pytest.raises(errors.Invalid):
            client.attach(container(), position=-1)

    def test_ctrl_c(self, client: MemoryClient) -> None:
        client.programs.update(programs.BASIC)
        client.create_cell(cell("web", "sleep", "inf", attachable=True))
        with client.attach(container()) as terminal:
            terminal.write(b"\x03")
            assert list(terminal) == []
            assert terminal.ended == model.AttachEnded(code=130)

    def test_its_socket_is_nowhere(self, client: MemoryClient) -> None:
        client.create_cell(cell("web", "x", attachable=True))
        assert client.attach_container(container()).host_socket_path
        assert client.log_container(container()).host_capture_path


class TestEvents:
    def test_a_kukeond_that_began_anew(self, client: MemoryClient) -> None:
        before = list(client.events())[-1].cursor
        client.forget_events()
        assert [each.type for each in client.events(since=before)] == [E.RESYNC]

    def test_a_dry_run_does_nothing(self, client: MemoryClient) -> None:
        count = len(list(client.events()))
        client.apply_documents(b"kind: Realm\nmetadata: {name: shop}\nspec: {}\n", dry_run=True)
        assert len(list(client.events())) == count

    def test_time_runs_out(self, client: MemoryClient) -> None:
        with pytest.raises(errors.TimedOut):
            next(client.events(follow=True, timeout=0.05))

    def test_closing_the_client_ends_them(self, client: MemoryClient) -> None:
        events = client.events(follow=True)
        threading.Timer(0.05, client.close).start()
        with pytest.raises(errors.Conflict, match="closed"):
            next(events)
