"""The asynchronous client against a real gRPC server on a real socket."""

from __future__ import annotations

import asyncio
import inspect
import io
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, methods, model
from kukeon_sdk import aio
from kukeon_sdk.aio.remote import AsyncUnixClient
from kukeon_sdk.client import Client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from conftest import Daemon

MIB = 1 << 20
WAIT_S = 30.0


def realm(name: str) -> model.RealmDoc:
    return model.RealmDoc(metadata=model.Metadata(name=name))


@pytest.fixture
async def client(daemon: Daemon) -> AsyncIterator[aio.AsyncClient]:
    async with aio.dial(str(daemon.path)) as client:
        yield client


@pytest.mark.parametrize("method", methods.METHODS.values(), ids=lambda method: method.name)
def test_every_method_is_there_with_its_parameters_and_words(method: methods.Method) -> None:
    found = getattr(aio.AsyncClient, method.python)
    own = inspect.unwrap(found, stop=lambda each: each.__module__ == aio.AsyncClient.__module__)
    assert inspect.iscoroutinefunction(own) == (method.stream != "server")
    assert inspect.getdoc(found)
    if method.stream == "both":
        assert [*inspect.signature(found).parameters] == [*inspect.signature(getattr(Client, method.python)).parameters]
    elif not method.upload:
        assert inspect.signature(found) == inspect.signature(getattr(Client, method.python))


def test_it_has_nothing_else() -> None:
    names = {name for name in vars(aio.AsyncClient) if not name.startswith("_")}
    assert names == {*methods.BY_PYTHON, "close", "perform"}


async def test_a_call_and_its_typed_answer(daemon: Daemon, client: aio.AsyncClient) -> None:
    daemon.answers["create_realm"] = lambda doc: model.CreateRealmResult(realm=doc, created=True)
    result = await client.create_realm(realm("shop"), timeout=WAIT_S)
    assert result == model.CreateRealmResult(realm=realm("shop"), created=True)


async def test_many_at_once(daemon: Daemon, client: aio.AsyncClient) -> None:
    daemon.answers["create_realm"] = lambda doc: model.CreateRealmResult(realm=doc)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(client.create_realm(realm(f"r{n}"), timeout=WAIT_S)) for n in range(32)]
    assert [task.result().realm.metadata.name for task in tasks] == [f"r{n}" for n in range(32)]


async def test_lists_are_paged_unseen(daemon: Daemon, client: aio.AsyncClient) -> None:
    everything = tuple(realm(f"r{number}") for number in range(7))
    daemon.answers["list_realms"] = lambda: everything
    assert await client.list_realms() == everything
    assert daemon.requests == 3


async def test_errors_come_back_as_what_they_were(daemon: Daemon, client: aio.AsyncClient) -> None:
    def absent(**_: Any) -> None:
        raise errors.RealmNotFound("cannot delete realm 'x': no such realm", hint="look first")

    daemon.answers["delete_realm"] = absent
    with pytest.raises(errors.RealmNotFound, match="no such realm") as caught:
        await client.delete_realm(realm("x"), cascade=True)
    assert caught.value.hint == "look first"


async def test_a_timeout_and_no_time_at_all(daemon: Daemon, client: aio.AsyncClient) -> None:
    release = threading.Event()
    daemon.answers["ping"] = lambda: (release.wait(WAIT_S), model.PingResult(ok=True))[1]
    with pytest.raises(errors.TimedOut, match=r"no answer within 0\.3 s"):
        await client.ping(timeout=0.3)
    release.set()
    assert (await client.ping(timeout=WAIT_S)).ok
    with pytest.raises(errors.TimedOut):
        await client.ping(timeout=0)


@pytest.fixture
def slow(daemon: Daemon) -> Iterator[Callable[[], None]]:
    """Calls of `create_realm` that begin and wait; what is yielded blocks until one has begun."""
    began, release = threading.Event(), threading.Event()

    def create_realm(doc: model.RealmDoc) -> model.CreateRealmResult:
        began.set()
        release.wait(WAIT_S)
        return model.CreateRealmResult(realm=doc)

    daemon.answers["create_realm"] = create_realm
    yield lambda: (began.wait(WAIT_S) and None) or None
    release.set()


async def test_cancelling_ends_the_waiting(daemon: Daemon, client: aio.AsyncClient, slow: Callable[[], None]) -> None:
    daemon.answers["list_realms"] = lambda: ()
    task = asyncio.create_task(client.create_realm(realm("a")))
    await asyncio.to_thread(slow)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await client.list_realms(timeout=WAIT_S) == ()


async def test_closing_tells_running_calls_and_later_ones(daemon: Daemon, slow: Callable[[], None]) -> None:
    client = AsyncUnixClient(str(daemon.path))
    task = asyncio.create_task(client.create_realm(realm("a")))
    await asyncio.to_thread(slow)
    await client.close()
    await client.close()
    with pytest.raises(errors.Conflict, match="closed meanwhile"):
        await task
    with pytest.raises(errors.Conflict, match="is closed"):
        await client.ping()


async def test_a_stopped_daemon_is_told_and_found_again(daemon: Daemon, client: aio.AsyncClient) -> None:
    daemon.answers["ping"] = lambda: model.PingResult(ok=True)
    assert (await client.ping()).ok
    await asyncio.to_thread(daemon.stop)
    with pytest.raises(errors.Unavailable):
        await client.ping()
    with pytest.raises(errors.Unavailable, match="no such file"):
        await client.ping()
    await asyncio.to_thread(daemon.restart)
    assert (await client.ping(timeout=WAIT_S)).ok


async def test_an_absent_daemon_and_a_wrong_scheme(tmp_path: Any) -> None:
    async with aio.dial(f"unix://{tmp_path}/none") as client:
        with pytest.raises(errors.Unavailable, match="no such file"):
            await client.ping()
    with pytest.raises(errors.UnsupportedScheme):
        aio.dial("ssh://host")


def test_another_loop_is_refused(daemon: Daemon) -> None:
    daemon.answers["ping"] = lambda: model.PingResult(ok=True)
    client = AsyncUnixClient(str(daemon.path))

    async def use() -> None:
        await client.ping()

    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(use())
        with pytest.raises(errors.Conflict, match="another event loop"):
            second.run(use())
        second.run(client.close())
        with pytest.raises(errors.Conflict, match="is closed"):
            first.run(use())


class TestLoadImage:
    """Uploads from all that bytes come from."""

    @pytest.fixture(autouse=True)
    def received(self, daemon: Daemon) -> list[bytes]:
        received: list[bytes] = []

        def load_image(realm: str, tarball: Iterator[bytes], platform: str) -> model.LoadImageResult:
            received.extend(tarball)
            return model.LoadImageResult(realm=realm, images=("it",))

        daemon.answers["load_image"] = load_image
        return received

    @pytest.mark.parametrize("size", [0, 1, MIB, 3 * MIB + 17])
    @pytest.mark.parametrize("kind", ["bytes", "file", "parts", "async parts"])
    async def test_from_anything(self, client: aio.AsyncClient, received: list[bytes], size: int, kind: str) -> None:
        data = os.urandom(size)
        parts = [data[: size // 2], b"", data[size // 2 :]]

        async def awaited() -> AsyncIterator[bytes]:
            for part in parts:
                await asyncio.sleep(0)
                yield part

        sources: dict[str, Any] = {"bytes": data, "file": io.BytesIO(data), "parts": parts, "async parts": awaited()}
        assert (await client.load_image("r", sources[kind], timeout=WAIT_S)).images == ("it",)
        assert b"".join(received) == data

    async def test_what_reading_raises_is_raised(self, client: aio.AsyncClient, received: list[bytes]) -> None:
        async def broken() -> AsyncIterator[bytes]:
            yield b"x" * MIB
            raise OSError("the disk is gone")

        with pytest.raises(OSError, match="the disk is gone"):
            await client.load_image("r", broken(), timeout=WAIT_S)

    async def test_cancelled_before_its_end_it_is_given_up(self, daemon: Daemon, client: aio.AsyncClient) -> None:
        arrived, ended = threading.Event(), threading.Event()
        outcome: list[str] = []

        def load_image(realm: str, tarball: Iterator[bytes], platform: str) -> model.LoadImageResult:
            try:
                for _ in tarball:
                    arrived.set()
                outcome.append("regular end")
            except Exception:
                outcome.append("aborted")
                raise
            finally:
                ended.set()
            return model.LoadImageResult(realm=realm)

        daemon.answers["load_image"] = load_image
        closed = asyncio.Event()

        async def stalled() -> AsyncIterator[bytes]:
            try:
                yield b"x" * MIB
                await asyncio.Event().wait()
            finally:
                closed.set()

        task = asyncio.create_task(client.load_image("r", stalled()))
        await asyncio.to_thread(arrived.wait, WAIT_S)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(ended.wait, WAIT_S)
        await asyncio.wait_for(closed.wait(), WAIT_S)
        assert outcome == ["aborted"]

    async def test_text_is_refused(self, client: aio.AsyncClient) -> None:
        text: Any = io.StringIO("text")
        with pytest.raises(errors.Invalid, match="bytes"):
            await client.load_image("r", text, timeout=WAIT_S)

    async def test_an_early_refusal_ends_the_upload(self, daemon: Daemon, client: aio.AsyncClient) -> None:
        def refuse(realm: str, tarball: Iterator[bytes], platform: str) -> None:
            next(tarball)
            raise errors.InvalidArchive("cannot load the image: this is no archive")

        daemon.answers["load_image"] = refuse

        def endless() -> Iterator[bytes]:
            while True:
                yield b"x" * MIB

        with pytest.raises(errors.InvalidArchive, match="no archive"):
            await client.load_image("r", endless(), timeout=WAIT_S)
