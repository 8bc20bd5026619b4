"""The examples of the README work."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import kukeon_sdk
from kukeon_api import errors, model
from kukeon_sdk.testing import MemoryClient, archives

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Daemon
    from kukeon_api.parts import Part

README = Path(__file__).resolve().parents[1] / "README.md"
WAITING, STREAMS, ASYNCIO, TESTING = re.findall(r"^```python\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)

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


def test_streams(daemon: Daemon, memory: MemoryClient, capsys: pytest.CaptureFixture[str]) -> None:
    def program(asked: Iterator[Part], command: tuple[str, ...], **_: Any) -> Iterator[Part]:
        yield "started", model.ExecStarted(pid=1)
        read = 0
        for name, value in asked:
            if name == "stdin" and command == ("cat",):
                yield "stdout", value
            elif name == "stdin":
                read += len(value)
            elif name == "stdin_closed":
                yield "stdout", b"%d\n" % read
                yield "exit", model.ExitStatus()
                return
            elif name == "signal":
                yield "exit", model.ExitStatus(code=128 + value, signal="SIGTERM")
                return

    happened = model.Event(cursor="1-1", at=dt.datetime.now(dt.UTC), type=model.EventType.CREATED, ref="default")
    daemon.answers |= {"exec": program, "events": lambda **_: iter((happened,))}
    run(STREAMS)
    assert capsys.readouterr().out.splitlines() == [
        "0 b'5\\n'",
        "stdout b'one line\\n'",
        "SIGTERM",
        "Created default",
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
    run(TESTING)


def test_the_names_of_the_wire() -> None:
    assert kukeon_sdk.SERVICE_NAME == "KukeonV1"
    assert kukeon_sdk.METHOD_CREATE_REALM == "KukeonV1.CreateRealm"
    assert kukeon_sdk.METHOD_PURGE_CONTAINER == "KukeonV1.PurgeContainer"
    with pytest.raises(AttributeError):
        kukeon_sdk.METHOD_DANCE  # noqa: B018


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
