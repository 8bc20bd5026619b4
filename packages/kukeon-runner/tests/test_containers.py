"""Containers that come to a cell and leave it, on a host in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_runner.testing.cells import IMAGE, NAMESPACE, cell, container, controller, prepared
from kukeon_runner.testing.host import FakeHost, FakeProgram

if TYPE_CHECKING:
    from pathlib import Path

WEB = "default_default_hello_web"
JOB = "default_default_hello_job"
ROOT = "default_default_hello_root"


def document(name: str, cell: str = "hello", **fields: object) -> model.ContainerDoc:
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": cell}
    spec = model.ContainerSpec(**{"id": name, "image": IMAGE} | place | fields)  # type: ignore[arg-type]
    return model.ContainerDoc(metadata=model.Metadata(name=name), spec=spec)


async def test_a_created_container_joins_its_cell_and_starts(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    pid = host.containers.tasks[NAMESPACE, WEB].pid
    result = await found.create_container(document("job", env=("A=1",), working_dir="/srv"))
    assert (result.container_exists_pre, result.container_exists_post) == (False, True)
    assert (result.container_created, result.started) == (True, True)
    assert (result.cell_metadata_exists_pre, result.cell_metadata_exists_post) == (True, True)
    assert (result.container.spec.env, result.container.spec.working_dir) == (("A=1",), "/srv")
    assert result.container.status is not None
    assert result.container.status.state is model.ContainerState.READY
    assert host.containers.tasks[NAMESPACE, WEB].pid == pid
    names = [each.id for each in await found.list_containers(cell_name="hello")]
    assert names == ["web", "job"]


async def test_one_that_exists_keeps_its_spec(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    host.faults.log.clear()
    result = await found.create_container(document("web", command="other"))
    assert (result.container_created, result.started, result.container_exists_pre) == (False, False, True)
    assert result.container.spec.command == ""
    assert host.faults.log == []


async def test_in_a_stopped_cell_it_waits_for_the_cell(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    await found.stop_cell(cell("hello"))
    result = await found.create_container(document("job"))
    assert (result.container_created, result.started) == (False, False)
    assert host.containers.tasks == {}
    started = await found.start_cell(cell("hello"))
    assert [each.state for each in started.cell.status.containers] == [model.ContainerState.READY] * 2


async def test_what_cannot_be_made_is_not_stored(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    with pytest.raises(errors.ImageNotFound):
        await found.create_container(document("job", image="docker.io/library/missing:1"))
    volume = model.VolumeMount(source="/no/such", target="/data")
    with pytest.raises(errors.VolumeSourceNotFound):
        await found.create_container(document("job", volumes=(volume,)))
    with pytest.raises(errors.RootContainerRefused):
        await found.create_container(document("job", root=True))
    with pytest.raises(errors.Invalid):
        await found.create_container(document("root"))
    with pytest.raises(errors.CellNotFound):
        await found.create_container(document("job", cell="other"))
    assert [each.id for each in await found.list_containers()] == ["web"]


async def test_a_deleted_container_is_gone_from_host_and_cell(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", container("web"), container("job")))
    log = tmp_path / "data/default/default/default/hello/job/log"
    log.parent.mkdir(parents=True)
    log.write_text("said")
    result = await found.delete_container(document("job"))
    assert (result.deleted, result.container_exists, result.cell_metadata_exists) == (("task", "container"), True, True)
    assert {id for _, id in host.containers.records} == {WEB, ROOT}
    assert {id for _, id in host.containers.snapshots} == {WEB}
    stored = (await found.get_cell(cell("hello"))).cell
    assert [each.id for each in stored.spec.containers] == ["web"]
    assert [each.name for each in stored.status.containers] == ["web"]
    assert stored.status.state is model.CellState.READY
    assert not log.parent.exists()
    with pytest.raises(errors.ContainerNotFound):
        await found.delete_container(document("job"))
    with pytest.raises(errors.RootContainerRefused):
        await found.delete_container(document("root"))


async def test_a_deletion_that_fails_can_be_repeated(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", container("web"), container("job")))
    with host.failing_at(2), pytest.raises(errors.HostError):
        await found.delete_container(document("job"))
    assert [each.id for each in await found.list_containers()] == ["web", "job"]
    await controller(host, tmp_path).delete_container(document("job"))
    for each in (found, controller(host, tmp_path)):
        assert [spec.id for spec in await each.list_containers()] == ["web"]


async def test_purge_needs_no_cell(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", container("web"), container("job")))
    (tmp_path / "data/default/default/default/hello/metadata.json").unlink()
    anew = controller(host, tmp_path)
    result = await anew.purge_container(document("job"))
    assert (result.cell_metadata_exists, result.container_exists) == (False, True)
    assert (result.deleted, result.purged) == ((), ("orphaned-containers",))
    assert {id for _, id in host.containers.records} == {WEB, ROOT}
    again = await anew.purge_container(document("job"))
    assert (again.container_exists, again.deleted, again.purged) == (False, (), ())


async def test_purge_of_a_known_one_is_a_deletion(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", container("web"), container("job")))
    result = await found.purge_container(document("job"))
    assert (result.deleted, result.purged, result.cell_metadata_exists) == (("task", "container"), (), True)
    assert [each.id for each in await found.list_containers()] == ["web"]
    with pytest.raises(errors.RootContainerRefused):
        await found.purge_container(document("root"))


async def test_restart_of_one_leaves_its_siblings_alone(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", container("web"), container("job")))
    before = {id: task.pid for (_, id), task in host.containers.tasks.items()}
    result = await found.restart_container(document("job"))
    assert result.restarted
    after = {id: task.pid for (_, id), task in host.containers.tasks.items()}
    assert {id for id in after if after[id] != before[id]} == {JOB}
    await found.stop_container(document("job"))
    result = await found.restart_container(document("job"))
    assert not result.restarted
    assert result.container.status is not None
    assert result.container.status.state is model.ContainerState.READY


async def test_attach_says_that_there_is_no_terminal(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    await found.create_cell(cell("hello"))
    with pytest.raises(errors.AttachNotSupported, match="default/default/default/hello/web"):
        await found.attach_container(document("web"))
    with pytest.raises(errors.ContainerNotFound):
        await found.attach_container(document("job"))
    with pytest.raises(errors.CellNotFound):
        await found.attach_container(document("web", cell="other"))


async def test_a_container_that_does_not_start_is_told(tmp_path: Path) -> None:
    host = FakeHost()
    host.containers.programs["missing",] = FakeProgram(missing=True)
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    with pytest.raises(errors.StartContainer):
        await found.create_container(document("job", command="missing"))
    assert [each.status.state for each in await found.list_cells()] == [model.CellState.READY]


async def test_a_new_container_takes_its_spaces_defaults_and_leaves_the_others_theirs(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    pid = host.containers.tasks[NAMESPACE, WEB].pid
    defaults = model.SpaceDefaults(container=model.ContainerDefaults(user="1000"))
    spec = model.SpaceSpec(realm_id="default", defaults=defaults)
    await found.runner.update_space(model.SpaceDoc(metadata=model.Metadata(name="default"), spec=spec))
    result = await found.create_container(document("job"))
    assert result.container.spec.user == "1000"
    assert host.containers.tasks[NAMESPACE, WEB].pid == pid
