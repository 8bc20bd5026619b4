"""How streams and sessions end: closed, closed twice, closed by others, dropped, out of time, used afterwards."""

from __future__ import annotations

import asyncio
import datetime as dt
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest
from web import WEB

from kukeon_api import errors, model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Daemon
    from kukeon_api.parts import Part
    from kukeon_sdk import UnixClient, aio

WAIT_S = 30.0


class Endless:
    """A program, a terminal and events that go on until somebody hangs up."""

    def __init__(self) -> None:
        self.gone = threading.Event()
        self._hold = threading.Event()

    def exec(self, asked: Iterator[Part], **_: Any) -> Iterator[Part]:
        yield "started", model.ExecStarted(pid=7)
        try:
            yield "stdout", b"ready"
            for name, value in asked:
                if name == "signal":
                    yield "exit", model.ExitStatus(code=128 + value)
                    return
        finally:
            self.gone.set()

    def attach(self, asked: Iterator[Part], **_: Any) -> Iterator[Part]:
        yield "started", True
        try:
            yield "output", b"ready"
            for _part in asked:
                pass
        finally:
            self.gone.set()

    def events(self, **_: Any) -> Iterator[model.Event]:
        now = dt.datetime.now(dt.UTC)
        try:
            yield model.Event(cursor="e-1", at=now, type=model.EventType.CREATED)
            while not self._hold.wait(0.01):  # a server of threads learns of a hang-up by sending only
                yield model.Event(cursor="e-2", at=now, type=model.EventType.UPDATED)
        finally:
            self.gone.set()

    def stop(self) -> None:
        self._hold.set()


@pytest.fixture
def endless(daemon: Daemon) -> Iterator[Endless]:
    endless = Endless()
    daemon.answers |= {"exec": endless.exec, "attach": endless.attach, "events": endless.events}
    yield endless
    endless.stop()


@pytest.fixture
def quiet(daemon: Daemon) -> Iterator[threading.Event]:
    """Events that do not come; set once somebody waits for them."""
    asked, over = threading.Event(), threading.Event()

    def events(**_: Any) -> Iterator[model.Event]:
        asked.set()
        over.wait(WAIT_S)
        yield from ()

    daemon.answers["events"] = events
    yield asked
    over.set()


class TestStreams:
    def test_leaving_the_block_ends_it(self, endless: Endless, client: UnixClient) -> None:
        with client.events(follow=True) as events:
            assert next(events).cursor == "e-1"
        assert endless.gone.wait(WAIT_S)
        assert list(events) == []
        events.close()
        assert list(events) == []

    def test_another_thread_closes_it(self, quiet: threading.Event, client: UnixClient) -> None:
        stream = client.events(follow=True)
        seen: list[Any] = []
        reading = threading.Thread(target=lambda: seen.append(list(stream)))
        reading.start()
        assert quiet.wait(WAIT_S)
        stream.close()
        reading.join(WAIT_S)
        assert seen == [[]]

    def test_dropping_it_ends_it(self, endless: Endless, client: UnixClient) -> None:
        events = client.events(follow=True)
        assert next(events).cursor == "e-1"
        del events
        gc.collect()
        assert endless.gone.wait(WAIT_S)

    def test_a_second_loop_goes_on_where_the_first_stopped(self, daemon: Daemon, client: UnixClient) -> None:
        line = model.LogEntry(stream=model.LogStream.STDOUT, data=b"x")
        daemon.answers["logs"] = lambda **_: iter((line, line, line))
        entries = client.logs(WEB)
        for _ in entries:
            break
        assert list(entries) == [line, line]
        assert list(entries) == []

    def test_an_error_is_raised_once(self, daemon: Daemon, client: UnixClient) -> None:
        def logs(**_: Any) -> Iterator[model.LogEntry]:
            raise errors.CellNotFound("cannot find cell 'c'", hint="look")
            yield

        daemon.answers["logs"] = logs
        entries = client.logs(WEB)
        with pytest.raises(errors.CellNotFound) as caught:
            next(entries)
        assert caught.value.hint == "look"
        assert list(entries) == []

    def test_its_client_is_closed(self, endless: Endless, client: UnixClient) -> None:
        events = client.events(follow=True)
        next(events)
        client.close()
        with pytest.raises(errors.Conflict, match="closed"):
            list(events)
        with pytest.raises(errors.Conflict, match="closed"):
            client.events()

    async def test_asynchronously(self, endless: Endless, later: aio.AsyncClient) -> None:
        async with later.events(follow=True) as events:
            assert (await anext(events)).cursor == "e-1"
        await asyncio.to_thread(endless.gone.wait, WAIT_S)
        assert [each async for each in events] == []
        await events.close()

    async def test_another_task_closes_it(self, quiet: threading.Event, later: aio.AsyncClient) -> None:
        stream = later.events(follow=True)

        async def read() -> list[model.Event]:
            return [each async for each in stream]

        reading = asyncio.create_task(read())
        assert await asyncio.to_thread(quiet.wait, WAIT_S)
        await stream.close()
        async with asyncio.timeout(WAIT_S):
            assert await reading == []

    async def test_cancelling_ends_it(self, endless: Endless, later: aio.AsyncClient) -> None:
        stream = later.events(follow=True)
        await anext(stream)

        async def read() -> None:
            async for _ in stream:
                pass

        reading = asyncio.create_task(read())
        await asyncio.sleep(0)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await asyncio.to_thread(endless.gone.wait, WAIT_S)

    async def test_dropping_it_asynchronously(self, endless: Endless, later: aio.AsyncClient) -> None:
        stream = later.events(follow=True)
        await anext(stream)
        del stream
        gc.collect()
        assert await asyncio.to_thread(endless.gone.wait, WAIT_S)

    async def test_another_thread_drops_it(self, endless: Endless, later: aio.AsyncClient) -> None:
        asyncio.get_running_loop().set_debug(True)  # then asyncio notices who is not on the loop's thread
        held = [later.events(follow=True)]
        await anext(held[0])
        await asyncio.to_thread(held.clear)
        assert await asyncio.to_thread(endless.gone.wait, WAIT_S)

    async def test_a_kukeond_that_was_away_is_found_at_once(
        self, daemon: Daemon, endless: Endless, client: UnixClient, later: aio.AsyncClient
    ) -> None:
        next(client.events(follow=True))
        await anext(later.events(follow=True))
        daemon.stop()
        for _ in range(3):  # gRPC would pause longer and longer between attempts
            with pytest.raises(errors.Unavailable):
                next(client.events(follow=True))
            with pytest.raises(errors.Unavailable):
                await anext(later.events(follow=True))
        daemon.restart()
        assert next(client.events(follow=True)).cursor == "e-1"
        assert (await anext(later.events(follow=True))).cursor == "e-1"


class TestSessions:
    def test_a_dropped_one_hangs_up(self, endless: Endless, client: UnixClient) -> None:
        session = client.exec(WEB, ["sleep"])
        assert session.read() == ("stdout", b"ready")
        del session
        gc.collect()
        assert endless.gone.wait(WAIT_S)

    def test_a_dropped_terminal_is_left(self, endless: Endless, client: UnixClient) -> None:
        session = client.attach(WEB)
        assert session.read() == b"ready"
        del session
        gc.collect()
        assert endless.gone.wait(WAIT_S)

    def test_waiting_for_a_while(self, endless: Endless, client: UnixClient) -> None:
        with client.exec(WEB, ["sleep"]) as session:
            assert session.read(timeout=WAIT_S) is not None
            with pytest.raises(errors.TimedOut, match=r"any longer: 0\.01 s have passed"):
                session.read(timeout=0.01)
            with pytest.raises(errors.TimedOut, match=r"any longer: 0\.01 s have passed"):
                session.wait(timeout=0.01)
            session.signal(15)
            assert session.wait(timeout=WAIT_S).code == 143
        assert session.wait().code == 143  # known is known
        with client.attach(WEB) as terminal:
            assert terminal.read() == b"ready"
            with pytest.raises(errors.TimedOut):
                terminal.read(timeout=0.01)

    def test_another_thread_closes_it(self, endless: Endless, client: UnixClient) -> None:
        session = client.exec(WEB, ["sleep"])
        assert session.read() is not None
        threading.Timer(0.05, session.close).start()
        with pytest.raises(errors.Conflict, match="closed"):
            session.wait()
        with pytest.raises(errors.Conflict, match="closed"):
            session.wait()
        session.close()
        with pytest.raises(errors.Conflict, match="ended or its input"):
            session.write(b"x")

    def test_its_client_is_closed(self, endless: Endless, client: UnixClient) -> None:
        session = client.exec(WEB, ["sleep"])
        assert session.read() is not None
        client.close()
        with pytest.raises(errors.Conflict, match="closed"):
            session.wait(timeout=WAIT_S)

    def test_an_interrupted_conversation_ends_the_program(
        self, endless: Endless, client: UnixClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        session = client.exec(WEB, ["sleep"])
        assert session.read() is not None

        def interrupted(*_: Any, **__: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(type(session), "read", interrupted)
        with pytest.raises(KeyboardInterrupt):
            session.communicate(bytes(8 << 20))
        assert endless.gone.wait(WAIT_S)

    def test_time_for_the_whole_runs_out(self, endless: Endless, client: UnixClient) -> None:
        with pytest.raises(errors.TimedOut), client.exec(WEB, ["sleep"], timeout=0.3) as session:
            session.wait()

    async def test_a_dropped_one_hangs_up_asynchronously(self, endless: Endless, later: aio.AsyncClient) -> None:
        session = await later.exec(WEB, ["sleep"])
        assert await session.read() == ("stdout", b"ready")
        del session
        gc.collect()
        assert await asyncio.to_thread(endless.gone.wait, WAIT_S)

    async def test_another_thread_drops_one(self, endless: Endless, later: aio.AsyncClient) -> None:
        asyncio.get_running_loop().set_debug(True)
        held = [await later.exec(WEB, ["sleep"])]
        assert await held[0].read() == ("stdout", b"ready")
        await asyncio.to_thread(held.clear)
        assert await asyncio.to_thread(endless.gone.wait, WAIT_S)

    async def test_a_limit_of_time_leaves_it_going(self, endless: Endless, later: aio.AsyncClient) -> None:
        async with await later.exec(WEB, ["sleep"]) as session:
            assert await session.read() is not None
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await session.read()
            await session.signal(15)
            assert (await session.wait()).code == 143
        assert (await session.wait()).code == 143

    async def test_a_cancelled_conversation_ends_the_program(self, endless: Endless, later: aio.AsyncClient) -> None:
        session = await later.exec(WEB, ["sleep"])
        assert await session.read() is not None
        talking = asyncio.create_task(session.communicate(bytes(8 << 20)))
        await asyncio.sleep(0)
        talking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await talking
        assert await asyncio.to_thread(endless.gone.wait, WAIT_S)

    async def test_a_task_that_is_cancelled_while_it_closes_notices(
        self, endless: Endless, later: aio.AsyncClient
    ) -> None:
        session = await later.exec(WEB, ["sleep"])
        closing = asyncio.create_task(session.close())
        await asyncio.sleep(0)
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        await session.close()
        with pytest.raises(errors.Conflict, match="closed"):
            await session.read()
