"""The client without kukeond, over controllers that behave: when they are opened, what comes back, what is undone."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import io
import itertools
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, model
from kukeon_cli import deadlines, inprocess, interruption

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


class Controller:
    """Keeps realms and images; `create_realm` waits for `gate` where there is one, and tells when it was cancelled."""

    def __init__(self, *, exclusive: bool) -> None:
        self.exclusive = exclusive
        self.bootstrapped = 0
        self.realms: dict[str, model.RealmDoc] = {}
        self.gate: asyncio.Event | None = None
        self.begun = threading.Event()
        self.undone = threading.Event()

    async def bootstrap(self) -> None:
        self.bootstrapped += 1

    async def list_realms(self) -> list[model.RealmDoc]:
        return list(self.realms.values())

    async def list_spaces(self, realm: str) -> list[model.SpaceDoc]:
        raise errors.CorruptMetadata(f"cannot read {realm}")

    async def create_realm(self, doc: model.RealmDoc) -> model.CreateRealmResult:
        self.begun.set()
        if doc.metadata.name == "slow":
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                self.undone.set()
        self.realms[doc.metadata.name] = doc
        return model.CreateRealmResult(realm=doc, created=True)

    async def apply_documents(self, raw_yaml: bytes, dry_run: bool, prune: str) -> model.ApplyDocumentsResult:
        return model.ApplyDocumentsResult(resources=())

    async def events(self, *asked: Any) -> AsyncIterator[Any]:
        try:
            for number in itertools.count(1):
                made = model.Event(cursor=f"e-{number}", at=dt.datetime.now(dt.UTC), type=model.EventType.CREATED)
                yield made if number % 2 else (made, made)
        finally:
            await asyncio.sleep(0)
            self.undone.set()

    async def logs(self, *asked: Any) -> AsyncIterator[Any]:
        yield model.LogEntry(stream=model.LogStream.STDOUT, data=b"x")
        raise errors.ContainerNotFound("cannot find it any more")

    async def exec(
        self, doc: model.ContainerDoc, command: tuple[str, ...], *rest: Any
    ) -> AsyncIterator[tuple[str, Any]]:
        *_, asked = rest
        if command == ("nonsense",):
            raise errors.Invalid("cannot run 'nonsense'")
        try:
            yield "started", model.ExecStarted(pid=7)
            async for name, value in asked:
                match name:
                    case "stdin":
                        yield "stdin_taken", len(value)
                        yield "stdout", value
                    case "stdin_closed":
                        yield "exit", model.ExitStatus(code=3)
                        return
        finally:
            await asyncio.sleep(0)
            self.undone.set()

    async def load_image(self, realm: str, chunks: AsyncIterator[bytes], platform: str) -> model.LoadImageResult:
        size = 0
        async for chunk in chunks:
            size += len(chunk)
        return model.LoadImageResult(realm=realm, namespace=str(size), images=())


class Host:
    """A host whose controllers are opened and closed."""

    def __init__(self) -> None:
        self.open: list[Controller] = []
        self.ever: list[Controller] = []
        self.locked = False

    @contextlib.asynccontextmanager
    async def opened(self, exclusive: bool) -> AsyncIterator[Controller]:
        if exclusive and self.locked:
            raise errors.RunPathLocked("cannot change '/r': kukeond (process 7) holds it", hint="something else")
        controller = Controller(exclusive=exclusive)
        self.open.append(controller)
        self.ever.append(controller)
        try:
            yield controller
        finally:
            self.open.remove(controller)

    def made(self) -> list[bool]:
        return [controller.exclusive for controller in self.ever]


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def client(host: Host, monkeypatch: pytest.MonkeyPatch) -> Iterator[inprocess.InProcessClient]:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with inprocess.InProcessClient(host.opened, "/r") as made:
        yield made
    assert not host.open
    # The thread of a session that was closed may have its last steps to go.
    for thread in [each for each in threading.enumerate() if each.name.startswith("kuke")]:
        thread.join(20)
        assert not thread.is_alive(), thread.name


def realm(name: str) -> model.RealmDoc:
    return model.RealmDoc(metadata=model.Metadata(name=name))


def test_nothing_is_opened_before_the_first_call(host: Host, client: inprocess.InProcessClient) -> None:
    assert host.ever == []
    assert client.list_realms() == ()
    assert client.list_realms() == ()
    assert host.made() == [False]


def test_a_change_takes_the_run_path_and_reading_goes_on_with_it(host: Host, client: inprocess.InProcessClient) -> None:
    client.list_realms()
    client.create_realm(realm("a"))
    client.create_realm(realm("b"))
    assert [doc.metadata.name for doc in client.list_realms()] == ["a", "b"]
    assert host.made() == [False, True]
    assert host.ever[1].bootstrapped == 1
    assert host.ever[0].bootstrapped == 0


def test_a_kukeond_that_holds_the_run_path_is_the_way_to_go(host: Host, client: inprocess.InProcessClient) -> None:
    host.locked = True
    assert client.list_realms() == ()
    with pytest.raises(errors.Conflict, match="process 7") as caught:
        client.create_realm(realm("a"))
    assert (caught.value.exit_code, caught.value.kind) == (5, "RunPathLocked")
    assert "--host unix:///r/kukeond.sock" in caught.value.hint
    host.locked = False
    assert client.create_realm(realm("a")).created


def test_changes_need_root_and_reading_does_not(
    client: inprocess.InProcessClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert client.list_realms() == ()
    with pytest.raises(errors.MustRunAsRoot, match="cannot change '/r' without kukeond"):
        client.create_realm(realm("a"))


def test_what_only_tells_what_would_happen_is_a_look(
    host: Host, client: inprocess.InProcessClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    host.locked = True
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    client.apply_documents(b"", dry_run=True)
    assert host.made() == [False]


def test_errors_and_arguments_are_those_of_the_wire(client: inprocess.InProcessClient) -> None:
    with pytest.raises(errors.CorruptMetadata, match="cannot read x"):
        client.list_spaces("x")
    with pytest.raises(errors.Invalid):
        client.list_spaces(7)  # type: ignore[arg-type]


@pytest.mark.parametrize("tarball", [b"x" * 2_500_000, io.BytesIO(b"x" * 2_500_000), [b"x"] * 2_500_000])
def test_an_archive_is_passed_on_in_pieces(client: inprocess.InProcessClient, tarball: Any) -> None:
    assert client.load_image("default", tarball).namespace == "2500000"


def test_what_reading_an_archive_raises_is_raised(client: inprocess.InProcessClient) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x"
        raise OSError("no disk")

    with pytest.raises(OSError, match="no disk"):
        client.load_image("default", broken())


def test_what_takes_too_long_is_undone(host: Host, client: inprocess.InProcessClient) -> None:
    with pytest.raises(errors.TimedOut, match=r"cannot finish CreateRealm: not done within 0\.05 s"):
        client.create_realm(realm("slow"), timeout=0.05)
    assert host.ever[0].undone.is_set()
    assert client.create_realm(realm("a")).created
    with pytest.raises(errors.TimedOut):
        client.create_realm(realm("b"), timeout=0)


def test_ctrl_c_waits_until_the_work_is_undone(
    host: Host, client: inprocess.InProcessClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.create_realm(realm("a"))
    from concurrent.futures import Future

    real = Future.result

    def interrupted(future: Future[Any], timeout: float | None = None) -> Any:
        host.ever[0].begun.wait()
        raise KeyboardInterrupt

    host.ever[0].begun.clear()
    monkeypatch.setattr(Future, "result", interrupted)
    with pytest.raises(interruption.Interrupted) as caught, interruption.kukeond_goes_on("kuke get realms"):
        client.create_realm(realm("slow"))
    assert "was undone" in caught.value.hint
    monkeypatch.setattr(Future, "result", real)
    assert host.ever[0].undone.is_set()


def test_a_closed_client_says_so(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    client = inprocess.InProcessClient(host.opened, "/r")
    client.list_realms()
    client.close()
    client.close()
    with pytest.raises(errors.Conflict, match="closed"):
        client.list_realms()


def test_closing_ends_the_calls_of_other_threads(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    client = inprocess.InProcessClient(host.opened, "/r")
    client.create_realm(realm("quick"))
    host.ever[0].begun.clear()
    met: list[BaseException] = []

    def call() -> None:
        try:
            client.create_realm(realm("slow"))
        except BaseException as error:
            met.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    assert host.ever[0].begun.wait(20)
    client.close()
    thread.join(20)
    assert [(type(each), "closed" in str(each)) for each in met] == [(errors.Conflict, True)]
    assert host.ever[0].undone.is_set()


def test_calls_come_from_any_thread(host: Host, client: inprocess.InProcessClient) -> None:
    threads = [threading.Thread(target=client.create_realm, args=(realm(f"r{n}"),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(client.list_realms()) == 8
    assert host.made() == [True]


class Patient:
    """A client that remembers how long it was given."""

    def __init__(self) -> None:
        self.given: list[float | None] = []

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def method(*, timeout: float | None = None, **arguments: Any) -> Any:
            self.given.append(timeout)
            if timeout is not None and timeout < 1:
                raise errors.TimedOut("cannot wait any longer", hint="see")
            return ()

        return method


@pytest.mark.parametrize(
    ("stated", "given"),
    [(None, [30.0, 300.0, 1800.0, 2.0]), (7.0, [7.0, 7.0, 7.0, 2.0]), (0.0, [None, None, None, 2.0])],
)
def test_every_call_has_an_end(stated: float | None, given: list[float | None]) -> None:
    behind = Patient()
    client: Any = deadlines.Deadlines(behind, stated)  # type: ignore[arg-type]
    client.list_realms()
    client.create_realm(realm("a"))
    client.apply_documents(b"")
    client.list_realms(timeout=2.0)
    assert behind.given == given


def test_a_call_that_took_too_long_says_how_to_allow_more() -> None:
    client: Any = deadlines.Deadlines(Patient(), 0.5)  # type: ignore[arg-type]
    with pytest.raises(errors.TimedOut) as caught:
        client.create_realm(realm("a"))
    assert caught.value.hint == "see: --timeout 1h"
    with pytest.raises(errors.TimedOut) as caught:
        client.list_realms()
    assert "kukeond may hang" in caught.value.hint


WEB = model.ContainerDoc(
    metadata=model.Metadata(name="web"),
    spec=model.ContainerSpec(id="web", realm_id="r", space_id="s", stack_id="t", cell_id="c"),
)


class TestStreams:
    """What goes on until somebody ends it."""

    def test_items_come_as_they_are_asked_for(self, client: inprocess.InProcessClient, host: Host) -> None:
        stream = client.events("r")
        assert [next(stream).cursor for _ in range(4)] == ["e-1", "e-2", "e-2", "e-3"]
        stream.close()
        assert host.ever[0].undone.is_set()
        assert not host.ever[0].exclusive

    def test_errors_come_where_they_happen(self, client: inprocess.InProcessClient) -> None:
        stream = client.logs(WEB)
        assert next(stream).data == b"x"
        with pytest.raises(errors.ContainerNotFound, match="any more"):
            next(stream)

    def test_a_program_and_both_its_ends(self, client: inprocess.InProcessClient, host: Host) -> None:
        data = bytes(range(256)) * 10_000
        done = client.exec(WEB, ["cat"]).communicate(data)
        assert (done.status.code, done.stdout) == (3, data)
        assert host.ever[0].exclusive

    def test_leaving_returns_when_all_is_cleared_away(self, client: inprocess.InProcessClient, host: Host) -> None:
        with client.exec(WEB, ["cat"]) as session:
            session.write(b"x")
            assert session.read() == ("stdout", b"x")
        assert host.ever[0].undone.is_set()
        session.close()

    def test_what_keeps_it_from_starting_is_raised_at_once(self, client: inprocess.InProcessClient) -> None:
        with pytest.raises(errors.Invalid, match="nonsense"):
            client.exec(WEB, ["nonsense"])
        with pytest.raises(errors.NotSupportedYet):
            client.attach(WEB)

    def test_closing_the_client_ends_them(self, client: inprocess.InProcessClient, host: Host) -> None:
        session = client.exec(WEB, ["cat"])
        stream = client.events()
        next(stream)
        client.close()
        assert host.ever[0].undone.is_set()
        assert host.open == []
        session.close()
        with pytest.raises(errors.Conflict, match="closed"):
            next(stream)
