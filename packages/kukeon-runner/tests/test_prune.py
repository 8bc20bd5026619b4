"""Prune: what is matched and not named goes, children first, and nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner.controller import prune
from kukeon_runner.testing.cells import cell, container, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

    from kukeon_runner.controller import Controller

WEB = {"app": "web"}


def labelled(doc: Any, labels: dict[str, str] | None = None) -> Any:
    metadata = msgspec.structs.replace(doc.metadata, labels=WEB if labels is None else labels)
    return msgspec.structs.replace(doc, metadata=metadata)


def realm(name: str) -> model.RealmDoc:
    return model.RealmDoc(metadata=model.Metadata(name=name))


def space(name: str, realm: str = "default") -> model.SpaceDoc:
    return model.SpaceDoc(metadata=model.Metadata(name=name), spec=model.SpaceSpec(realm_id=realm))


def stack(name: str, space: str = "default", realm: str = "default") -> model.StackDoc:
    return model.StackDoc(metadata=model.Metadata(name=name), spec=model.StackSpec(realm_id=realm, space_id=space))


def within(doc: model.CellDoc, **place: str) -> model.CellDoc:
    return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, **place))


async def apply(found: Controller, *docs: model.Doc, prune: str = "") -> list[model.ApplyResourceResult]:
    text = "---\n".join(manifest.dump(each) for each in docs)
    return list((await found.apply_documents(text.encode(), prune=prune)).resources)


def told(results: list[model.ApplyResourceResult]) -> list[tuple[str, str]]:
    return [(each.action.value, each.details.get("ref", each.name)) for each in results]


def stored(found: Controller) -> set[str]:
    return {
        str(model.ref_of(doc))
        for kind in ("Realm", "Space", "Stack", "Cell")
        for doc in found.runner.context.store.docs(kind)
    }


DEFAULTS = {"default", "default/default", "default/default/default"}


async def test_children_go_first_and_unlabelled_things_stay(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    clean = host.traces() | host.networks()
    await apply(
        found,
        labelled(realm("r")),
        labelled(space("s", "r")),
        labelled(stack("t", "s", "r")),
        labelled(space("web")),
        labelled(stack("app", "web")),
        labelled(within(cell("c"), space_id="web", stack_id="app")),
        cell("keep"),
        labelled(cell("other"), {"app": "db"}),
    )
    assert told(await apply(found, cell("keep"), prune="app=web")) == [
        ("unchanged", "keep"),
        ("pruned", "default/web/app/c"),
        ("pruned", "default/web/app"),
        ("pruned", "r/s/t"),
        ("pruned", "default/web"),
        ("pruned", "r/s"),
        ("pruned", "r"),
    ]
    assert stored(found) == DEFAULTS | {"default/default/default/keep", "default/default/default/other"}
    for name in ("keep", "other"):
        await found.delete_cell(cell(name))
    assert host.traces() | host.networks() == clean


async def test_what_the_input_names_and_its_parents_stay(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    docs = [
        labelled(space("web")),
        labelled(stack("app", "web")),
        labelled(within(cell("c"), space_id="web", stack_id="app")),
    ]
    await apply(found, *docs)
    assert told(await apply(found, docs[2], prune="app=web")) == [("unchanged", "c")]
    assert told(await apply(found, docs[1], prune="app=web")) == [
        ("unchanged", "app"),
        ("pruned", "default/web/app/c"),
    ]


async def test_what_has_children_that_are_not_meant_fails_and_they_stay(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    await apply(found, labelled(stack("app")), within(cell("c"), stack_id="app"))
    results = await apply(found, cell("x"), prune="app=web")
    assert told(results) == [("created", "x"), ("failed", "default/default/app")]
    assert (results[1].details["kind"], "1 cell inside" in results[1].error) == ("ResourceHasDependencies", True)
    assert "default/default/app/c" in stored(found)


async def test_containers_are_pruned_by_their_labels(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    rooted = cell("rooted", container("main", root=True, labels=WEB), container("side"))
    await apply(found, cell("hello", container("web"), container("old", labels=WEB)), rooted)
    results = await apply(found, cell("x"), prune="app=web")
    assert told(results) == [
        ("created", "x"),
        ("pruned", "default/default/default/hello/old"),
        ("failed", "default/default/default/rooted/main"),
    ]
    assert results[2].details["kind"] == "RootContainerRefused"
    hello = found.runner.cells.get(model.Ref("default", "default", "default", "hello"))
    assert [each.id for each in hello.spec.containers] == ["web"]
    assert ("default.kukeon.io", "default_default_hello_old") not in host.containers.records


async def test_a_cell_takes_its_containers_along_without_telling(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    await apply(found, labelled(cell("hello", container("web", labels=WEB))))
    assert told(await apply(found, cell("x"), prune="app")) == [
        ("created", "x"),
        ("pruned", "default/default/default/hello"),
    ]


async def test_nothing_goes_when_a_document_failed(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    await apply(found, labelled(cell("old")))
    broken = cell("new", container("web", image="docker.io/library/none:1"))
    results = await apply(found, broken, prune="app=web")
    assert told(results) == [("failed", "new"), ("failed", "default/default/default/old")]
    assert results[1].error == "not pruned: 1 document failed"
    assert "default/default/default/old" in stored(found)


async def test_one_that_cannot_go_does_not_keep_the_others(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await apply(found, *(labelled(cell(f"c{number}")) for number in range(3)), cell("x"))
    with host.failing_at(1):
        results = await apply(found, cell("x"), prune="app=web")
    assert sorted(each.action.value for each in results) == ["failed", "pruned", "pruned", "unchanged"]
    assert [each.action.value for each in await apply(found, cell("x"), prune="app=web")] == ["unchanged", "pruned"]


@pytest.mark.parametrize("text", [" ", "!nope", "app!=web", "app notin (web)", "!a,b!=c", "=", "app in ("])
async def test_selectors_that_mean_too_much_or_nothing_are_refused_beforehand(text: str, tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    host.faults.log.clear()
    with pytest.raises(errors.Invalid) as caught:
        await apply(found, cell("hello"), prune=text)
    assert caught.value.hint
    assert host.faults.log == []


async def test_labels_of_kukeons_own_are_not_matched(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    await apply(found, cell("old"))
    assert told(await apply(found, cell("x"), prune="cell.kukeon.io")) == [("created", "x")]


async def test_the_system_realm_is_never_meant(tmp_path: Path) -> None:
    found = await prepared(FakeHost(), tmp_path)
    await found.runner.realms.converge(labelled(realm(model.SYSTEM_REALM)), update=False)
    assert prune.candidates(found.runner, prune.selector("app=web"), []) == []
