"""The examples of the README work."""

from __future__ import annotations

import re
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest

import kukeon_sdk
from kukeon_api import errors, model
from kukeon_sdk.sessions import AttachSession
from kukeon_sdk.testing import MemoryClient, archives, programs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Daemon
    from kukeon_api.parts import Part

README = Path(__file__).resolve().parents[1] / "README.md"
FRONT_PAGE = README.parents[2] / "README.md"
(WAITING, CONTAINER, EXEC, LOGS, ATTACH, EVENTS, ASYNCIO, TESTING, PROGRAMS) = re.findall(
    r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL
)

MANIFEST = b"""
kind: Cell
metadata: {name: hello}
spec:
  realmId: default
  spaceId: default
  stackId: default
  containers: [{id: main, image: busybox, command: sleep, args: [infinity]}]
"""


@pytest.fixture
def memory(daemon: Daemon, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> MemoryClient:
    """A kukeon in memory behind a real socket, which is the one that the examples dial; their files are there."""
    memory = MemoryClient()
    for name in ("ping", "load_image", "apply_documents", "list_cells", "stop_cell", "restart_cell"):
        daemon.answers[name] = getattr(memory, name)
    monkeypatch.setenv("KUKEON_HOST", f"unix://{daemon.path}")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "image.tar").write_bytes(archives.oci("busybox"))
    (tmp_path / "hello.yaml").write_bytes(MANIFEST)
    return memory


def run(example: str) -> None:
    exec(compile(example, str(README), "exec"), {"__name__": "__main__"})


def test_waiting(memory: MemoryClient, capsys: pytest.CaptureFixture[str]) -> None:
    run(WAITING)
    assert capsys.readouterr().out.splitlines() == [
        "memory",
        "('docker.io/library/busybox:latest',)",
        "Cell hello created",
        "hello Ready",
    ]
    assert memory.list_cells()[0].status.state is model.CellState.STOPPED


def served(open_session: Callable[..., Any]) -> Callable[..., Iterator[Part]]:
    """A session of a kukeon in memory as what the wire carries."""

    def answer(asked: Iterator[Part], **start: Any) -> Iterator[Part]:
        with open_session(**start) as session:
            terminal = isinstance(session, AttachSession)
            yield "started", True if terminal else model.ExecStarted(pid=session.pid)
            verbs = {"stdin": session.write, "input": session.write, "stdin_closed": lambda _: session.close_stdin()}
            verbs |= {"leave": lambda _: session.close()} if terminal else {"signal": session.signal}

            def feed() -> None:
                try:
                    for name, value in asked:
                        verbs[name](value)
                except grpc.RpcError:  # the client hung up: let go of the thread that serves it
                    session.close()

            threading.Thread(target=feed, daemon=True).start()
            try:
                for piece in session:
                    yield ("output", piece) if terminal else piece
            except errors.Conflict:  # it was left
                return
            yield ("ended", session.ended) if terminal else ("exit", session.wait())

    return answer


@pytest.fixture
def web(daemon: Daemon, memory: MemoryClient) -> MemoryClient:
    """What the examples of streams are about: a cell with a shell on a terminal, or with a log."""
    for name in ("events", "logs", "kill_cell", "list_cells"):
        daemon.answers[name] = getattr(memory, name)
    daemon.answers |= {"exec": served(memory.exec), "attach": served(memory.attach)}
    memory.programs.update(programs.BASIC)
    memory.load_image("default", archives.oci("busybox"))
    return memory


def have(memory: MemoryClient, command: str, *args: str, attachable: bool = False) -> None:
    container = model.ContainerSpec(id="main", image="busybox", command=command, args=args, attachable=attachable)
    place: dict[str, Any] = {"realm_id": "default", "space_id": "default", "stack_id": "default"}
    spec = model.CellSpec(**place, containers=(container,))
    memory.create_cell(model.CellDoc(metadata=model.Metadata(name="web"), spec=spec))


def test_the_front_page(memory: MemoryClient, daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> None:
    memory.load_image("default", archives.oci("busybox"))
    memory.apply_documents(MANIFEST)
    memory.stop_cell(memory.list_cells()[0])
    (example,) = re.findall(r"^```python\n(.*?)^```$", FRONT_PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert "/run/kukeon/kukeond.sock" in example
    run(example.replace("/run/kukeon/kukeond.sock", str(daemon.path)))
    assert capsys.readouterr().out.splitlines() == ["hello Stopped"]


def test_exec(web: MemoryClient, capsys: pytest.CaptureFixture[str]) -> None:
    have(web, "sleep", "inf")
    run(CONTAINER + EXEC)
    assert capsys.readouterr().out.splitlines() == ["0 b'hello'", "stdout b'one line\\n'", "SIGTERM"]


def test_logs(web: MemoryClient, capsys: pytest.CaptureFixture[str]) -> None:
    have(web, "no-such-program")
    web.write(model.Ref("default", "default", "default", "web", "main"), b"starting\nlistening\n")
    run(CONTAINER + LOGS)
    assert capsys.readouterr().out.splitlines() == ["stdout b'listening'"]


def test_attach(web: MemoryClient, capsys: pytest.CaptureFixture[str]) -> None:
    have(web, "sh", attachable=True)
    run(CONTAINER + ATTACH)
    assert "hi\n" in capsys.readouterr().out.replace("\r", "")


def test_events(web: MemoryClient, capsys: pytest.CaptureFixture[str]) -> None:
    have(web, "sleep", "inf")
    run(CONTAINER + EVENTS)
    cell = "default/default/default/web"
    assert capsys.readouterr().out.splitlines() == [
        f"Created {cell} Pending",
        f"StateChanged {cell} Ready",
        f"Killed {cell}/main 137",
    ]


def test_asyncio(memory: MemoryClient) -> None:
    memory.load_image("default", archives.oci("busybox"))
    memory.apply_documents(MANIFEST)
    before = memory.list_cells()[0].status.containers[0].start_time
    run(ASYNCIO)
    after = memory.list_cells()[0].status.containers[0].start_time
    assert before is not None
    assert after is not None
    assert after > before


def test_testing() -> None:
    run(TESTING + PROGRAMS)


def test_the_names_of_the_wire() -> None:
    assert kukeon_sdk.SERVICE_NAME == "KukeonV1"
    assert kukeon_sdk.METHOD_CREATE_REALM == "KukeonV1.CreateRealm"
    assert kukeon_sdk.METHOD_PURGE_CONTAINER == "KukeonV1.PurgeContainer"
    assert not hasattr(kukeon_sdk, "METHOD_DANCE")


@pytest.mark.parametrize("error", [errors.CellNotFound("no such cell", hint="look"), ValueError("x"), None])
def test_errors_to_and_from_what_travels(error: Any) -> None:
    travelling = kukeon_sdk.to_api_error(error)
    back = kukeon_sdk.from_api_error(travelling)
    if error is None:
        assert (travelling, back, kukeon_sdk.kind_from_error(error)) == (None, None, None)
        return
    assert isinstance(travelling, kukeon_sdk.APIError)
    assert travelling.kind == kukeon_sdk.kind_from_error(error) == kukeon_sdk.kind_from_error(back)
    assert str(back) == str(error)
