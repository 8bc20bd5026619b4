"""A client that goes away in the middle of a change: the engine completes it, or takes it back."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from typing import TYPE_CHECKING, Any

import pytest
from test_contract import engine

from conftest import WAIT_S, Served
from kukeon_api import errors, model
from kukeon_runner.testing.host import FakeHost
from kukeon_sdk import UnixClient
from kukeon_sdk.testing import archives

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path


class Stuck:
    """Stops the next thing of a name that is done to the host, until a test lets it go on, or fail."""

    def __init__(self, host: FakeHost, what: str) -> None:
        self.reached, self.gate = asyncio.Event(), asyncio.Event()
        self.failing = False
        act = host.faults.act

        @contextlib.asynccontextmanager
        async def stuck(did: str) -> AsyncIterator[None]:
            if did.startswith(what) and not self.reached.is_set():
                self.reached.set()
                await self.gate.wait()
                if self.failing:
                    raise errors.HostError(f"cannot {did}: told to fail")
            async with act(did):
                yield

        host.faults.act = stuck  # type: ignore[method-assign]


@pytest.fixture
def host() -> FakeHost:
    return FakeHost()


@pytest.fixture
def served(tmp_path: Path, host: FakeHost) -> Iterator[Served]:
    with engine(tmp_path, host) as served:
        yield served


@pytest.fixture
def client(served: Served) -> Iterator[UnixClient]:
    with UnixClient(str(served.path)) as client:
        client.load_image("default", archives.oci("busybox"))
        yield client


def cell(name: str = "web") -> model.CellDoc:
    container = model.ContainerSpec(id="main", image="busybox", command="sleep")
    spec = model.CellSpec(realm_id="default", space_id="default", stack_id="default", containers=(container,))
    return model.CellDoc(metadata=model.Metadata(name=name), spec=spec)


def begin_and_hang_up(served: Served, stuck: Stuck, call: Callable[[UnixClient], Any]) -> None:
    """Make a call, and close its connection when the engine is in the middle of it."""
    other = UnixClient(str(served.path))
    caught: list[errors.KukeonError] = []

    def work() -> None:
        try:
            call(other)
        except errors.KukeonError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    served.wait(stuck.reached)
    other.close()
    thread.join(WAIT_S)
    assert isinstance(caught[0], errors.Conflict)


def let_go(served: Served, stuck: Stuck, *, failing: bool = False) -> None:
    stuck.failing = failing
    served.set(stuck.gate)
    served.wait_idle()


@pytest.mark.parametrize("moment", ["make cgroup", "create default", "create task", "start task"])
def test_a_cell_is_completed(served: Served, client: UnixClient, host: FakeHost, moment: str) -> None:
    stuck = Stuck(host, moment)
    begin_and_hang_up(served, stuck, lambda other: other.create_cell(cell()))
    let_go(served, stuck)
    found = client.get_cell(cell()).cell
    assert found.status.state is model.CellState.READY
    assert not client.create_cell(cell()).started  # there was nothing left to do


@pytest.mark.parametrize("moment", ["create default", "create task", "start task"])
def test_or_it_is_taken_back_with_the_reason(served: Served, client: UnixClient, host: FakeHost, moment: str) -> None:
    before = host.traces()
    stuck = Stuck(host, moment)
    begin_and_hang_up(served, stuck, lambda other: other.create_cell(cell()))
    let_go(served, stuck, failing=True)
    found = client.get_cell(cell()).cell
    assert found.status.state is model.CellState.FAILED
    assert "told to fail" in found.status.message
    assert not [status for status in host.traces()["tasks"].values() if status.alive]  # type: ignore[attr-defined]
    client.delete_cell(cell())
    assert host.traces() == before


def test_a_deletion_is_completed(served: Served, client: UnixClient, host: FakeHost) -> None:
    before = host.traces()
    client.create_cell(cell())
    stuck = Stuck(host, "stop task")
    begin_and_hang_up(served, stuck, lambda other: other.delete_cell(cell()))
    let_go(served, stuck)
    assert not client.get_cell(cell()).metadata_exists
    assert host.traces() == before


def test_all_documents_are_applied(served: Served, client: UnixClient, host: FakeHost) -> None:
    yaml = b"---\n".join(
        b"kind: Stack\nmetadata: {name: s%d}\nspec: {realmId: default, spaceId: fresh}\n" % number
        for number in range(20)
    )
    stuck = Stuck(host, "make cgroup")
    begin_and_hang_up(served, stuck, lambda other: other.apply_documents(yaml))
    let_go(served, stuck)
    assert len(client.list_stacks("default", "fresh")) == 20


def test_a_realm_that_fails_can_be_made_again(served: Served, client: UnixClient, host: FakeHost) -> None:
    doc = model.RealmDoc(metadata=model.Metadata(name="shop"))
    stuck = Stuck(host, "make cgroup")
    begin_and_hang_up(served, stuck, lambda other: other.create_realm(doc))
    let_go(served, stuck, failing=True)
    assert client.get_realm(doc).realm.status.state is model.RealmState.FAILED
    assert client.create_realm(doc).realm.status.state is model.RealmState.READY
