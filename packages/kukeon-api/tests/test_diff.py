"""Differences, as people read them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_api import diff, labels, model, normalise, testing


def container(id: str, **fields: object) -> model.ContainerSpec:
    return model.ContainerSpec(**{"id": id, "image": "docker.io/library/web:1"} | fields)  # type: ignore[arg-type]


def cell(*containers: model.ContainerSpec, **found: str) -> model.CellDoc:
    spec = model.CellSpec(realm_id="default", space_id="default", stack_id="default", containers=containers)
    return model.CellDoc(metadata=model.Metadata(name="hello", labels=found), spec=spec)


WEB, DB = container("web", env=("A=1",)), container("db")
CELL = cell(WEB, DB, team="a")


def space(**defaults: object) -> model.SpaceDoc:
    filled = model.SpaceDefaults(container=model.ContainerDefaults(**defaults)) if defaults else None  # type: ignore[arg-type]
    return model.SpaceDoc(metadata=model.Metadata(name="s"), spec=model.SpaceSpec(realm_id="default", defaults=filled))


def realm(*credentials: model.RegistryCredentials) -> model.RealmDoc:
    return model.RealmDoc(metadata=model.Metadata(name="r"), spec=model.RealmSpec(registry_credentials=credentials))


def login(address: str, username: str = "u", password: str = "") -> model.RegistryCredentials:
    return model.RegistryCredentials(server_address=address, username=username, password=password)


def replaced(value: Any, **fields: object) -> Any:
    return msgspec.structs.replace(value, **fields)


def test_nothing_differs_from_itself() -> None:
    assert diff.cell(CELL, CELL) == ()
    assert diff.level(space(user="1"), space(user="1")) == ()


def test_what_only_the_server_knows_is_no_difference() -> None:
    known = replaced(CELL, status=model.CellStatus(state=model.CellState.READY))
    known = replaced(known, metadata=replaced(known.metadata, generation=9))
    assert diff.cell(known, CELL) == ()


def test_managed_labels_are_no_difference_and_others_are() -> None:
    assert diff.cell(cell(WEB, DB, team="a", **{"cell.kukeon.io": "hello"}), CELL) == ()
    changed = diff.cell(cell(WEB, DB, team="b", old="x"), CELL)
    assert diff.lines(changed) == ("metadata.labels",)
    assert diff.details(changed) == {"metadata.labels.old": '"x" -> unset', "metadata.labels.team": '"b" -> "a"'}


def test_containers_come_go_and_change_each_on_its_line() -> None:
    changed = replaced(WEB, env=("A=2",), read_only_root_filesystem=True)
    found = diff.cell(CELL, cell(changed, container("new"), team="a"))
    assert diff.lines(found) == (
        'container "new" added',
        'container "web" updated: env, readOnlyRootFilesystem',
        'container "db" removed',
    )
    assert diff.details(found) == {
        "spec.containers[new]": "unset -> added",
        "spec.containers[web].env": '["A=1"] -> ["A=2"]',
        "spec.containers[web].readOnlyRootFilesystem": "unset -> true",
        "spec.containers[db]": '"docker.io/library/web:1" -> removed',
    }


def test_the_order_of_containers_is_told_when_it_is_another() -> None:
    assert diff.lines(diff.cell(CELL, cell(DB, WEB, team="a"))) == ("containers reordered",)
    assert diff.lines(diff.cell(CELL, cell(WEB, container("new"), DB, team="a"))) == ('container "new" added',)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"user": "1"}, {"spec.defaults": 'unset -> {"container": {"user": "1"}}'}),
        ({"user": "1"}, {"user": "2"}, {"spec.defaults.container.user": '"1" -> "2"'}),
        ({"user": "1"}, {"user": ""}, {"spec.defaults.container.user": '"1" -> ""'}),
        (
            {"user": "1"},
            {"read_only_root_filesystem": False},
            {
                "spec.defaults.container.user": '"1" -> unset',
                "spec.defaults.container.readOnlyRootFilesystem": "unset -> false",
            },
        ),
        (
            {"resources": model.Resources(pids_limit=1)},
            {"resources": model.Resources(pids_limit=2)},
            {"spec.defaults.container.resources.pidsLimit": "1 -> 2"},
        ),
        (
            {"capabilities": model.Capabilities()},
            {},
            {"spec.defaults": '{"container": {"capabilities": {}}} -> unset'},
        ),
    ],
)
def test_paths_are_those_of_the_manifest(
    before: dict[str, object], after: dict[str, object], expected: dict[str, str]
) -> None:
    found = diff.level(space(**before), space(**after))
    assert diff.details(found) == expected
    assert diff.lines(found) == tuple(expected)


def test_fields_with_a_name_of_their_own_on_paper() -> None:
    found = diff.cell(CELL, cell(replaced(WEB, host_pid=True), DB, team="a"))
    assert diff.lines(found) == ('container "web" updated: hostPID',)


def test_labels_of_containers_are_told_one_by_one() -> None:
    found = diff.cell(CELL, cell(replaced(WEB, labels={"tier": "front"}), DB, team="a"))
    assert diff.details(found) == {"spec.containers[web].labels.tier": 'unset -> "front"'}


def test_registry_credentials_are_told_by_their_address_and_never_with_a_password() -> None:
    before = realm(login("a", password="hunter2"), login("b"))
    after = realm(login("a", password="swordfish"), login("c", "me", "hunter3"))
    found = diff.details(diff.level(before, after))
    assert found == {
        "spec.registryCredentials[a].password": "*** -> ***",
        "spec.registryCredentials[c]": 'unset -> {"username": "me", "password": "***", "serverAddress": "c"}',
        "spec.registryCredentials[b]": '{"username": "u", "serverAddress": "b"} -> unset',
    }
    twice = diff.details(diff.level(realm(login("a", password="hunter2")), realm(login("a", "x"), login("a"))))
    assert list(twice) == ["spec.registryCredentials"]
    assert "hunter2" not in str(twice)


def test_long_values_are_shown_from_where_they_differ() -> None:
    many = tuple(f"NAME_{number}=value" for number in range(400))
    found = diff.details(diff.cell(cell(replaced(WEB, env=many)), cell(replaced(WEB, env=(*many[:300], "X=1")))))
    (text,) = found.values()
    before, _, after = text.partition(" -> ")
    assert before.startswith("...")
    assert "NAME_300" in before
    assert "X=1" in after
    assert max(len(before), len(after)) <= diff.MAX_SHOWN + 6


def test_nothing_that_a_terminal_obeys_is_shown() -> None:
    odd = "\x1b[2J\x9b\u202e\u2028"
    (change,) = diff.cell(CELL, cell(replaced(WEB, command=odd), DB, team="a"))
    assert str(change).isprintable()


def named(doc: Any) -> Any:
    """Every document under one name, in one place."""
    return normalise.normalise(replaced(doc, metadata=replaced(doc.metadata, name="same")))


cells = testing.cells().map(lambda doc: named(replaced(doc, spec=replaced(doc.spec, realm_id="r"))))


@given(cells, cells)
def test_cells_differ_exactly_when_something_is_told(a: model.CellDoc, b: model.CellDoc) -> None:
    same = a.spec == b.spec and labels.authored(a.metadata.labels) == labels.authored(b.metadata.labels)
    assert (diff.cell(a, b) == ()) is same
    assert bool(diff.cell(a, b)) is bool(diff.cell(b, a))
    assert diff.cell(a, a) == ()


@given(st.data())
def test_levels_differ_exactly_when_something_is_told(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([testing.realms, testing.spaces, testing.stacks]))
    a, b = (named(data.draw(kind)) for _ in range(2))
    same = a.spec == b.spec and labels.authored(a.metadata.labels) == labels.authored(b.metadata.labels)
    assert (diff.level(a, b) == ()) is same
    assert bool(diff.level(a, b)) is bool(diff.level(b, a))


@given(testing.any_model(model.CellDoc), testing.any_model(model.CellDoc))
def test_anything_at_all_is_shown_on_lines_of_printable_text(a: model.CellDoc, b: model.CellDoc) -> None:
    for change in diff.cell(a, b):
        assert str(change).isprintable()
