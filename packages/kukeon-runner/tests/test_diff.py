"""Differences, as people read them."""

from __future__ import annotations

import msgspec
import pytest

from kukeon_api import model
from kukeon_runner import diff
from kukeon_runner.testing.cells import cell, container

CELL = cell("hello", container("web", env=("A=1",)), container("db"), team="a")


def space(**defaults: object) -> model.SpaceDoc:
    filled = model.SpaceDefaults(container=model.ContainerDefaults(**defaults)) if defaults else None  # type: ignore[arg-type]
    return model.SpaceDoc(metadata=model.Metadata(name="s"), spec=model.SpaceSpec(realm_id="default", defaults=filled))


def with_containers(*containers: model.ContainerSpec) -> model.CellDoc:
    return msgspec.structs.replace(CELL, spec=msgspec.structs.replace(CELL.spec, containers=containers))


def with_labels(doc: model.CellDoc, **labels: str) -> model.CellDoc:
    plain = {key.replace("__", "."): value for key, value in labels.items()}
    return msgspec.structs.replace(doc, metadata=msgspec.structs.replace(doc.metadata, labels=plain))


def test_nothing_differs_from_itself() -> None:
    assert diff.cell(CELL, CELL) == []
    assert diff.level(space(user="1"), space(user="1")) == []


def test_what_only_the_server_knows_is_no_difference() -> None:
    known = msgspec.structs.replace(CELL, status=model.CellStatus(state=model.CellState.READY))
    known = msgspec.structs.replace(known, metadata=msgspec.structs.replace(known.metadata, generation=9))
    assert diff.cell(known, CELL) == []


def test_managed_labels_are_no_difference_and_others_are() -> None:
    managed = with_labels(CELL, team="a", cell__kukeon__io="hello")
    assert diff.cell(managed, CELL) == []
    assert diff.cell(with_labels(CELL, team="b"), CELL) == ["metadata.labels"]
    assert diff.cell(with_labels(CELL), CELL) == ["metadata.labels"]


def test_containers_come_go_and_change_each_on_its_line() -> None:
    web, db = CELL.spec.containers
    changed = msgspec.structs.replace(web, env=("A=2",), read_only_root_filesystem=True)
    assert diff.cell(CELL, with_containers(changed, container("new"))) == [
        'container "new" added',
        'container "web" updated: env, readOnlyRootFilesystem',
        'container "db" removed',
    ]
    assert diff.cell(CELL, with_containers(db, web)) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({}, {"user": "1"}, ["spec.defaults"]),
        ({"user": "1"}, {"user": "2"}, ["spec.defaults.container.user"]),
        ({"user": "1"}, {"user": ""}, ["spec.defaults.container.user"]),
        (
            {"user": "1"},
            {"read_only_root_filesystem": False},
            [
                "spec.defaults.container.user",
                "spec.defaults.container.readOnlyRootFilesystem",
            ],
        ),
        (
            {"resources": model.Resources(pids_limit=1)},
            {"resources": model.Resources(pids_limit=2)},
            ["spec.defaults.container.resources.pidsLimit"],
        ),
    ],
)
def test_paths_are_those_of_the_manifest(
    before: dict[str, object], after: dict[str, object], expected: list[str]
) -> None:
    assert diff.level(space(**before), space(**after)) == expected


def test_fields_with_a_name_of_their_own_on_paper() -> None:
    web = CELL.spec.containers[0]
    assert diff.cell(CELL, with_containers(msgspec.structs.replace(web, host_pid=True), CELL.spec.containers[1])) == [
        'container "web" updated: hostPID'
    ]
