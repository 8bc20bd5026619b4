"""Calls that go on: whose they are, and what becomes of them when either side goes away."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

from conftest import WAIT_S, Served
from kukeon_api import errors, model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from kukeon_api.parts import Part
    from kukeon_sdk import UnixClient

WEB = model.ContainerDoc(
    metadata=model.Metadata(name="web"),
    spec=model.ContainerSpec(id="web", realm_id="r", space_id="s", stack_id="t", cell_id="c"),
)


class Streaming:
    """A controller with streams, which tells what became of them."""

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.yielded = 0
        self.error: Exception | None = None

    async def events(self, *asked: Any) -> AsyncIterator[Any]:
        """Events for ever, some of them together."""
        try:
            while True:
                self.yielded += 1
                made = model.Event(cursor=f"e-{self.yielded}", at=dt.datetime.now(dt.UTC), type=model.EventType.CREATED)
                yield made if self.yielded % 2 else (made, made)
                if self.error is not None:
                    raise self.error
        finally:
            self.closed.set()

    async def exec(self, doc: model.ContainerDoc, command: tuple[str, ...], *more: Any) -> AsyncIterator[Part]:
        *_, asked = more
        try:
            yield "started", model.ExecStarted(pid=7)
            if command == ("yes",):
                while True:
                    self.yielded += 1
                    yield "stdout", bytes(65536)
            async for name, value in asked:
                yield "stdout", f"{name} {value}".encode()
                if name == "signal":
                    yield "exit", model.ExitStatus(code=128 + value)
                    return
        finally:
            await asyncio.sleep(0)  # what is to be done at the end takes a moment
            self.closed.set()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    async def make() -> Streaming:
        return Streaming()

    served = Served(tmp_path / "k.sock", make)
    yield served
    served.close()


def test_items_come_one_by_one_and_together(served: Served, client: UnixClient) -> None:
    stream = client.events()
    assert [next(stream).cursor for _ in range(5)] == ["e-1", "e-2", "e-2", "e-3", "e-4"]
    stream.close()
    served.wait(served.controller.closed)


def test_nothing_is_made_ahead_of_a_client_that_does_not_read(served: Served, client: UnixClient) -> None:
    with client.exec(WEB, ["yes"]) as session:
        assert session.read() is not None
        # What fits between here and there: a few MiB for the session and for the connection.
        settled = threading.Event()
        last = -1
        while not settled.wait(0.2) and served.controller.yielded != last:
            last = served.controller.yielded
        assert served.controller.yielded * 65536 < 32 << 20
    served.wait(served.controller.closed)


def test_a_conversation(served: Served, client: UnixClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "kukeond")
    with client.exec(WEB, ["x"]) as session:
        session.write(b"a")
        assert session.read() == ("stdout", b"stdin b'a'")
        session.signal(2)
        assert session.read() == ("stdout", b"signal 2")
        assert session.wait().code == 130
    served.wait(served.controller.closed)
    [line] = [each.getMessage() for each in caplog.records if each.name == "kukeond"]
    assert line.startswith("exec target=r/s/t/c/web ")
    assert line.endswith("outcome=ok code=130")


def test_hanging_up_closes_the_generator(served: Served, client: UnixClient) -> None:
    with client.exec(WEB, ["x"]):
        pass
    served.wait(served.controller.closed)


def test_hanging_up_in_the_middle_of_a_reply_is_no_failure_of_ours(
    served: Served, client: UnixClient, caplog: pytest.LogCaptureFixture
) -> None:
    for taken in range(1, 40):
        stream = client.events()
        for _ in range(taken):
            next(stream)
        stream.close()
        served.wait(served.controller.closed)
        served.controller.closed.clear()
    assert not [each.getMessage() for each in caplog.records if each.levelno >= logging.ERROR]


def test_stopping_ends_all_of_them_and_says_so(served: Served, client: UnixClient) -> None:
    stream = client.events()
    next(stream)
    with client.exec(WEB, ["x"]) as session:
        served.begin_stop()
        with pytest.raises(errors.Unavailable, match="cannot go on with Exec: kukeond is stopping"):
            session.wait()
    with pytest.raises(errors.Unavailable):
        for _ in stream:
            pass
    served.join()
    assert served.controller.closed.is_set()


def test_errors_come_where_they_happen(served: Served, client: UnixClient) -> None:
    stream = client.events()
    next(stream)
    served.controller.error = errors.StaleResource("cannot go on: too old")
    with pytest.raises(errors.StaleResource, match="too old"):
        for _ in stream:
            pass
    served.controller.error = ZeroDivisionError("secret words")
    with pytest.raises(errors.HostError, match=r"internal error [0-9a-f]{8}") as caught:
        for _ in client.events():
            pass
    assert "secret" not in str(caught.value)


def test_many_at_once(served: Served, client: UnixClient) -> None:
    sessions = [client.exec(WEB, ["x"], timeout=WAIT_S) for _ in range(50)]
    for number, session in enumerate(sessions):
        session.signal(number + 1)
    for number, session in enumerate(sessions):
        assert session.wait().code == 129 + number
        session.close()
