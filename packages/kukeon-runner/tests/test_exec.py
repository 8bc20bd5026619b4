"""Programs in containers beside their own: what they are made of, and how a client talks with them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, exec_rules, model
from kukeon_api.parts import WINDOW_BYTES
from kukeon_runner import process_spec
from kukeon_runner.host import runtime_words
from kukeon_runner.process_spec import Program
from kukeon_runner.testing import cells
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from kukeon_api.parts import Part
    from kukeon_runner.controller import Controller

PATIENCE_S = 30.0
DOCUMENT = {
    "process": {
        "terminal": False,
        "args": ["server"],
        "env": ["PATH=/bin", "A=own"],
        "cwd": "/srv",
        "user": {"uid": 5, "gid": 6},
        "capabilities": {"bounding": ["CAP_KILL"]},
        "noNewPrivileges": True,
        "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 10, "soft": 10}],
    }
}


class TestDocument:
    """What the runtime is told."""

    def test_what_is_not_said_is_the_containers_own(self) -> None:
        made = process_spec.process(DOCUMENT, Program(("ls", "-l")), None)
        assert made == {**DOCUMENT["process"], "args": ["ls", "-l"]}

    def test_what_is_said_wins(self) -> None:
        program = Program(("sh",), tty=True, env=("A=new", "B=c=d"), user="x", working_dir="/", rows=24, columns=80)
        made = process_spec.process(DOCUMENT, program, {"uid": 1, "gid": 2, "additionalGids": [3]})
        assert made["env"] == ["PATH=/bin", "A=new", "TERM=xterm", "B=c=d"]
        assert (made["cwd"], made["user"]) == ("/", {"uid": 1, "gid": 2, "additionalGids": [3]})
        assert (made["terminal"], made["consoleSize"]) == (True, {"height": 24, "width": 80})
        assert made["capabilities"] == {"bounding": ["CAP_KILL"]}
        assert DOCUMENT["process"]["env"] == ["PATH=/bin", "A=own"]

    def test_a_terminal_is_of_the_kind_that_is_said(self) -> None:
        made = process_spec.process(DOCUMENT, Program(("sh",), tty=True, env=("TERM=vt220",)), None)
        assert [each for each in made["env"] if each.startswith("TERM=")] == ["TERM=vt220"]
        assert "consoleSize" not in made

    @pytest.mark.parametrize(
        "program",
        [
            Program(()),
            Program(("",)),
            Program(("a\0b",)),
            Program(("a",), env=("A",)),
            Program(("a",), env=("=b",)),
            Program(("a",), env=("A=\0",)),
            Program(("a",), user="\0"),
            Program(("a",), working_dir="tmp"),
            Program(("a",), rows=-1),
            Program(("a",), columns=65536),
        ],
        ids=str,
    )
    def test_what_no_container_could_run_is_refused(self, program: Program) -> None:
        with pytest.raises(errors.Invalid):
            program.check()

    @pytest.mark.parametrize("number", [0, -9, 65, 1 << 40])
    def test_signals_that_there_are_none(self, number: int) -> None:
        with pytest.raises(errors.Invalid, match="cannot send signal"):
            exec_rules.check_signal(number)


@pytest.mark.parametrize(
    ("words", "reason", "wrong"),
    [
        (
            'OCI runtime exec failed: exec failed: unable to start container process: exec: "nope": executable file '
            "not found in $PATH: unknown",
            "there is no program 'nope' in its image",
            True,
        ),
        (
            'OCI runtime exec failed: exec failed: unable to start container process: chdir to cwd ("/no") set in '
            "config.json failed: no such file or directory: unknown",
            "its working directory '/no' cannot be entered",
            True,
        ),
        ("OCI runtime exec failed: exec failed: out of luck: unknown", "out of luck", False),
        ("cannot exec in a stopped container: unknown", "the container is not running any more", True),
    ],
)
def test_the_runtimes_words(words: str, reason: str, wrong: bool) -> None:
    assert runtime_words.explain_exec(words) == (reason, wrong)


class Client:
    """One end of a session with the controller."""

    def __init__(
        self, controller: Controller, command: tuple[str, ...], *, tty: bool = False, name: str = "web"
    ) -> None:
        self.asked: asyncio.Queue[Part | None] = asyncio.Queue()
        place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}
        doc = model.ContainerDoc(metadata=model.Metadata(name=name), spec=model.ContainerSpec(id=name, **place))
        self.told = controller.exec(doc, command, tty, (), "", "", 24, 80, self._requests())

    async def _requests(self) -> AsyncIterator[Part]:
        while (part := await self.asked.get()) is not None:
            yield part

    async def next(self) -> Part:
        return await asyncio.wait_for(anext(self.told), PATIENCE_S)

    async def rest(self) -> list[Part]:
        async with asyncio.timeout(PATIENCE_S):
            return [part async for part in self.told]

    def ask(self, name: str, value: Any) -> None:
        self.asked.put_nowait((name, value))


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
async def controller(host: FakeHost, tmp_path: Path) -> Controller:
    made = await cells.prepared(host, tmp_path)
    await made.create_cell(cells.cell("hello"))
    return made


class TestController:
    """The session, as the daemon serves it."""

    async def test_what_it_writes_and_how_it_ends(self, controller: Controller, host: FakeHost) -> None:
        client = Client(controller, ("echo", "hi"))
        name, started = await client.next()
        assert (name, started.pid > 0) == ("started", True)
        assert await client.rest() == [("stdout", b"hi\n"), ("exit", model.ExitStatus())]
        assert [each.ended for each in host.containers.executions] == [True]

    async def test_input_and_its_end(self, controller: Controller) -> None:
        client = Client(controller, ("cat",))
        await client.next()
        client.ask("stdin", b"one")
        assert await client.next() == ("stdin_taken", 3)
        assert await client.next() == ("stdout", b"one")
        client.ask("stdin_closed", True)
        client.ask("stdin", b"late")
        assert await client.rest() == [("exit", model.ExitStatus())]

    async def test_the_end_of_all_requests_is_the_end_of_input(self, controller: Controller) -> None:
        client = Client(controller, ("cat",))
        await client.next()
        client.asked.put_nowait(None)
        assert await client.rest() == [("exit", model.ExitStatus())]

    async def test_sizes_and_signals(self, controller: Controller) -> None:
        client = Client(controller, ("size",), tty=True)
        await client.next()
        assert await client.next() == ("stdout", b"24x80\n")
        client.ask("resize", model.WindowSize(rows=30, columns=100))
        assert await client.next() == ("stdout", b"30x100\n")
        client.ask("signal", 15)
        assert await client.rest() == [("exit", model.ExitStatus(code=143, signal="SIGTERM"))]

    async def test_a_signal_does_not_wait_behind_input(self, controller: Controller, host: FakeHost) -> None:
        client = Client(controller, ("sleep", "1000"))
        await client.next()
        stuck = asyncio.Event()
        host.containers.executions[0].write = lambda _: stuck.wait()  # type: ignore[assignment,method-assign,return-value]
        client.ask("stdin", bytes(WINDOW_BYTES))
        client.ask("signal", 9)
        assert await client.rest() == [("exit", model.ExitStatus(code=137, signal="SIGKILL"))]

    async def test_no_more_is_held_than_clients_may_send(self, controller: Controller, host: FakeHost) -> None:
        client = Client(controller, ("sleep", "1000"))
        await client.next()
        stuck = asyncio.Event()
        host.containers.executions[0].write = lambda _: stuck.wait()  # type: ignore[assignment,method-assign,return-value]
        for _ in range(50):
            client.ask("stdin", bytes(WINDOW_BYTES // 4))
        for _ in range(200):
            await asyncio.sleep(0)
        assert client.asked.qsize() > 40
        await client.told.aclose()

    @pytest.mark.parametrize(("name", "value"), [("signal", 99), ("resize", model.WindowSize(rows=-1))])
    async def test_what_makes_no_sense_ends_it(
        self, controller: Controller, host: FakeHost, name: str, value: object
    ) -> None:
        client = Client(controller, ("sleep", "1000"))
        await client.next()
        client.ask(name, value)
        with pytest.raises(errors.Invalid, match="cannot"):
            await client.rest()
        assert host.containers.executions[0].ended

    async def test_leaving_ends_it(self, controller: Controller, host: FakeHost) -> None:
        client = Client(controller, ("yes",))
        assert [(await client.next())[0] for _ in range(3)] == ["started", "stdout", "stdout"]
        await client.told.aclose()
        assert host.containers.executions[0].ended

    async def test_being_cancelled_ends_it(self, controller: Controller, host: FakeHost) -> None:
        client = Client(controller, ("sleep", "1000"))
        await client.next()
        reading = asyncio.create_task(client.rest())
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await client.told.aclose()
        assert host.containers.executions[0].ended

    async def test_what_cannot_be_meant(self, controller: Controller) -> None:
        with pytest.raises(errors.ContainerNotFound, match="'none'") as caught:
            await Client(controller, ("echo",), name="none").next()
        assert "it has 'web'" in caught.value.hint
        with pytest.raises(errors.Invalid, match="the command is empty"):
            await Client(controller, ()).next()
        with pytest.raises(errors.Invalid, match="no such program"):
            await Client(controller, ("nonsense",)).next()
        await controller.stop_cell(cells.cell("hello"))
        with pytest.raises(errors.TaskNotRunning, match="does not run") as refused:
            await Client(controller, ("echo",)).next()
        assert "kuke start cell hello" in refused.value.hint
        await controller.delete_cell(cells.cell("hello"))
        with pytest.raises(errors.CellNotFound):
            await Client(controller, ("echo",)).next()
