"""A root container of the user's own: another one means that the whole cell is made anew."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner.testing.cells import cell, container, prepared
from kukeon_runner.testing.host import Failure, FakeHost

if TYPE_CHECKING:
    from pathlib import Path

    from kukeon_runner.controller import Controller

REF = model.Ref("default", "default", "default", "hello")
IDS = ("root", "db")
ROOTED = cell("hello", container("web", root=True), container("db"), team="a")
CHANGED = cell("hello", container("web", root=True, env=("A=2",)), container("db"), team="a")
PLAIN = cell("hello", container("web"), container("db"), team="a")


async def results(found: Controller, *docs: model.Doc) -> list[model.ApplyResourceResult]:
    text = "---\n".join(manifest.dump(each) for each in docs)
    return list((await found.apply_documents(text.encode())).resources)


async def running(host: FakeHost, run_path: Path, doc: model.CellDoc = ROOTED) -> Controller:
    found = await prepared(host, run_path)
    (result,) = await results(found, doc)
    assert result.action == "created"
    host.faults.log.clear()
    return found


def alive(host: FakeHost) -> set[str]:
    return {id.rpartition("_")[2] for (_, id), task in host.containers.tasks.items() if task.status == "running"}


def spec(found: Controller, name: str) -> Any:
    return next(each for each in found.runner.cells.get(REF).spec.containers if each.id == name)


@pytest.mark.parametrize("stopped", [False, True])
async def test_a_changed_root_makes_all_anew_and_starts_it(stopped: bool, tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    if stopped:
        await found.stop_cell(ROOTED)
        host.faults.log.clear()
    before = found.runner.cells.get(REF)
    (result,) = await results(found, CHANGED)
    assert (result.action, result.changes) == (
        "recreated",
        ("root container recreated", 'container "web" updated: env'),
    )
    assert result.details == {"spec.containers[web].env": '[] -> ["A=2"]'}
    for id in IDS:
        assert f"delete default_default_hello_{id}" in host.faults.log
        assert f"create default_default_hello_{id}" in host.faults.log
    assert alive(host) == set(IDS)
    after = found.runner.cells.get(REF)
    assert after.status.created_at == before.status.created_at
    assert after.metadata.labels == before.metadata.labels
    assert after.metadata.generation == before.metadata.generation + 1
    assert (after.status.state, after.status.desired) == (model.CellState.READY, model.DesiredState.RUNNING)
    assert not [line for line in host.faults.log if line.startswith("remove cgroup")]
    assert [each.action for each in await results(found, CHANGED)] == ["unchanged"]


async def test_a_root_of_its_own_takes_the_place_of_kukeons(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path, PLAIN)
    assert alive(host) == {"web", "db", "root"}
    (result,) = await results(found, ROOTED)
    assert (result.action, result.changes[0]) == ("recreated", "root container recreated")
    assert set(result.changes[1:]) == {"spec.rootContainerId", 'container "web" updated: root'}
    assert alive(host) == {"root", "db"}


async def test_another_container_becomes_the_root(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    (result,) = await results(found, cell("hello", container("web"), container("db", root=True), team="a"))
    assert result.action == "recreated"
    assert alive(host) == {"root", "web"}


async def test_a_root_of_its_own_cannot_be_taken_away(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    before = found.runner.cells.get(REF)
    for doc in (PLAIN, cell("hello", container("db"))):
        (result,) = await results(found, doc)
        assert (result.action, result.details["kind"]) == ("failed", "BreakingChange")
        assert "spec.rootContainerId" in result.error
        assert "'web'" in result.error
        assert result.details["hint"]
    assert host.faults.log == []
    assert found.runner.cells.get(REF) == before


async def test_labels_of_the_root_and_other_containers_do_not_concern_it(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    other = cell("hello", container("web", root=True, labels={"x": "y"}), container("db", env=("B=1",)), team="a")
    (result,) = await results(found, other)
    assert result.action == "updated"
    assert not [line for line in host.faults.log if "hello_root" in line]


async def test_a_container_document_can_be_about_the_root(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}

    def single(id: str, **fields: object) -> model.ContainerDoc:
        return model.ContainerDoc(metadata=model.Metadata(name=id), spec=container(id, **place | fields))

    # It says nothing of being the root: the cell says that.
    assert [each.action for each in await results(found, single("web"))] == ["unchanged"]
    assert [each.action for each in await results(found, single("web", env=("A=2",)))] == ["recreated"]
    assert spec(found, "web").root is True
    (result,) = await results(found, single("new", root=True))
    assert (result.action, result.details["kind"]) == ("failed", "MultipleRootContainers")
    assert alive(host) == set(IDS)


async def test_a_root_that_has_a_document_of_its_own_is_left_to_it(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}
    web = model.ContainerDoc(metadata=model.Metadata(name="web"), spec=container("web", root=True, **place))
    told = await results(found, cell("hello", container("db"), team="a"), web)
    assert [each.action for each in told] == ["updated", "unchanged"]
    assert told[0].changes == ("containers reordered",)
    assert not [line for line in host.faults.log if not line.startswith("write")]


@pytest.mark.parametrize(
    ("new", "kind"),
    [
        (container("db", image="docker.io/library/none:1"), "ImageNotFound"),
        (container("db", volumes=(model.VolumeMount(source="/nowhere", target="/data"),)), "VolumeSourceNotFound"),
    ],
)
async def test_what_is_missing_is_found_before_anything_is_touched(
    new: model.ContainerSpec, kind: str, tmp_path: Path
) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    before = found.runner.cells.get(REF)
    (result,) = await results(found, cell("hello", CHANGED.spec.containers[0], new))
    assert (result.action, result.details["kind"]) == ("failed", kind)
    assert host.faults.log == []
    assert found.runner.cells.get(REF) == before


async def test_an_image_that_is_gone_is_missed_although_its_containers_exist(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    host.images.present.clear()
    (result,) = await results(found, CHANGED)
    assert (result.action, result.details["kind"]) == ("failed", "ImageNotFound")
    assert alive(host) == set(IDS)


@pytest.mark.parametrize("failure", [Failure.REFUSED, Failure.LATE])
async def test_a_failure_anywhere_can_be_repeated(failure: Failure, tmp_path: Path) -> None:
    for number in range(1, 60):
        host = FakeHost()
        found = await running(host, tmp_path / str(number))
        with host.failing_at(number, failure):
            (result,) = await results(found, CHANGED)
        (again,) = await results(found, CHANGED)
        assert again.action != "failed", (number, again)
        assert alive(host) == set(IDS)
        assert spec(found, "web").env == ("A=2",)
        assert [each.action for each in await results(found, CHANGED)] == ["unchanged"]
        assert {id for _, id in host.containers.records} == {f"default_default_hello_{id}" for id in IDS}
        if result.action == "recreated":
            assert number > 10
            return
    pytest.fail("it never got through")


async def test_the_runner_changes_in_place_or_anew_as_it_is_told(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    with pytest.raises(errors.BreakingChange):
        await found.runner.update_cell(CHANGED)
    assert host.faults.log == []
    made = await found.runner.recreate_cell(CHANGED)
    assert (made.status.state, made.spec.containers[0].env) == (model.CellState.READY, ("A=2",))
    stale = msgspec.structs.replace(ROOTED, metadata=model.Metadata(name="hello", generation=1))
    with pytest.raises(errors.StaleResource):
        await found.runner.recreate_cell(stale)
    with pytest.raises(errors.CellNotFound):
        await found.runner.recreate_cell(cell("none"))
