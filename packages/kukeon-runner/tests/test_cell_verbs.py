"""Restart, purge, refresh and creation without a start, on a host in memory."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec
import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner import steps
from kukeon_runner.testing.cells import IMAGE, NAMESPACE, cell, container, controller, prepared
from kukeon_runner.testing.host import FakeHost
from kukeon_runner.verbs import ReconcileOutcome

if TYPE_CHECKING:
    from pathlib import Path

WEB = "default_default_hello_web"
ROOT = "default_default_hello_root"
REF = model.Ref("default", "default", "default", "hello")


async def test_restart_ends_everything_and_starts_it_again(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    before = {id: task.pid for (_, id), task in host.containers.tasks.items()}
    result = await found.restart_cell(cell("hello"))
    assert result.restarted
    assert result.cell.status.state is model.CellState.READY
    after = {id: task.pid for (_, id), task in host.containers.tasks.items()}
    assert after.keys() == before.keys()
    assert all(after[id] != before[id] for id in after)


async def test_restart_of_a_stopped_cell_starts_it(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    await found.create_cell(cell("hello"))
    await found.stop_cell(cell("hello"))
    result = await found.restart_cell(cell("hello"))
    assert (result.restarted, result.cell.status.desired) == (False, model.DesiredState.RUNNING)
    assert result.cell.status.state is model.CellState.READY
    with pytest.raises(errors.CellNotFound):
        await found.restart_cell(cell("other"))


async def test_restart_of_one_whose_work_is_done_starts_it(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    host.containers.end(NAMESPACE, WEB, 0)
    result = await found.restart_cell(cell("hello"))
    assert (result.restarted, result.cell.status.state) == (False, model.CellState.READY)


@pytest.mark.parametrize("verb", ["stop", "kill"])
async def test_who_waits_to_be_started_again_is_told_to_have_been_ended(tmp_path: Path, verb: str) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", container("web", restart_policy="always"), container("side")))

    async def crash() -> None:
        for _ in range(2):  # the first start after an exit comes at once
            host.containers.end(NAMESPACE, WEB, 1)
            await found.reconcile()
        assert found.runner.cells.get(REF).status.containers[0].next_restart is not None

    web = model.ContainerDoc(
        metadata=model.Metadata(name="web"),
        spec=container("web", realm_id="default", space_id="default", stack_id="default", cell_id="hello"),
    )
    ended = {"stop": "stopped", "kill": "killed"}[verb]
    await crash()
    results = [await getattr(found, f"{verb}_container")(web) for _ in range(2)]
    assert [getattr(each, ended) for each in results] == [True, False]
    await found.start_container(web)
    await crash()
    await getattr(found, f"{verb}_container")(web)
    await found.start_container(web)
    await crash()
    # Nothing of it is there, as after a reboot.
    host.reboot()
    results = [await getattr(found, f"{verb}_cell")(cell("hello")) for _ in range(2)]
    assert [getattr(each, ended) for each in results] == [True, False]


async def test_restart_ends_nothing_when_something_is_missing(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    host.kernel.files["/srv/data"] = ""
    volume = model.VolumeMount(source="/srv/data", target="/data")
    await found.create_cell(cell("hello", container("web", volumes=(volume,))))
    tasks = dict(host.containers.tasks)
    del host.kernel.files["/srv/data"]
    with pytest.raises(errors.VolumeSourceNotFound):
        await found.restart_cell(cell("hello"))
    assert host.containers.tasks == tasks


async def test_created_without_a_start_it_waits_for_one(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    before = host.traces()
    result = await found.create_cell(cell("hello"), no_start=True)
    assert (result.created, result.started, result.started_post) == (True, False, False)
    assert result.cell.status.state is model.CellState.STOPPED
    assert host.traces() == before
    await controller(host, tmp_path).reconcile()
    assert host.traces() == before
    started = await found.start_cell(cell("hello"))
    assert started.cell.status.state is model.CellState.READY
    again = await found.create_cell(cell("hello"), no_start=True)
    assert (again.created, again.started_post) == (False, True)


async def test_purge_of_a_whole_cell_is_a_deletion(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    before = host.traces()
    await found.create_cell(cell("hello"))
    result = await found.purge_cell(cell("hello"))
    assert result.purge_succeeded
    assert (result.containers_deleted, result.cgroup_deleted, result.metadata_deleted) == (True, True, True)
    assert set(result.deleted) == {"container:root", "container:web", "cgroup", "metadata"}
    assert result.purged == ()
    assert (host.traces(), await found.list_cells()) == (before, ())


@pytest.mark.parametrize("damage", ["lost document", "torn document", "lost directory"])
async def test_purge_needs_no_document(tmp_path: Path, damage: str) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    before = host.traces()
    await found.create_cell(cell("hello"))
    directory = tmp_path / "data/default/default/default/hello"
    match damage:
        case "lost document":
            (directory / "metadata.json").unlink()
        case "torn document":
            (directory / "metadata.json").write_text('{"apiVersion": "v1b')
        case _:
            directory.rename(tmp_path / "elsewhere")
    anew = controller(host, tmp_path)
    result = await anew.purge_cell(cell("hello"))
    assert result.purge_succeeded
    assert "orphaned-containers" in result.purged
    assert host.traces() == before
    assert not directory.exists()


async def test_purge_finds_records_that_carry_no_labels(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    for id in ("default_default_hello_old", "default_default_hello-2_web"):
        await host.containers.create(steps.CreateContainer(NAMESPACE, id, IMAGE, "", (), "", "{}", ""))
    result = await found.purge_cell(cell("hello"))
    assert result.purged == ("orphaned-containers",)
    assert set(host.containers.records) == {(NAMESPACE, "default_default_hello-2_web")}


async def test_purge_of_nothing_succeeds(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    result = await found.purge_cell(cell("never"))
    assert (result.purge_succeeded, result.deleted, result.purged, result.metadata_deleted) == (True, (), (), False)


@pytest.mark.parametrize("number", range(1, 9))
async def test_one_thing_that_refuses_does_not_keep_the_others(tmp_path: Path, number: int) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    before = host.traces()
    await found.create_cell(cell("hello"))
    with host.failing_at(number), contextlib.suppress(errors.HostError):
        await found.purge_cell(cell("hello"))
    # Either nothing of it is left, or it is still known and can be purged again.
    known = (await found.get_cell(cell("hello"))).metadata_exists
    assert known or host.traces() == before
    result = await found.purge_cell(cell("hello"))
    assert (result.purge_succeeded, host.traces()) == (True, before)


async def test_refresh_tells_and_does_nothing(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", container("web"), container("job")))
    host.faults.log.clear()
    quiet = await found.refresh_all()
    assert (quiet.realms_found, quiet.spaces_found) == (("default",), ("default/default",))
    assert (quiet.stacks_found, quiet.cells_found) == (("default/default/default",), (str(REF),))
    assert quiet.containers_found == (f"{REF}/web", f"{REF}/job")
    updated = (quiet.realms_updated, quiet.spaces_updated, quiet.stacks_updated, quiet.cells_updated)
    assert (updated, quiet.containers_updated, quiet.errors) == (((), (), (), ()), (), ())
    host.containers.end(NAMESPACE, WEB, 3)
    host.containers.end(NAMESPACE, ROOT, 137)
    told = await found.refresh_all()
    assert (told.cells_updated, told.containers_updated) == ((str(REF),), (f"{REF}/web",))
    assert host.faults.log == []
    assert (await found.get_cell(cell("hello"))).cell.status.state is model.CellState.DEGRADED


async def test_refresh_names_what_cannot_be_read(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    await found.create_cell(cell("other"))
    path = tmp_path / "data/default/default/default/hello/metadata.json"
    path.write_text("{")
    result = await controller(host, tmp_path).refresh_all()
    assert result.cells_found == ("default/default/default/other",)
    assert len(result.errors) == 1
    assert str(path) in result.errors[0]
    assert path.read_text() == "{"


async def test_the_runner_tells_what_a_look_changed(tmp_path: Path) -> None:
    host = FakeHost()
    runner = (await prepared(host, tmp_path)).runner
    await runner.cells.create(cell("hello"))
    doc = await runner.get_cell(cell("hello"))
    assert await runner.reconcile_cell(doc) == (doc, ReconcileOutcome())
    host.containers.end(NAMESPACE, WEB, 0)
    after, outcome = await runner.reconcile_cell(doc)
    assert outcome == ReconcileOutcome(updated=True)
    assert after.status.state is model.CellState.EXITED
    assert await runner.refresh_cell(doc) == (after, 0)


async def test_a_look_at_everything_spares_what_did_not_change(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    for name in ("one", "two"):
        await found.create_cell(cell(name))
    stamps = {each.metadata.name: each.status.updated_at for each in await found.list_cells()}
    host.containers.end(NAMESPACE, "default_default_two_web", 1)
    await found.reconcile()
    after = {each.metadata.name: each.status for each in await found.list_cells()}
    assert after["one"].updated_at == stamps["one"]
    assert after["two"].state is model.CellState.ERROR


async def test_only_labels_are_stored_by_an_update_of_metadata(tmp_path: Path) -> None:
    host = FakeHost()
    runner = (await prepared(host, tmp_path)).runner
    await runner.cells.create(cell("hello"))
    host.faults.log.clear()
    stored = await runner.get_cell(cell("hello"))
    labelled = msgspec.structs.replace(stored, metadata=model.Metadata(name="hello", labels={"tier": "front"}))
    after = await runner.update_cell_metadata(labelled)
    assert after.metadata.labels["tier"] == "front"
    assert after.metadata.labels.items() >= stored.metadata.labels.items()
    assert (after.spec, host.faults.log) == (stored.spec, [])


async def test_an_empty_cell_runs_its_root_container(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    bare = cell("hello")
    empty = msgspec.structs.replace(bare, spec=msgspec.structs.replace(bare.spec, containers=()))
    result = await found.create_cell(empty)
    assert (result.created, result.started, result.root_container_created, result.containers) == (True, True, True, ())
    assert result.cell.status.state is model.CellState.READY
    assert {id for _, id in host.containers.tasks} == {ROOT}
    (again,) = (await found.apply_documents(manifest.dump(result.cell).encode())).resources
    assert again.action is model.ApplyAction.UNCHANGED
    await found.reconcile()
    assert {id for _, id in host.containers.tasks} == {ROOT}


async def test_the_outermost_parent_that_is_missing_is_named(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    place = model.StackSpec(realm_id="other", space_id="other")
    with pytest.raises(errors.RealmNotFound):
        await found.create_stack(model.StackDoc(metadata=model.Metadata(name="app"), spec=place))


async def test_ending_a_failed_cell_does_not_hide_why_it_failed(tmp_path: Path) -> None:
    host = FakeHost()
    host.containers.broken.add(WEB)
    found = await prepared(host, tmp_path)
    with pytest.raises(errors.StartContainer):
        await found.create_cell(cell("hello"))
    for result in (await found.kill_cell(cell("hello")), await found.stop_cell(cell("hello"))):
        status = result.cell.status
        assert (status.state, status.reason) == (model.CellState.FAILED, "CreateCellFailed")
        assert status.desired is model.DesiredState.STOPPED


async def test_what_is_wrong_is_said_once(tmp_path: Path) -> None:
    host = FakeHost()
    await prepared(host, tmp_path)
    (tmp_path / "data/Wrong Name").mkdir()
    found = controller(host, tmp_path)
    assert len((await found.refresh_all()).errors) == 1
    assert len((await found.ping()).unreadable) == 1


async def test_what_kukeond_and_containerd_lie_on_is_told_and_what_is_damaged(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    answer = await found.ping()
    assert [(each.name, each.total_bytes) for each in answer.storage] == [("run path", 10**9), ("containerd", 10**9)]
    assert (answer.storage[0].path, answer.snapshotter, answer.damaged) == (str(tmp_path), "overlayfs", ())
    (tmp_path / "data/default/default/network.json").write_text("{")
    (damage,) = (await found.ping()).damaged
    assert "default/default/network.json" in damage.message
    assert "kuke create space default" in damage.hint
