"""Deleting what documents name: children first, each told on its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner.testing.cells import cell, container, controller, prepared
from kukeon_runner.testing.host import Crash, Failure, FakeHost

if TYPE_CHECKING:
    from kukeon_runner.controller import Controller

STACK = model.StackDoc(
    metadata=model.Metadata(name="app"), spec=model.StackSpec(realm_id="default", space_id="default")
)
CELL = msgspec.structs.replace(
    cell("hello", container("web"), container("db")),
    spec=msgspec.structs.replace(cell("hello", container("web"), container("db")).spec, stack_id="app"),
)
DEFAULT_REALM = model.RealmDoc(metadata=model.Metadata(name="default"))


def single(id: str, cell: str = "hello", stack: str = "app") -> model.ContainerDoc:
    place = {"realm_id": "default", "space_id": "default", "stack_id": stack, "cell_id": cell}
    return model.ContainerDoc(metadata=model.Metadata(name=id), spec=container(id, **place))


def text(*docs: model.Doc) -> bytes:
    return "---\n".join(manifest.dump(each) for each in docs).encode()


async def ready(host: FakeHost, run_path: Path) -> Controller:
    found = await prepared(host, run_path)
    assert {each.action.value for each in (await found.apply_documents(text(STACK, CELL))).resources} == {"created"}
    return found


async def delete(found: Controller, *docs: model.Doc, **how: bool) -> list[Any]:
    return list((await found.delete_documents(text(*docs), **how)).resources)


def spoil(path: str) -> None:
    Path(path).write_text("{")


async def test_children_go_before_their_parents_whatever_the_order_of_the_input(tmp_path: Path) -> None:
    host = FakeHost()
    found = await ready(host, tmp_path)
    results = await delete(found, STACK, CELL, single("db"))
    assert [(each.index, each.kind, each.name, each.action) for each in results] == [
        (2, "Container", "db", "deleted"),
        (1, "Cell", "hello", "deleted"),
        (0, "Stack", "app", "deleted"),
    ]
    # Counted from what was there, not from the document.
    assert results[1].details == {"containers": "1 deleted"}
    assert not host.containers.records


async def test_twice_is_no_failure(tmp_path: Path) -> None:
    found = await ready(FakeHost(), tmp_path)
    await delete(found, STACK, CELL)
    results = await delete(found, STACK, CELL, single("web"))
    assert {each.action for each in results} == {model.DeleteAction.NOT_FOUND}
    assert not any(each.error or each.details for each in results)
    nowhere = msgspec.structs.replace(STACK, spec=model.StackSpec(realm_id="none", space_id="none"))
    assert [each.action for each in await delete(found, nowhere)] == ["not found"]


async def test_a_parent_with_children_fails_and_the_others_go(tmp_path: Path) -> None:
    found = await ready(FakeHost(), tmp_path)
    await found.create_cell(cell("other"))
    (other, stack) = await delete(found, STACK, cell("other"))
    assert (other.action, stack.action, stack.details["kind"]) == ("deleted", "failed", "ResourceHasDependencies")
    assert "1 cell inside" in stack.error
    assert stack.details["hint"]


@pytest.mark.parametrize("how", ["cascade", "force"])
async def test_with_cascade_everything_inside_goes_and_is_told(how: str, tmp_path: Path) -> None:
    host = FakeHost()
    found = await ready(host, tmp_path)
    (result,) = await delete(found, DEFAULT_REALM, **{how: True})
    assert result.action == "deleted"
    assert result.cascaded == (
        "space:default",
        "stack:default/app",
        "cell:default/app/hello",
        "stack:default/default",
    )
    assert result.details == {
        "spaces": "1 deleted",
        "stacks": "2 deleted",
        "cells": "1 deleted",
        "containers": "2 deleted",
    }
    assert not host.containers.labels


async def test_a_container_goes_from_what_is_stored_of_its_cell(tmp_path: Path) -> None:
    host = FakeHost()
    found = await ready(host, tmp_path)
    results = await delete(found, single("db"), single("none"), single("web", "none"))
    assert [each.action for each in results] == ["deleted", "not found", "not found"]
    doc = found.runner.cells.get(model.ref_of(CELL))
    assert [each.id for each in doc.spec.containers] == ["web"]
    assert {id for _, id in host.containers.records} == {"default_app_hello_web", "default_app_hello_root"}


async def test_a_root_container_and_the_system_realm_are_refused(tmp_path: Path) -> None:
    found = await ready(FakeHost(), tmp_path)
    rooted = cell("rooted", container("main", root=True))
    await found.create_cell(rooted)
    results = await delete(found, single("main", "rooted", "default"), CELL)
    assert [(each.action.value, each.details.get("kind")) for each in results] == [
        ("failed", "RootContainerRefused"),
        ("deleted", None),
    ]
    with pytest.raises(errors.InvalidManifest):
        await delete(found, model.RealmDoc(metadata=model.Metadata(name=model.SYSTEM_REALM)))


async def test_a_host_that_refuses_is_a_failure_that_can_be_repeated(tmp_path: Path) -> None:
    host = FakeHost()
    found = await ready(host, tmp_path)
    with host.failing_at(1):
        results = await delete(found, STACK, CELL)
    assert [each.action for each in results] == ["failed", "failed"]
    assert [each.action for each in await delete(found, STACK, CELL)] == ["deleted", "deleted"]


async def test_a_damaged_document_keeps_nothing_from_being_deleted(tmp_path: Path) -> None:
    host = FakeHost()
    found = await ready(host, tmp_path)
    spoil(found.runner.context.layout.metadata(model.ref_of(CELL)))
    fresh = controller(host, tmp_path)
    results = await delete(fresh, STACK, CELL)
    assert [each.action for each in results] == ["deleted", "deleted"]
    assert not host.containers.records


async def test_a_crash_anywhere_is_made_good_by_doing_it_again(tmp_path: Path) -> None:
    for number in range(1, 60):
        host = FakeHost()
        run_path = tmp_path / str(number)
        found = await ready(host, run_path)
        crashed = False
        with host.failing_at(number, Failure.LATE_CRASH):
            try:
                await delete(found, STACK, CELL)
            except Crash:
                crashed = True
        fresh = controller(host, run_path)
        results = await delete(fresh, STACK, CELL)
        assert {each.action.value for each in results} <= {"deleted", "not found"}
        assert not host.containers.records
        assert not host.kernel.pins
        if not crashed:
            return
    pytest.fail("it never got through")
