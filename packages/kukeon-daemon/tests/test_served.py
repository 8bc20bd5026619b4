"""The adapter over a real socket: SDK, wire, service, a controller in memory."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import threading
import time
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from kukeon_api import calls, errors, methods, model
from kukeon_daemon import pages
from kukeon_daemon.upload import QUEUED_PIECES, Upload
from kukeon_sdk import UnixClient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator

    from conftest import Served

WAIT_S = 30.0
MIB = 1 << 20


def realm(name: str) -> model.RealmDoc:
    return model.RealmDoc(metadata=model.Metadata(name=name))


def cell(name: str, realm_id: str = "r") -> model.CellDoc:
    return model.CellDoc(
        metadata=model.Metadata(name=name),
        spec=model.CellSpec(id=name, realm_id=realm_id, space_id="s", stack_id="t"),
    )


def test_calls_reach_the_controller_and_answers_come_back(served: Served, client: UnixClient) -> None:
    assert client.ping().ok
    assert client.create_realm(realm("b")).created
    assert not client.create_realm(realm("b")).created
    assert client.get_realm(realm("b")).metadata_exists
    assert not client.get_realm(realm("c")).metadata_exists
    assert client.list_realms() == (realm("b"),)
    assert client.delete_realm(realm("b"), cascade=True).metadata_deleted


def test_errors_keep_class_words_and_hint(client: UnixClient) -> None:
    with pytest.raises(errors.RealmNotFound, match="no such realm") as caught:
        client.delete_realm(realm("x"))
    assert caught.value.hint == "look first"
    client.create_realm(realm("x"))
    with pytest.raises(errors.ResourceHasDependencies):
        client.delete_realm(realm("x"))


def test_a_bad_name_is_refused_at_the_door(client: UnixClient) -> None:
    with pytest.raises(errors.Invalid, match="Bad Name"):
        client.create_realm(realm("Bad Name"))


@pytest.mark.parametrize("count", [1, 30, 2000])
def test_every_problem_of_an_input_arrives(client: UnixClient, count: int) -> None:
    with pytest.raises(errors.InvalidManifest) as caught:
        client.apply_documents(str(count).encode())
    assert len(caught.value.problems) == count


def test_a_bug_is_an_internal_error_with_an_id_and_a_traceback_in_the_log(
    client: UnixClient, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(errors.HostError, match=r"internal error [0-9a-f]{8}") as caught:
        client.start_cell(cell("web"))
    assert "secret words" not in str(caught.value)
    ident = str(caught.value).split()[-1]
    record = next(record for record in caplog.records if record.exc_info)
    assert ident in record.getMessage()
    assert ident in caught.value.hint


def test_what_the_controller_lacks_is_not_supported_yet(client: UnixClient) -> None:
    with pytest.raises(errors.NotSupportedYet, match="cannot do StopCell"):
        client.stop_cell(cell("web"))
    with pytest.raises(errors.NotSupportedYet, match="cannot do Events"):
        next(client.events())


class TestAccount:
    """One line for each call that changes something."""

    @pytest.fixture(autouse=True)
    def level(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO, "kukeond")

    def lines(self, caplog: pytest.LogCaptureFixture) -> list[str]:
        return [record.getMessage() for record in caplog.records if record.name == "kukeond"]

    def test_changes(self, client: UnixClient, caplog: pytest.LogCaptureFixture) -> None:
        client.create_realm(realm("a"))
        client.load_image("a", b"xyz")
        (create, load) = self.lines(caplog)
        assert create.startswith("create_realm target=a duration=0.")
        assert create.endswith("outcome=ok")
        assert load.startswith("load_image target=a ")

    def test_failures(self, client: UnixClient, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.raises(errors.RealmNotFound):
            client.delete_realm(realm("a"))
        (line,) = self.lines(caplog)
        assert "outcome=RealmNotFound" in line
        assert "no such realm" in line

    def test_reading_is_not_told(self, client: UnixClient, caplog: pytest.LogCaptureFixture) -> None:
        client.list_realms()
        client.ping()
        assert self.lines(caplog) == []

    def test_what_apply_did_is_counted(self, client: UnixClient, caplog: pytest.LogCaptureFixture) -> None:
        client.apply_documents(b"fine")
        (line,) = self.lines(caplog)
        assert line.endswith("outcome=ok resources=3 failed=1")

    def test_nothing_of_an_input_is_told(self, client: UnixClient, caplog: pytest.LogCaptureFixture) -> None:
        with pytest.raises(errors.InvalidManifest):
            client.apply_documents(b"3")
        (line,) = self.lines(caplog)
        assert "a.yaml" not in line
        assert "problems=3" in line


class TestHangUp:
    """A client that goes away stops waiting; what it asked for is carried through."""

    def test_after_a_timeout_the_work_is_finished(self, served: Served, client: UnixClient) -> None:
        with pytest.raises(errors.TimedOut):
            client.create_realm(realm("slow"), timeout=1)
        served.wait(served.controller.began)
        served.set(served.controller.gate)
        served.wait_idle()
        assert client.get_realm(realm("slow")).metadata_exists

    def test_after_a_disconnect_the_work_is_finished(self, served: Served, client: UnixClient) -> None:
        other = UnixClient(str(served.path))
        thread = threading.Thread(target=self.create_and_lose, args=(other,))
        thread.start()
        served.wait(served.controller.began)
        other.close()
        thread.join(WAIT_S)
        served.set(served.controller.gate)
        served.wait_idle()
        assert client.get_realm(realm("slow")).metadata_exists

    @staticmethod
    def create_and_lose(client: UnixClient) -> None:
        with pytest.raises(errors.Conflict):
            client.create_realm(realm("slow"))

    def test_the_outcome_is_logged_although_nobody_waits(
        self, served: Served, client: UnixClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "kukeond")
        with pytest.raises(errors.TimedOut):
            client.create_realm(realm("slow"), timeout=1)
        served.set(served.controller.gate)
        served.wait_idle()
        (line,) = [record.getMessage() for record in caplog.records if record.name == "kukeond"]
        assert line.startswith("create_realm target=slow ")
        assert line.endswith("outcome=ok")


class TestUpload:
    """The stream of LoadImage."""

    @pytest.mark.parametrize("size", [0, 5, 3 * MIB + 1])
    def test_whole(self, served: Served, client: UnixClient, size: int) -> None:
        data = b"\x01" * size
        assert client.load_image("r", data).images == (hashlib.sha256(data).hexdigest(),)
        assert served.controller.uploads == ["complete"]

    def test_a_hang_up_in_the_middle_aborts_it(self, served: Served) -> None:
        def endless() -> Iterator[bytes]:
            while True:
                yield b"x" * MIB

        self.load_and_hang_up(served, "r", endless(), served.controller.began)
        assert served.controller.uploads == ["aborted"]
        assert served.controller.received

    def test_a_hang_up_after_the_end_does_not(self, served: Served) -> None:
        self.load_and_hang_up(served, "slow", [b"all of it"], served.controller.read)
        assert served.controller.uploads == ["complete"]

    @staticmethod
    def load_and_hang_up(served: Served, realm: str, data: Iterable[bytes], moment: asyncio.Event) -> None:
        other = UnixClient(str(served.path))
        caught: list[errors.KukeonError] = []

        def load() -> None:
            try:
                other.load_image(realm, data)
            except errors.KukeonError as error:
                caught.append(error)

        thread = threading.Thread(target=load)
        thread.start()
        served.wait(moment)
        other.close()
        thread.join(WAIT_S)
        assert isinstance(caught[0], errors.Conflict)
        served.set(served.controller.gate)
        served.wait_idle()

    def test_reading_that_fails_aborts_it(self, served: Served, client: UnixClient) -> None:
        def broken() -> Iterator[bytes]:
            yield b"x" * MIB
            served.wait(served.controller.began)
            raise OSError("the disk is gone")

        with pytest.raises(OSError, match="gone"):
            client.load_image("r", broken())
        served.wait_idle()
        assert served.controller.uploads == ["aborted"]

    def test_a_refusal_in_the_middle_reaches_the_client(self, client: UnixClient) -> None:
        def endless() -> Iterator[bytes]:
            yield b"hostile" * MIB
            while True:
                yield b"x" * MIB

        with pytest.raises(errors.InvalidArchive, match="hostile"):
            client.load_image("r", endless(), timeout=WAIT_S)

    def test_an_empty_stream(self, served: Served) -> None:
        method = methods.METHODS["LoadImage"]
        with grpc.insecure_channel(f"unix:{served.path}") as channel:
            send = channel.stream_unary(method.path, calls.args_class(method).SerializeToString)
            with pytest.raises(grpc.RpcError) as caught:
                send(iter(()), timeout=WAIT_S)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            with pytest.raises(grpc.RpcError) as caught:  # no end mark: it may have been cut
                send(iter((calls.first_chunk(method, {"realm": "r"}), calls.chunk(method, b"x"))), timeout=WAIT_S)
            assert caught.value.code() is grpc.StatusCode.ABORTED

    def test_memory_stays_flat(self, served: Served, client: UnixClient) -> None:
        client.load_image("r", (b"x" * MIB for _ in range(64)))
        before_kb = resident_kb()
        client.load_image("r", (b"x" * MIB for _ in range(512)), timeout=WAIT_S)
        assert resident_kb() - before_kb < 100 * 1024
        assert served.controller.received == 576 * MIB


def resident_kb() -> int:
    with open("/proc/self/status") as status:
        return int(next(line for line in status if line.startswith("VmHWM")).split()[1])


class TestPages:
    """Long lists."""

    def test_a_long_list_arrives_whole_while_other_calls_go_on(self, served: Served, client: UnixClient) -> None:
        served.controller.cells = tuple(cell(f"c{number:05}") for number in range(10_000))
        assert client.list_cells() == served.controller.cells

    def test_more_than_a_message_holds(self, served: Served, client: UnixClient) -> None:
        labels = {"padding": "x" * (1 << 20)}
        served.controller.cells = tuple(
            model.CellDoc(
                metadata=model.Metadata(name=f"c{number:03}", labels=labels),
                spec=model.CellSpec(id=f"c{number:03}", realm_id="r", space_id="s", stack_id="t"),
            )
            for number in reversed(range(100))
        )
        found = client.list_cells()
        assert sorted(doc.metadata.name for doc in found) == [f"c{number:03}" for number in range(100)]

    def all_pages(self, items: list[Any], page_bytes: int, change: Any = None) -> list[list[Any]]:
        method, token, seen = methods.METHODS["ListCells"], "", []
        while True:
            reply = pages.reply(method, items, token, page_bytes)
            seen.append(list(calls.unpack_reply(method, reply)))
            token = calls.next_page_token(reply)
            if not token:
                return seen
            if change:
                change(items)
                change = None

    def test_pages_keep_their_size(self) -> None:
        items = [cell(f"c{n:03}", realm_id) for realm_id in ("b", "a") for n in range(50)]
        seen = self.all_pages(items, 200)
        assert len(seen) > 10
        assert [item for page in seen for item in page] == sorted(items, key=pages.key)

    def test_one_item_a_page_at_least(self) -> None:
        items = [cell(f"c{n}") for n in range(3)]
        assert self.all_pages(items, 1) == [[item] for item in items]

    def test_what_changes_meanwhile_hides_and_repeats_nothing_else(self) -> None:
        items = [cell(f"c{n:03}") for n in range(50)]
        kept = [item for n, item in enumerate(items) if n >= 10]

        def change(items: list[Any]) -> None:
            del items[:10]
            items.append(cell("b-new"))

        seen = [item for page in self.all_pages(items, 200, change) for item in page]
        assert [item for item in seen if item in kept] == kept

    def test_specs_of_containers_and_realms_have_keys(self) -> None:
        spec = model.ContainerSpec(id="c", realm_id="r", space_id="s", stack_id="t", cell_id="e", image="i")
        assert pages.key(spec) == ("r", "s", "t", "e", "c")
        assert pages.key(realm("r")) == ("", "", "", "", "r")


class TestStop:
    """Draining."""

    def test_running_work_is_waited_for_and_answered(self, served: Served, client: UnixClient) -> None:
        answers: list[model.CreateRealmResult] = []
        thread = threading.Thread(target=lambda: answers.append(client.create_realm(realm("slow"))))
        thread.start()
        served.wait(served.controller.began)
        served.begin_stop()
        deadline = time.monotonic() + WAIT_S
        while served.path.exists():
            assert time.monotonic() < deadline
            time.sleep(0.01)
        with UnixClient(str(served.path)) as late, pytest.raises(errors.Unavailable):
            late.ping()
        served.set(served.controller.gate)
        thread.join(WAIT_S)
        served.join()
        assert answers[0].created

    def test_work_that_takes_too_long_is_cancelled_and_its_caller_told(
        self, served: Served, client: UnixClient
    ) -> None:
        caught: list[BaseException] = []

        def create() -> None:
            try:
                client.create_realm(realm("slow"))
            except errors.KukeonError as error:
                caught.append(error)

        thread = threading.Thread(target=create)
        thread.start()
        served.wait(served.controller.began)
        served.begin_stop(0.1)
        thread.join(WAIT_S)
        served.join()
        assert served.controller.undone
        assert isinstance(caught[0], errors.Unavailable)
        assert "kukeond is stopping" in str(caught[0])


async def test_the_end_of_an_upload_gets_through_although_nobody_has_read_yet() -> None:
    method = methods.METHODS["LoadImage"]
    sent = [*(b"%d" % number for number in range(QUEUED_PIECES)), b""]

    async def messages() -> AsyncIterator[Any]:
        for data in sent:
            yield calls.chunk(method, data)
        await asyncio.Event().wait()

    upload = Upload()
    await upload.feed(messages())  # returns, so hanging up now changes nothing
    assert [piece async for piece in upload.pieces()] == sent[:-1]


async def test_no_work_is_taken_after_draining_began() -> None:
    from kukeon_daemon.tasks import Tasks

    tasks = Tasks()
    await tasks.drain(1)
    with pytest.raises(errors.Unavailable, match="stopping"):
        await tasks.run(asyncio.sleep(0), "late")


async def test_one_failing_disturbs_no_other() -> None:
    from kukeon_daemon.tasks import Tasks

    tasks, gate = Tasks(), asyncio.Event()

    async def bad() -> None:
        raise ValueError("x")

    async def good() -> int:
        await gate.wait()
        return 7

    running = asyncio.create_task(tasks.run(good(), "good"))
    with pytest.raises(ValueError, match="x"):
        await tasks.run(bad(), "bad")
    gate.set()
    assert await running == 7
    assert not len(tasks)
