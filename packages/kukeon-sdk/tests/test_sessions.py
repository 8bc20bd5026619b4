"""Streams and sessions against a real gRPC server on a real socket."""

from __future__ import annotations

import asyncio
import datetime as dt
import threading
from typing import TYPE_CHECKING, Any

import pytest
from web import WEB

from kukeon_api import errors, model
from kukeon_api.parts import WINDOW_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Daemon
    from kukeon_api.parts import Part
    from kukeon_sdk import UnixClient, aio

WAIT_S = 30.0


def event(number: int) -> model.Event:
    return model.Event(cursor=f"e-{number}", at=dt.datetime.now(dt.UTC), type=model.EventType.CREATED, kind="Cell")


def echo(asked: Iterator[Part], **start: Any) -> Iterator[Part]:
    """A program that tells its command, writes what it reads, and ends by the end of its input or a signal."""
    yield "started", model.ExecStarted(pid=7)
    yield "stderr", " ".join(start["command"]).encode()
    for name, value in asked:
        match name:
            case "stdin":
                yield "stdin_taken", len(value)
                yield "stdout", value
            case "resize":
                yield "stdout", b"%dx%d" % (value.rows, value.columns)
            case "signal":
                yield "exit", model.ExitStatus(code=128 + value)
                return
            case "stdin_closed":
                yield "exit", model.ExitStatus(code=3)
                return


class TestLists:
    """Streams of items."""

    def test_items_come_one_by_one_and_the_rest_is_not_asked_for(self, daemon: Daemon, client: UnixClient) -> None:
        seen: dict[str, Any] = {}
        gone = threading.Event()

        def events(**asked: Any) -> Iterator[model.Event]:
            seen.update(asked)
            try:
                for number in range(1_000_000):
                    yield event(number)
            finally:
                gone.set()

        daemon.answers["events"] = events
        stream = client.events("lab", kinds=["Cell"], since="e-0", follow=True)
        assert [next(stream).cursor for _ in range(3)] == ["e-0", "e-1", "e-2"]
        assert (seen["realm"], seen["cell"], seen["kinds"], seen["follow"]) == ("lab", "", ("Cell",), True)
        stream.close()
        assert gone.wait(WAIT_S)

    def test_they_end(self, daemon: Daemon, client: UnixClient) -> None:
        line = model.LogEntry(stream=model.LogStream.STDERR, data=b"x\xff", at=dt.datetime.now(dt.UTC))
        daemon.answers["logs"] = lambda **_: iter((line, line))
        assert list(client.logs(WEB, tail=2)) == [line, line]

    def test_errors_come_where_they_happen(self, daemon: Daemon, client: UnixClient) -> None:
        def logs(**_: Any) -> Iterator[model.LogEntry]:
            yield model.LogEntry(stream=model.LogStream.STDOUT, data=b"one")
            raise errors.ContainerNotFound("cannot find it any more", hint="look")

        daemon.answers["logs"] = logs
        stream = client.logs(WEB)
        assert next(stream).data == b"one"
        with pytest.raises(errors.ContainerNotFound, match="any more"):
            next(stream)

    def test_a_kukeond_that_goes_away(self, daemon: Daemon, client: UnixClient) -> None:
        hold = threading.Event()

        def events(**_: Any) -> Iterator[model.Event]:
            yield event(1)
            hold.wait(WAIT_S)

        daemon.answers["events"] = events
        stream = client.events(follow=True)
        assert next(stream).cursor == "e-1"
        threading.Timer(0.1, daemon.stop).start()
        with pytest.raises(errors.Unavailable, match="cannot finish Events"):
            next(stream)
        hold.set()

    def test_time_runs_out(self, daemon: Daemon, client: UnixClient) -> None:
        hold = threading.Event()
        daemon.answers["events"] = lambda **_: iter(lambda: hold.wait(WAIT_S), True)
        with pytest.raises(errors.TimedOut):
            next(client.events(follow=True, timeout=0.2))
        with pytest.raises(errors.TimedOut):
            client.events(timeout=0)
        hold.set()

    async def test_asynchronously(self, daemon: Daemon, later: aio.AsyncClient) -> None:
        daemon.answers["events"] = lambda **_: (event(number) for number in range(1_000))
        assert len([each async for each in later.events("lab")]) == 1_000

        def refused(**_: Any) -> Iterator[model.Event]:
            raise errors.Invalid("cannot read the cursor")
            yield

        daemon.answers["events"] = refused
        with pytest.raises(errors.Invalid, match="the cursor"):
            async for _ in later.events(since="nonsense"):
                pass


class TestExec:
    """A program and both its ends."""

    def test_a_whole_conversation(self, daemon: Daemon, client: UnixClient) -> None:
        daemon.answers["exec"] = echo
        with client.exec(WEB, ["sh", "-c"], env=["A=b"]) as session:
            assert session.pid == 7
            assert session.read() == ("stderr", b"sh -c")
            session.write(b"hello")
            assert session.read() == ("stdout", b"hello")
            session.resize(24, 80)
            assert session.read() == ("stdout", b"24x80")
            session.signal(15)
            assert list(session) == []
            assert session.wait() == model.ExitStatus(code=143)
            assert session.wait().code == 143
            session.resize(1, 1)
            session.signal(9)
            with pytest.raises(errors.Conflict):
                session.write(b"late")
        with pytest.raises(errors.Conflict, match="closed"):
            session.read()
        session.close()

    def test_all_at_once(self, daemon: Daemon, client: UnixClient) -> None:
        daemon.answers["exec"] = echo
        data = bytes(range(256)) * 40_000
        done = client.exec(WEB, ["cat"]).communicate(data)
        assert (done.status.code, done.stderr) == (3, b"cat")
        assert done.stdout == data

    async def test_input_that_is_none_is_refused_at_once(
        self, daemon: Daemon, client: UnixClient, later: aio.AsyncClient
    ) -> None:
        daemon.answers["exec"] = echo
        text: Any = "hello"
        session = client.exec(WEB, ["cat"])
        with pytest.raises(TypeError, match="bytes"):
            session.communicate(text)
        with pytest.raises(errors.Conflict, match="closed"):
            session.read()
        other = await later.exec(WEB, ["cat"])
        with pytest.raises(TypeError, match="bytes"):
            async with asyncio.timeout(WAIT_S):
                await other.communicate(text)
        with pytest.raises(errors.Conflict, match="closed"):
            await other.read()

    def test_input_waits_for_the_program(self, daemon: Daemon, client: UnixClient) -> None:
        got: list[int] = []
        heard = threading.Event()

        def deaf(asked: Iterator[Part], **_: Any) -> Iterator[Part]:
            yield "started", model.ExecStarted(pid=7)
            for name, value in asked:
                if name == "signal":
                    heard.set()
                    yield "exit", model.ExitStatus(code=1)
                    return
                got.append(len(value))

        daemon.answers["exec"] = deaf
        with client.exec(WEB, ["sleep"]) as session:
            outcome: list[BaseException] = []

            def write() -> None:
                try:
                    session.write(bytes(4 * WINDOW_BYTES))
                except errors.Conflict as error:
                    outcome.append(error)

            writing = threading.Thread(target=write)
            writing.start()
            session.signal(2)  # gets through although nobody takes the input
            assert heard.wait(WAIT_S)
            assert session.wait().code == 1
            writing.join(WAIT_S)
            assert outcome
            assert sum(got) <= WINDOW_BYTES

    def test_leaving_hangs_up(self, daemon: Daemon, client: UnixClient) -> None:
        listening, gone = threading.Event(), threading.Event()

        def program(asked: Iterator[Part], **_: Any) -> Iterator[Part]:
            yield "started", model.ExecStarted(pid=7)
            try:
                for _part in asked:
                    listening.set()
            finally:
                gone.set()

        daemon.answers["exec"] = program
        with client.exec(WEB, ["sleep"]) as session:
            session.write(b"x")
            assert listening.wait(WAIT_S)  # a server of threads would not go on with what has just begun
        assert gone.wait(WAIT_S)

    def test_what_keeps_it_from_starting_is_raised_at_once(self, daemon: Daemon, client: UnixClient) -> None:
        def refused(asked: Iterator[Part], **_: Any) -> Iterator[Part]:
            raise errors.TaskNotRunning("cannot run 'x': it is stopped", hint="start it")
            yield

        daemon.answers["exec"] = refused
        with pytest.raises(errors.TaskNotRunning, match="stopped"):
            client.exec(WEB, ["x"])
        with pytest.raises(errors.Invalid, match="cannot send command"):
            client.exec(WEB, "sleep 1")
        daemon.stop()
        with pytest.raises(errors.Unavailable):
            client.exec(WEB, ["x"])

    def test_a_kukeond_that_goes_away_or_talks_nonsense(self, daemon: Daemon, client: UnixClient) -> None:
        daemon.answers["exec"] = lambda asked, **_: iter((("stdout", b"x"),))
        with pytest.raises(errors.HostError, match="did not answer with what it had started"):
            client.exec(WEB, ["x"])
        daemon.answers["exec"] = lambda asked, **_: iter((("started", model.ExecStarted()),))
        with client.exec(WEB, ["x"]) as session, pytest.raises(errors.HostError, match="did not say"):
            session.wait()
        daemon.answers["exec"] = echo
        with client.exec(WEB, ["x"]) as session:
            assert session.read() is not None
            threading.Timer(0.1, daemon.stop).start()
            with pytest.raises(errors.Unavailable, match="cannot finish Exec"):
                session.wait()

    async def test_asynchronously(self, daemon: Daemon, later: aio.AsyncClient) -> None:
        daemon.answers["exec"] = echo
        async with await later.exec(WEB, ["sh"]) as session:
            assert session.pid == 7
            assert await session.read() == ("stderr", b"sh")
            await session.write(b"hello")
            assert await session.read() == ("stdout", b"hello")
            await session.resize(24, 80)
            assert await session.read() == ("stdout", b"24x80")
            await session.close_stdin()
            await session.close_stdin()
            assert [piece async for piece in session] == []
            assert (await session.wait()).code == 3
            with pytest.raises(errors.Conflict):
                await session.write(b"late")
        data = bytes(range(256)) * 20_000
        done = await (await later.exec(WEB, ["cat"])).communicate(data)
        assert (done.status.code, done.stdout) == (3, data)

        def refused(asked: Iterator[Part], **_: Any) -> Iterator[Part]:
            raise errors.CellNotFound("cannot find cell 'c'")
            yield

        daemon.answers["exec"] = refused
        with pytest.raises(errors.CellNotFound):
            await later.exec(WEB, ["x"])


class TestAttach:
    """A terminal."""

    def test_keys_and_output(self, daemon: Daemon, client: UnixClient) -> None:
        def terminal(asked: Iterator[Part], **start: Any) -> Iterator[Part]:
            yield "started", True
            yield "output", b"%dx%d " % (start["rows"], start["columns"])
            for name, value in asked:
                yield "output", value if name == "input" else b"resized "
                if value == b"q":
                    yield "ended", model.AttachEnded(code=5)
                    return

        daemon.answers["attach"] = terminal
        with client.attach(WEB, rows=24, columns=80) as session:
            session.write(b"ls ")
            session.resize(1, 2)
            session.write(b"q")
            assert b"".join(session) == b"24x80 ls resized q"
            assert session.ended == model.AttachEnded(code=5)

    async def test_positions_are_those_that_the_terminal_tells(
        self, daemon: Daemon, client: UnixClient, later: aio.AsyncClient
    ) -> None:
        def terminal(asked: Iterator[Part], position: int, **start: Any) -> Iterator[Part]:
            yield "started", True
            yield "position", position
            yield "output", b"one"
            yield "position", 100
            yield "output", b"two"
            yield "ended", model.AttachEnded()

        daemon.answers["attach"] = terminal
        with client.attach(WEB, position=5) as session:
            assert [(session.read(), session.position) for _ in range(3)] == [(b"one", 8), (b"two", 103), (b"", 103)]
        async with await later.attach(WEB, position=5) as other:
            assert [(await other.read(), other.position) for _ in range(2)] == [(b"one", 8), (b"two", 103)]

    async def test_leaving_waits_for_what_was_typed(
        self, daemon: Daemon, client: UnixClient, later: aio.AsyncClient
    ) -> None:
        told: list[Part] = []

        def terminal(asked: Iterator[Part], **_: Any) -> Iterator[Part]:
            yield "started", True
            for part in asked:
                told.append(part)
                if part[0] == "leave":
                    return

        daemon.answers["attach"] = terminal
        with client.attach(WEB) as session:
            session.write(b"ls\r")
        async with await later.attach(WEB) as other:
            await other.write(b"q")
        assert told == [("input", b"ls\r"), ("leave", True), ("input", b"q"), ("leave", True)]

    def test_leaving_a_terminal_that_takes_nothing(self, daemon: Daemon, client: UnixClient) -> None:
        gone = threading.Event()

        def terminal(asked: Iterator[Part], **_: Any) -> Iterator[Part]:
            try:
                yield "started", True
                while True:
                    yield "output", b"x"
            finally:
                gone.set()

        daemon.answers["attach"] = terminal
        with client.attach(WEB) as session:
            session.write(b"ls\r")
        assert gone.wait(WAIT_S)
