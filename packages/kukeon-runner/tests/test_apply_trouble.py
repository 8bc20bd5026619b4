"""Apply that is refused or fails half-way: said with its reason, and what it does not concern runs on."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from applying import CELL, REF, UNCHANGED, alive, apply, replaced, results, running, single, space, status

from kukeon_api import errors, model
from kukeon_runner.testing.cells import IMAGE, NAMESPACE, cell, container, controller
from kukeon_runner.testing.host import FakeHost


async def test_labels_of_kukeons_own_cannot_be_written(tmp_path: Path) -> None:
    found = await running(FakeHost(), tmp_path)
    claiming = replaced(CELL, metadata=model.Metadata(name="hello", labels={"cell.kukeon.io": "other"}))
    assert await apply(found, claiming) == [UNCHANGED]
    assert found.runner.cells.get(REF).metadata.labels["cell.kukeon.io"] == "hello"


async def test_missing_parents_are_told_by_the_first_that_needs_them(tmp_path: Path) -> None:
    host = FakeHost()
    found = controller(host, tmp_path)
    host.images.add(NAMESPACE, IMAGE)
    told = await apply(found, *(cell(f"c{number}") for number in range(5)))
    parents = ('realm "default" created', 'space "default" created', 'stack "default" created')
    assert told == [("created", parents), *[("created", ())] * 4]


@pytest.mark.parametrize(
    ("doc", "field"),
    [
        (
            model.RealmDoc(metadata=model.Metadata(name="default"), spec=model.RealmSpec(namespace="other")),
            "spec.namespace",
        ),
        (
            model.SpaceDoc(
                metadata=model.Metadata(name="default"),
                spec=model.SpaceSpec(realm_id="default", cni_config_path="/etc/x.conflist"),
            ),
            "spec.cniConfigPath",
        ),
    ],
)
async def test_what_breaks_is_refused_with_its_field(doc: model.Doc, field: str, tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    (result,) = await results(found, doc)
    assert (result.action, result.details["kind"]) == ("failed", "BreakingChange")
    assert field in result.error
    assert result.details["hint"]
    assert host.faults.log == []


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize(
    ("new", "kind"),
    [
        (container("new", image="docker.io/library/none:1"), "ImageNotFound"),
        (container("new", volumes=(model.VolumeMount(source="/nowhere", target="/data"),)), "VolumeSourceNotFound"),
    ],
)
async def test_what_is_missing_is_found_before_a_running_cell_is_touched(
    new: model.ContainerSpec, kind: str, down: bool, tmp_path: Path
) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    if down:
        # What is stored says that it is not well; what runs is what counts.
        host.containers.end(NAMESPACE, "default_default_hello_db", 1)
        await found.reconcile()
        host.faults.log.clear()
    before = found.runner.cells.get(REF)
    (result,) = await results(found, cell("hello", container("web", env=("A=2",)), container("db"), new))
    assert (result.action, result.details["kind"]) == ("failed", kind)
    assert host.faults.log == []
    assert found.runner.cells.get(REF) == before


async def test_a_container_that_cannot_start_keeps_the_others_running(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    host.containers.broken.add("default_default_hello_db")
    wide = cell("hello", container("web", env=("A=2",)), container("db", env=("B=1",)), container("new"))
    ((action, (error,)),) = await apply(found, wide)
    assert (action, "no program" in error) == ("failed", True)
    assert alive(host) == {"web", "new", "root"}
    broken = next(each for each in status(found).containers if each.name == "db")
    assert (broken.reason, "no program" in broken.message) == ("StartContainerFailed", True)
    assert status(found).state is model.CellState.DEGRADED
    await found.refresh_all()
    await found.reconcile()
    assert status(found).state is model.CellState.DEGRADED
    host.containers.broken.clear()
    assert await apply(found, wide) == [("updated", ('container "db" started',))]
    assert await apply(found, wide) == [UNCHANGED]
    assert next(each for each in status(found).containers if each.name == "db").reason == ""


async def test_a_cell_whose_only_container_cannot_start_any_more_has_failed_and_says_why(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path, cell("hello", container("web")))
    host.containers.broken.add("default_default_hello_web")
    changed = cell("hello", container("web", env=("A=2",)))
    ((action, _),) = await apply(found, changed)
    assert action == "failed"
    for _ in range(2):
        told = status(found)
        assert (told.state, told.reason) == (model.CellState.FAILED, "StartContainerFailed")
        assert "no program" in told.message
        await found.reconcile()
        await found.refresh_all()
    host.containers.broken.clear()
    assert (await apply(found, changed))[0][0] == "updated"
    assert (status(found).state, status(found).reason) == (model.CellState.READY, "")
    assert await apply(found, changed) == [UNCHANGED]


async def test_a_change_that_fails_as_all_have_ended_is_over(tmp_path: Path) -> None:
    """Nobody goes on with it: what could be started runs on, and the rest is told."""
    host = FakeHost()
    found = await running(host, tmp_path)
    for name in ("web", "db"):
        host.containers.end(NAMESPACE, f"default_default_hello_{name}", 0)
    host.containers.broken.add("default_default_hello_web")
    changed = cell("hello", container("web", env=("A=2",)), container("db"))
    (result,) = await results(found, changed)
    assert result.action == "failed"
    for _ in range(2):
        assert status(found).state is model.CellState.DEGRADED
        assert alive(host) == {"db", "root"}
        await found.reconcile()


async def test_a_seccomp_profile_that_cannot_be_read_is_told_as_one(tmp_path: Path) -> None:
    found = await running(FakeHost(), tmp_path)
    (result,) = await results(found, cell("other", container("web", security_opts=("seccomp=/nope.json",))))
    assert "seccomp profile of container 'web': cannot read '/nope.json'" in result.error
    assert "securityOpts" in result.details["hint"]


async def test_a_failure_anywhere_in_a_change_keeps_what_it_does_not_concern(tmp_path: Path) -> None:
    changed = cell("hello", container("web", env=("A=2",)), container("db"))
    for number in range(1, 40):
        host = FakeHost()
        found = await running(host, tmp_path / str(number))
        with host.failing_at(number):
            ((action, _),) = await apply(found, changed)
        assert {"db", "root"} <= alive(host), number
        assert (await apply(found, changed))[0][0] in ("updated", "unchanged")
        assert alive(host) == {"web", "db", "root"}
        assert await apply(found, changed) == [UNCHANGED]
        if action != "failed":
            assert number > 3
            return
    pytest.fail("it never got through")


def spoil(path: str) -> None:
    Path(path).write_text("{")


def content(path: str) -> str:
    return Path(path).read_text()


async def test_a_damaged_document_is_told_with_its_path_and_not_overwritten(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path, CELL, cell("other"))
    path = found.runner.context.layout.metadata(REF)
    spoil(path)
    fresh = controller(host, tmp_path)
    hello, other, single_one = await results(fresh, CELL, cell("other"), single("web"), prune="app=web")
    assert (hello.action, hello.details["kind"], path in hello.error) == ("failed", "CorruptMetadata", True)
    assert (single_one.action, single_one.details["kind"]) == ("failed", "CorruptMetadata")
    assert other.action == "unchanged"
    assert content(path) == "{"
    assert alive(host) >= {"web", "db", "root"}


async def test_a_full_disk_is_told_and_the_cell_runs_on_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    before = found.runner.cells.get(REF)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    changed = cell("hello", container("web", env=("A=2",)), container("db"))
    with monkeypatch.context() as patch:
        patch.setattr("kukeon_runner.durable.replace", full)
        (result,) = await results(found, changed)
    assert (result.action, "no space left" in result.error.lower()) == ("failed", True), result
    assert host.faults.log == []
    assert found.runner.cells.get(REF) == before
    assert (await results(found, changed))[0].action == "updated"


async def test_two_problems_of_a_request_are_told_before_anything_is_done(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    with pytest.raises(errors.InvalidManifest) as caught:
        await results(found, space("new"), "kind: Cell\nmetadata: {name: a}\nspec: {realmId: R}\n")
    assert len(caught.value.problems) > 1
    assert host.faults.log == []
