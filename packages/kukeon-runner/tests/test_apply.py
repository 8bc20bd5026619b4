"""Apply: what each document says it took, what is touched for that, and what is left alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from applying import CELL, REF, UNCHANGED, alive, apply, replaced, results, running, single, space, status

from kukeon_api import manifest, model
from kukeon_runner.testing.cells import IMAGE, NAMESPACE, cell, container, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

    from kukeon_runner.controller import Controller


async def test_a_change_tells_its_fields_with_both_values_and_touches_its_container_only(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    (result,) = await results(found, cell("hello", container("web", env=("A=2",)), container("db")))
    assert (result.action, result.changes) == ("updated", ('container "web" updated: env',))
    assert result.details == {"spec.containers[web].env": '["A=1"] -> ["A=2"]'}
    assert not [line for line in host.faults.log if "_db" in line or "_root" in line]
    assert alive(host) == {"web", "db", "root"}


async def test_labels_touch_no_process(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    labelled = cell("hello", *CELL.spec.containers, app="web")
    assert await apply(found, labelled) == [("updated", ("metadata.labels",))]
    inside = replaced(
        labelled,
        spec=replaced(
            CELL.spec, containers=(replaced(CELL.spec.containers[0], labels={"tier": "front"}), container("db"))
        ),
    )
    (result,) = await results(found, inside)
    assert result.changes == ('container "web" updated: labels.tier',)
    assert await apply(found, inside) == [UNCHANGED]
    assert host.faults.log == []


async def test_the_order_of_containers_is_a_change_that_touches_no_process(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    turned = cell("hello", *reversed(CELL.spec.containers))
    assert await apply(found, turned) == [("updated", ("containers reordered",))]
    assert await apply(found, turned) == [UNCHANGED]
    assert host.faults.log == []


async def test_added_containers_start_and_those_left_out_go(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    told = await apply(found, cell("hello", CELL.spec.containers[0], container("new")))
    assert told == [("updated", ('container "new" added', 'container "db" removed'))]
    assert alive(host) == {"web", "new", "root"}
    assert {id for _, id in host.containers.records} == {f"default_default_hello_{id}" for id in ("web", "new", "root")}


@pytest.mark.parametrize("verb", ["stop_cell", "kill_cell"])
async def test_a_cell_that_is_down_is_started_again_and_says_so(verb: str, tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    await getattr(found, verb)(CELL)
    assert await apply(found, CELL) == [("updated", ('container "web" started', 'container "db" started'))]
    assert status(found).state is model.CellState.READY
    assert await apply(found, CELL) == [UNCHANGED]


async def test_what_has_to_run_in_other_namespaces_is_restarted_and_says_so(tmp_path: Path) -> None:
    host = FakeHost()
    found = await running(host, tmp_path)
    host.kernel.pins.clear()
    assert await apply(found, CELL) == [("updated", ('container "web" restarted', 'container "db" restarted'))]
    assert await apply(found, CELL) == [UNCHANGED]


async def test_a_failed_cell_is_tried_again(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    host.containers.broken.add("default_default_hello_web")
    assert (await apply(found, CELL))[0][0] == "failed"
    assert status(found).state is model.CellState.FAILED
    assert (await apply(found, CELL))[0][0] == "failed"
    host.containers.broken.clear()
    assert (await apply(found, CELL))[0][0] == "updated"
    assert (status(found).state, status(found).reason) == (model.CellState.READY, "")


class TestReapply:
    """Whatever is there, applying it again is `unchanged` and touches nothing."""

    async def test_with_defaults_of_the_space(self, tmp_path: Path) -> None:
        host = FakeHost()
        docs = (space(user="1000", read_only_root_filesystem=True), CELL)
        found = await running(host, tmp_path, *docs)
        assert await apply(found, *docs) == [UNCHANGED] * 2
        assert host.faults.log == []

    async def test_of_what_get_prints(self, tmp_path: Path) -> None:
        host = FakeHost()
        found = await running(host, tmp_path, space(user="1000"), CELL)
        realm = await found.get_realm(model.RealmDoc(metadata=model.Metadata(name="default")))
        stack = model.StackDoc(
            metadata=model.Metadata(name="default"), spec=model.StackSpec(realm_id="default", space_id="default")
        )
        printed = (
            realm.realm,
            (await found.get_space(space())).space,
            (await found.get_stack(stack)).stack,
            (await found.get_cell(CELL)).cell,
            (await found.get_container(single("web"))).container,
        )
        assert await apply(found, *printed) == [UNCHANGED] * 5
        assert host.faults.log == []

    async def test_of_a_root_container_that_is_named_and_not_flagged(self, tmp_path: Path) -> None:
        host = FakeHost()
        named = replaced(CELL, spec=replaced(CELL.spec, root_container_id="web"))
        found = await running(host, tmp_path, named)
        assert await apply(found, named) == [UNCHANGED]
        flagged = cell("hello", container("web", env=("A=1",), root=True), container("db"))
        assert await apply(found, flagged) == [UNCHANGED]
        assert host.faults.log == []

    async def test_of_what_was_created_without_a_manifest(self, tmp_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        await found.create_cell(CELL)
        host.faults.log.clear()
        docs = [
            model.RealmDoc(metadata=model.Metadata(name="default")),
            space(),
            model.StackDoc(
                metadata=model.Metadata(name="default"), spec=model.StackSpec(realm_id="default", space_id="default")
            ),
            CELL,
        ]
        assert await apply(found, *docs) == [UNCHANGED] * 4
        assert host.faults.log == []

    async def test_with_a_short_image_name(self, tmp_path: Path) -> None:
        host = FakeHost()
        short = cell("hello", container("web", image="web:1"))
        found = await running(host, tmp_path, short)
        assert await apply(found, short, single("web", image="docker.io/web:1")) == [UNCHANGED] * 2
        assert IMAGE == "docker.io/library/web:1"

    async def test_of_a_cell_with_containers_in_documents_of_their_own(self, tmp_path: Path) -> None:
        host = FakeHost()
        docs = (CELL, single("side"), single("db", env=("B=2",)))
        found = await running(host, tmp_path, *docs)
        assert alive(host) == {"web", "db", "side", "root"}
        assert await apply(found, *docs) == [UNCHANGED] * 3
        assert host.faults.log == []
        # Without them the cell's own document decides again.
        ((action, changes),) = await apply(found, CELL)
        assert (action, set(changes)) == ("updated", {'container "db" updated: env', 'container "side" removed'})

    async def test_of_many_cells(self, tmp_path: Path) -> None:
        host = FakeHost()
        docs = [cell(f"c{number}", container("web"), container("db")) for number in range(10)]
        found = await running(host, tmp_path, *docs)
        assert await apply(found, *docs) == [UNCHANGED] * 10
        assert host.faults.log == []
        host.containers.end(NAMESPACE, "default_default_c1_web", 1)
        await found.stop_cell(docs[2])
        host.kernel.pins.pop(next(pin for pin in host.kernel.pins if "c3" in pin))
        told = await apply(found, *docs, single("web", cell_id="c4"))
        assert [action for action, _ in told] == ["unchanged", *["updated"] * 3, *["unchanged"] * 7], told
        assert await apply(found, *docs) == [UNCHANGED] * 10


class TestDefaultsOfTheSpace:
    async def test_existing_cells_keep_theirs_until_they_are_applied_again(self, tmp_path: Path) -> None:
        host = FakeHost()
        found = await running(host, tmp_path)
        assert await apply(found, space(user="1000")) == [("updated", ("spec.defaults",))]
        assert host.faults.log == []
        await found.stop_cell(CELL)
        await found.start_cell(CELL)
        assert all(each.user is None for each in found.runner.cells.get(REF).spec.containers)
        (result,) = await results(found, CELL)
        assert result.changes == ('container "web" updated: user', 'container "db" updated: user')
        assert result.details["spec.containers[web].user"] == 'unset -> "1000"'
        assert await apply(found, CELL) == [UNCHANGED]

    async def test_a_container_document_gives_them_to_its_own_container_only(self, tmp_path: Path) -> None:
        host = FakeHost()
        found = await running(host, tmp_path)
        await apply(found, space(user="1000"))
        host.faults.log.clear()
        assert await apply(found, single("web", env=("A=1",))) == [("updated", ('container "web" updated: user',))]
        users = {each.id: each.user for each in found.runner.cells.get(REF).spec.containers}
        assert users == {"web": "1000", "db": None}
        assert not [line for line in host.faults.log if "_db" in line]

    async def test_documents_of_containers_and_of_their_cell_each_tell_their_own(self, tmp_path: Path) -> None:
        found = await running(FakeHost(), tmp_path, CELL, single("side"))
        assert await apply(found, space(user="1000"), CELL, single("side")) == [
            ("updated", ("spec.defaults",)),
            ("updated", ('container "web" updated: user', 'container "db" updated: user')),
            ("updated", ('container "side" updated: user',)),
        ]
        assert await apply(found, space(user="1000"), CELL, single("side")) == [UNCHANGED] * 3


class TestContainerDocuments:
    async def test_it_comes_changes_and_stays(self, tmp_path: Path) -> None:
        host = FakeHost()
        found = await running(host, tmp_path)
        assert await apply(found, single("side")) == [("created", ('container "side" added',))]
        assert await apply(found, single("side")) == [UNCHANGED]
        host.faults.log.clear()
        told = await apply(found, single("side", env=("X=1",)))
        assert told == [("updated", ('container "side" updated: env',))]
        assert not [line for line in host.faults.log if "_web" in line or "_db" in line]
        assert alive(host) == {"web", "db", "side", "root"}

    async def test_its_labels_are_those_of_the_container(self, tmp_path: Path) -> None:
        host = FakeHost()
        found = await running(host, tmp_path)
        told = await apply(found, single("web", {"tier": "front"}, env=("A=1",)))
        assert told == [("updated", ('container "web" updated: labels.tier',))]
        assert found.runner.cells.get(REF).spec.containers[0].labels == {"tier": "front"}
        assert await apply(found, single("web", {"tier": "front"}, env=("A=1",))) == [UNCHANGED]
        assert host.faults.log == []

    async def test_its_cell_must_exist(self, tmp_path: Path) -> None:
        found = await prepared(FakeHost(), tmp_path)
        (result,) = await results(found, single("web"))
        assert (result.action, result.details["kind"]) == ("failed", "CellNotFound")


class TestGenerations:
    async def stated(self, found: Controller, doc: Any, generation: int) -> model.ApplyResourceResult:
        text = manifest.dump(doc).replace("  name: ", f"  generation: {generation}\n  name: ", 1)
        (result,) = await results(found, text)
        return result

    async def test_an_older_one_is_refused_and_nothing_is_touched(self, tmp_path: Path) -> None:
        host = FakeHost()
        found = await running(host, tmp_path)
        changed = cell("hello", container("web", env=("A=2",)), container("db"))
        await apply(found, changed)
        host.faults.log.clear()
        for doc in (CELL, single("web")):
            result = await self.stated(found, doc, 1)
            assert (result.action, result.details["kind"]) == ("failed", "StaleResource"), result
            assert "get it again" in result.details["hint"]
        assert host.faults.log == []
        assert (await self.stated(found, CELL, 2)).action == "updated"

    async def test_of_a_space(self, tmp_path: Path) -> None:
        found = await running(FakeHost(), tmp_path)
        await apply(found, space(user="1"))
        assert (await self.stated(found, space(user="2"), 1)).details["kind"] == "StaleResource"
        assert (await self.stated(found, space(user="2"), 2)).action == "updated"
