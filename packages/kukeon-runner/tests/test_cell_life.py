"""The life of a cell on a host in memory: every verb, every interruption, and nothing left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner.testing.cells import IMAGE, NAMESPACE, cell, container, controller, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

WEB = "default_default_hello_web"
ROOT = "default_default_hello_root"


async def test_created_cell_runs_with_its_address_and_states(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    result = await found.create_cell(cell("hello"))
    assert (result.created, result.started, result.root_container_created) == (True, True, True)
    status = result.cell.status
    assert status.state is model.CellState.READY
    assert status.network == model.CellNetworkStatus(
        bridge_name=status.network.bridge_name if status.network else "", address="10.88.0.2/24", gateway="10.88.0.1"
    )
    assert [each.state for each in status.containers] == [model.ContainerState.READY]
    hosts = host.kernel.files[f"{tmp_path}/data/default/default/default/hello/.etc-hosts"]
    assert "10.88.0.2\thello\n" in hosts


async def test_creating_again_changes_nothing(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    host.faults.log.clear()
    again = await found.create_cell(cell("hello"))
    assert (again.created, again.started, again.started_pre, again.metadata_exists_pre) == (False, False, True, True)
    assert host.faults.log == []


async def test_the_root_container_starts_before_workloads_and_stops_after_them(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", container("a"), container("b")))
    log = host.faults.log
    starts = [entry for entry in log if entry.startswith("start task")]
    assert starts[0] == f"start task {ROOT}"
    assert log.index("attach " + ROOT) < log.index("start task default_default_hello_a")
    log.clear()
    await found.stop_cell(cell("hello"))
    stops = [entry.split()[2] for entry in log if entry.startswith("stop task")]
    assert set(stops[:2]) == {"default_default_hello_a", "default_default_hello_b"}
    assert stops[2] == ROOT
    assert log.index("detach " + ROOT) < log.index(f"stop task {ROOT} SIGTERM")


async def test_stop_keeps_records_and_start_uses_them_again(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    stopped = await found.stop_cell(cell("hello"))
    assert stopped.cell.status.state is model.CellState.STOPPED
    assert stopped.cell.status.containers[0].exit_code == 0
    assert set(host.containers.records) == {(NAMESPACE, WEB), (NAMESPACE, ROOT)}
    assert (host.kernel.pins, host.kernel.shms, host.network.addresses) == ({}, set(), {})
    host.faults.log.clear()
    started = await found.start_cell(cell("hello"))
    assert started.cell.status.state is model.CellState.READY
    assert not [entry for entry in host.faults.log if entry.startswith(("create default", "delete default"))]


async def test_a_stop_uses_the_signal_that_the_image_asks_for_also_when_that_is_gone(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    host.images.add(NAMESPACE, "docker.io/library/quits:1", stop_signal="SIGQUIT")
    await found.create_cell(cell("hello", container("web", image="docker.io/library/quits:1"), container("side")))
    await host.images.delete(NAMESPACE, "docker.io/library/quits:1")
    host.faults.log.clear()
    await found.stop_cell(cell("hello"))
    stops = {entry for entry in host.faults.log if entry.startswith("stop task")}
    assert stops == {
        f"stop task {WEB} SIGQUIT",
        "stop task default_default_hello_side SIGTERM",
        f"stop task {ROOT} SIGTERM",
    }


async def test_killed_tasks_stay_visible(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    killed = await found.kill_cell(cell("hello"))
    assert killed.cell.status.state is model.CellState.STOPPED
    status = killed.cell.status.containers[0]
    assert (status.exit_code, status.exit_signal) == (137, "SIGKILL")
    assert (NAMESPACE, WEB) in host.containers.tasks
    assert (await found.start_cell(cell("hello"))).cell.status.state is model.CellState.READY


async def test_delete_leaves_no_trace(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    before = host.traces()
    await found.create_cell(cell("hello", container("a"), container("b")))
    result = await found.delete_cell(cell("hello"))
    assert (result.containers_deleted, result.cgroup_deleted, result.metadata_deleted) == (True, True, True)
    assert host.traces() == before
    assert not (tmp_path / "data/default/default/default/hello").exists()
    with pytest.raises(errors.CellNotFound):
        await found.delete_cell(cell("hello"))


async def test_missing_image_fails_the_cell_with_the_reason_until_it_is_loaded(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    before = host.traces()
    text = manifest.dump([cell("hello", container("web", image="docker.io/library/missing:latest"))])
    (result,) = (await found.apply_documents(text.encode())).resources
    assert result.action is model.ApplyAction.FAILED
    assert result.details["kind"] == "ImageNotFound"
    assert "kuke image load" in result.details["hint"]
    status = (await found.get_cell(cell("hello"))).cell.status
    assert (status.state, status.reason) == (model.CellState.FAILED, "CreateCellFailed")
    assert "missing:latest" in status.message
    assert host.traces() == before
    host.images.add(NAMESPACE, "docker.io/library/missing:latest")
    (result,) = (await found.apply_documents(text.encode())).resources
    assert result.action is model.ApplyAction.UPDATED
    status = (await found.get_cell(cell("hello"))).cell.status
    assert (status.state, status.reason, status.message) == (model.CellState.READY, "", "")


async def test_a_running_cell_survives_an_update_to_an_image_that_is_missing(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    before = host.traces()
    text = manifest.dump([cell("hello", container("web", image="docker.io/library/missing:latest"))])
    (result,) = (await found.apply_documents(text.encode())).resources
    assert result.action is model.ApplyAction.FAILED
    assert host.traces() == before
    after = (await found.get_cell(cell("hello"))).cell
    assert (after.status.state, after.spec.containers[0].image) == (model.CellState.READY, IMAGE)


async def test_apply_says_what_it_changed_and_then_nothing(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)

    async def apply(doc: model.CellDoc) -> model.ApplyResourceResult:
        return (await found.apply_documents(manifest.dump([doc]).encode())).resources[0]

    assert (await apply(cell("hello"))).action is model.ApplyAction.CREATED
    assert (await apply(cell("hello"))).action is model.ApplyAction.UNCHANGED
    changed = await apply(cell("hello", container("web", env=("A=1",)), container("new")))
    assert changed.action is model.ApplyAction.UPDATED
    assert changed.changes == ('container "new" added', 'container "web" updated: env')
    removed = await apply(cell("hello", container("web", env=("A=1",))))
    assert removed.changes == ('container "new" removed',)
    assert {id for _, id in host.containers.records} == {ROOT, WEB}
    host.containers.end(NAMESPACE, WEB, 1)
    restarted = await apply(cell("hello", container("web", env=("A=1",))))
    assert restarted.changes == ('container "web" started',)
    assert (await apply(cell("hello", container("web", env=("A=1",))))).action is model.ApplyAction.UNCHANGED


async def test_what_get_prints_can_be_applied_unchanged(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", team="a"))
    got = (await found.get_cell(cell("hello"))).cell
    (result,) = (await found.apply_documents(manifest.dump([got]).encode())).resources
    assert (result.action, result.changes) == (model.ApplyAction.UNCHANGED, ())


async def test_space_defaults_fill_in_what_containers_leave_out(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.apply_documents(
        b"kind: Space\nmetadata: {name: strict}\nspec:\n  realmId: default\n  defaults:\n    container:\n"
        b"      readOnlyRootFilesystem: true\n"
        b"---\nkind: Cell\nmetadata: {name: c}\nspec:\n  realmId: default\n  spaceId: strict\n  stackId: s\n"
        b"  containers:\n  - {id: a, image: web:1}\n  - {id: b, image: web:1, readOnlyRootFilesystem: false}\n"
    )
    (doc,) = await found.list_cells("default", "strict")
    assert [each.read_only_root_filesystem for each in doc.spec.containers] == [True, False]


@pytest.mark.parametrize("verb", ["create", "start", "stop", "delete"])
async def test_failing_anywhere_leaks_nothing_and_can_be_repeated(tmp_path: Path, verb: str) -> None:
    doc = cell("hello", container("a"), container("b"))
    for number in range(1, 60):
        host = FakeHost()
        found = await prepared(host, tmp_path / f"{verb}-{number}")
        clean = host.traces()
        if verb != "create":
            await found.create_cell(doc)
        if verb == "start":
            await found.stop_cell(doc)
        with host.failing_at(number):
            try:
                await getattr(found, f"{verb}_cell")(doc)
            except errors.HostError:
                failed = True
            else:
                failed = False
        # A daemon that starts afresh must cope with whatever that left.
        fresh = controller(host, tmp_path / f"{verb}-{number}")
        if verb != "delete":
            started = await fresh.start_cell(doc)
            assert started.cell.status.state is model.CellState.READY, number
        if fresh.runner.cells.find(model.ref_of(doc)) is not None:
            await fresh.delete_cell(doc)
        assert host.traces() == clean, number
        if not failed:
            return
    pytest.fail("the verb never got through")


async def test_a_container_that_cannot_start_takes_its_siblings_down_and_says_why(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    host.containers.broken.add("default_default_hello_b")
    with pytest.raises(errors.HostError, match="there is no program"):
        await found.create_cell(cell("hello", container("a"), container("b")))
    status = (await found.get_cell(cell("hello"))).cell.status
    assert (status.state, status.reason) == (model.CellState.FAILED, "CreateCellFailed")
    assert not host.containers.tasks
    assert not host.kernel.pins


async def test_workload_that_fails_is_an_error_with_its_code(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", container("a"), container("b")))
    host.containers.end(NAMESPACE, "default_default_hello_a", 3)
    await found.reconcile()
    assert (await found.list_cells())[0].status.state is model.CellState.DEGRADED
    host.containers.end(NAMESPACE, "default_default_hello_b", 0)
    await found.reconcile()
    status = (await found.list_cells())[0].status
    assert (status.state, status.reason) == (model.CellState.ERROR, "WorkloadFailed")
    assert "'a' exited with code 3" in status.message


async def test_single_containers_start_and_stop_alone(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", container("a"), container("b")))
    spec = container("a", realm_id="default", space_id="default", stack_id="default", cell_id="hello")
    doc = model.ContainerDoc(metadata=model.Metadata(name="a"), spec=spec)
    assert (await found.stop_container(doc)).stopped
    assert {id for _, id in host.containers.tasks} == {ROOT, "default_default_hello_b"}
    assert (await found.start_container(doc)).container.status.state is model.ContainerState.READY  # type: ignore[union-attr]
    root = msgspec.structs.replace(doc, metadata=model.Metadata(name="root"))
    with pytest.raises(errors.RootContainerRefused):
        await found.stop_container(root)
    missing = msgspec.structs.replace(doc, metadata=model.Metadata(name="zzz"))
    with pytest.raises(errors.ContainerNotFound):
        await found.stop_container(missing)


async def test_a_parent_with_children_is_deleted_only_with_cascade(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    realm = model.RealmDoc(metadata=model.Metadata(name="default"))
    with pytest.raises(errors.ResourceHasDependencies, match="1 space inside"):
        await found.delete_realm(realm, False, False)
    result = await found.delete_realm(realm, False, True)
    assert result.deleted == ("space:default", "cgroup", "namespace", "metadata")
    assert (host.containers.labels, host.network.bridges, host.network.firewall) == ({}, {}, ())
    assert not (tmp_path / "data/default").exists()


async def test_a_volume_that_is_not_there_is_named_before_anything_is_made(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    before = host.traces()
    volume = model.VolumeMount(source="/srv/missing", target="/data")
    with pytest.raises(errors.CreateCell, match="'/srv/missing' in container 'web'"):
        await found.create_cell(cell("hello", container("web", volumes=(volume,))))
    assert host.traces() == before
    host.kernel.files["/srv/missing"] = ""
    assert (await found.start_cell(cell("hello"))).started


async def test_an_existing_container_needs_its_image_no_more(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    await found.stop_cell(cell("hello"))
    await host.images.delete(NAMESPACE, IMAGE)
    started = await found.start_cell(cell("hello"))
    assert started.cell.status.state is model.CellState.READY
    text = manifest.dump([cell("hello", container("web"), container("new"))])
    (result,) = (await found.apply_documents(text.encode())).resources
    assert result.details["kind"] == "ImageNotFound"


async def test_what_a_running_cell_owes_its_workloads_is_repaired_around_them(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    pid = host.containers.tasks[NAMESPACE, WEB].pid
    host.containers.end(NAMESPACE, ROOT, 137)
    host.network.residue.add(ROOT)
    del host.network.addresses[ROOT]
    await found.reconcile()
    assert host.containers.tasks[NAMESPACE, ROOT].status == "running"
    assert ROOT in host.network.addresses
    assert host.containers.tasks[NAMESPACE, WEB].pid == pid
    host.faults.log.clear()
    await found.reconcile()
    assert not [entry for entry in host.faults.log if "default_default_hello" in entry]


async def test_a_repair_that_fails_leaves_the_workloads_alone(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    host.containers.end(NAMESPACE, ROOT, 137)
    host.containers.broken.add(ROOT)
    await found.reconcile()
    (doc,) = await found.list_cells()
    assert doc.status.state is model.CellState.READY
    assert host.containers.tasks[NAMESPACE, WEB].status == "running"


async def test_a_lost_shim_is_an_error_with_its_own_reason(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))
    host.containers.tasks.clear()
    await found.reconcile()
    (doc,) = await found.list_cells()
    (status,) = doc.status.containers
    assert (status.state, status.reason, status.exit_code) == (model.ContainerState.ERROR, "ShimLost", None)
    assert doc.status.state is model.CellState.ERROR
    assert "'web' was lost" in doc.status.message
    await found.reconcile()
    assert (await found.list_cells())[0].status.containers[0].reason == "ShimLost"
    assert (await found.start_cell(cell("hello"))).cell.status.containers[0].reason == ""


async def test_a_disk_that_takes_no_documents_keeps_nobody_from_stopping(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello"))

    def full(*_: object) -> None:
        raise errors.HostError("no space left on device")

    found.runner.context.store.save = full  # type: ignore[method-assign,assignment]
    with pytest.raises(errors.HostError, match="no space left"):
        await found.stop_cell(cell("hello"))
    assert not host.containers.tasks
    assert not host.kernel.pins


async def test_a_container_that_an_operator_killed_is_stopped(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", container("a"), container("b")))
    spec = container("a", realm_id="default", space_id="default", stack_id="default", cell_id="hello")
    doc = model.ContainerDoc(metadata=model.Metadata(name="a"), spec=spec)
    killed = (await found.kill_container(doc)).container.status
    assert killed is not None
    assert (killed.state, killed.exit_code) == (model.ContainerState.STOPPED, 137)
    await found.reconcile()
    assert (await found.list_cells())[0].status.state is model.CellState.READY


async def test_parents_made_on_the_way_are_told(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    (result,) = (
        await found.apply_documents(b"kind: Stack\nmetadata: {name: t}\nspec: {realmId: nope, spaceId: s}\n")
    ).resources
    assert (result.action, result.changes) == (
        model.ApplyAction.CREATED,
        ('realm "nope" created', 'space "s" created'),
    )
