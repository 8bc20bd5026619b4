"""The kukeon in memory passes the contract of real ones, and has what only tests need."""

from __future__ import annotations

import re
import threading
from pathlib import Path

import msgspec
import pytest

from kukeon_api import errors, methods, model
from kukeon_sdk.testing import MemoryClient, archives, contract, programs

DEFAULT = model.Ref("default", "default", "default")


def cell(name: str, *ids: str) -> model.CellDoc:
    containers = tuple(model.ContainerSpec(id=id, image="busybox", command="sleep") for id in ids or ("main",))
    spec = model.CellSpec(realm_id="default", space_id="default", stack_id="default", containers=containers)
    return model.CellDoc(metadata=model.Metadata(name=name), spec=spec)


@pytest.fixture
def client() -> MemoryClient:
    client = MemoryClient()
    client.load_image("default", archives.oci("busybox"))
    return client


class TestMemoryClient(contract.ClientContract, contract.WorkloadContract):
    @pytest.fixture
    def client(self) -> MemoryClient:
        client = MemoryClient()
        client.programs.update(programs.BASIC)
        return client

    @pytest.fixture
    def image(self) -> bytes:
        return archives.oci("busybox")


def test_it_begins_as_a_host_does_or_empty() -> None:
    full, empty = MemoryClient(), MemoryClient(hierarchy=False)
    assert [each.metadata.name for each in full.list_stacks("default", "default")] == ["default"]
    assert empty.list_realms() == ()


@pytest.mark.parametrize(
    ("code", "state", "reason"),
    [(0, model.CellState.EXITED, ""), (3, model.CellState.ERROR, "WorkloadFailed")],
)
def test_a_program_ends(client: MemoryClient, code: int, state: model.CellState, reason: str) -> None:
    client.create_cell(cell("job"))
    ended = client.finish(DEFAULT.child("job").child("main"), code)
    assert (ended.status.state, ended.status.reason) == (state, reason)
    assert ended.status.containers[0].exit_code == code
    assert client.get_cell(cell("job")).cell == ended
    assert client.start_cell(cell("job")).cell.status.state is model.CellState.READY


def test_one_of_two_programs_fails(client: MemoryClient) -> None:
    client.create_cell(cell("job", "main", "side"))
    ended = client.finish(DEFAULT.child("job").child("side"), 1)
    assert ended.status.state is model.CellState.DEGRADED


def test_trouble_comes_when_it_is_asked_for_and_once(client: MemoryClient) -> None:
    client.trouble["list_realms"] = [errors.Unavailable("gone for a moment")]
    with pytest.raises(errors.Unavailable):
        client.list_realms()
    assert client.list_realms()


def test_warnings_are_told(client: MemoryClient) -> None:
    client.warn("the bridge is gone")
    assert client.ping().warnings == ("the bridge is gone",)


def test_many_threads_see_one_kukeon(client: MemoryClient) -> None:
    threads = [threading.Thread(target=client.create_cell, args=(cell(f"c{number}"),)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cells = client.list_cells()
    assert len(cells) == 16
    assert len({each.status.network.address for each in cells if each.status.network}) == 16


def test_passwords_stay_inside(client: MemoryClient) -> None:
    login = model.RegistryCredentials(username="me", password="hunter2", server_address="registry.invalid")
    doc = model.RealmDoc(metadata=model.Metadata(name="shop"), spec=model.RealmSpec(registry_credentials=(login,)))
    made = client.create_realm(doc).realm
    assert made.spec.registry_credentials[0].password == ""
    assert "hunter2" not in repr(client.list_realms())


class TestTheContractItself:
    """It leaves nothing out."""

    TEXT = "\n".join(path.read_text() for path in Path(contract.__file__).parent.glob("*.py"))

    @pytest.mark.parametrize("name", sorted(methods.BY_PYTHON))
    def test_every_method_is_called(self, name: str) -> None:
        assert f"client.{name}" in self.TEXT

    # Lists answer documents; the path of a terminal's socket is for those who can reach it.
    ANSWERING = tuple(
        each
        for each in methods.METHODS.values()
        if not each.listed and each.stream != "both" and each.name != "AttachContainer"
    )

    @pytest.mark.parametrize("method", ANSWERING, ids=lambda method: method.name)
    def test_every_field_of_every_result_is_looked_at(self, method: methods.Method) -> None:
        names = [field.name for field in msgspec.structs.fields(method.returns)]
        assert [name for name in names if re.search(rf"\.{name}\b", self.TEXT)] == names
