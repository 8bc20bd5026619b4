"""`kuke attach`: which container, and what is said when there is none to attach to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, model
from kukeon_cli.commands import attach

if TYPE_CHECKING:
    from conftest import Kuke


def cell(*containers: tuple[str, bool], default: str = "", root: str = "") -> model.CellDoc:
    specs = tuple(
        model.ContainerSpec(id=name, image="busybox", attachable=attachable, root=name == root)
        for name, attachable in containers
    )
    tty = model.CellTty(default=default) if default else None
    spec = model.CellSpec(realm_id="default", space_id="default", stack_id="default", containers=specs, tty=tty)
    return model.CellDoc(metadata=model.Metadata(name="web"), spec=spec)


@pytest.mark.parametrize(
    ("found", "named", "chosen"),
    [
        (cell(("a", True), ("b", False)), None, "a"),
        (cell(("a", True), ("b", True)), "b", "b"),
        (cell(("a", True), ("b", True), default="b"), None, "b"),
        (cell(("a", True), ("b", True), default="b"), "a", "a"),
        (cell(("a", False), ("own", True), root="own"), None, "own"),
    ],
)
def test_the_container_that_is_meant(found: model.CellDoc, named: str | None, chosen: str) -> None:
    assert attach.target(found, named).name == chosen


@pytest.mark.parametrize(
    ("found", "named", "error", "words", "hint"),
    [
        (cell(("b", True), ("a", True)), None, errors.Invalid, "a, b have terminals", "kuke attach web -c a"),
        (cell(("a", False)), None, errors.AttachNotSupported, "none of its containers has a terminal", "kuke log web"),
        (cell(), None, errors.AttachNotSupported, "none of its containers", "attachable: true"),
        (cell(("a", False), ("b", True)), "a", errors.AttachNotSupported, "'default/default/default/web/a'", "to b"),
        (cell(("a", False)), "a", errors.AttachNotSupported, "has no terminal", "kuke log web --container a"),
        (cell(("a", True)), "x", errors.ContainerNotFound, "cannot find container 'x'", "to a"),
        (cell(("a", False)), "x", errors.ContainerNotFound, "cannot find container 'x'", "it has a"),
        (cell(), "x", errors.ContainerNotFound, "cannot find container 'x'", "it has none"),
    ],
)
def test_what_is_said_when_there_is_none(
    found: model.CellDoc, named: str | None, error: type[errors.KukeonError], words: str, hint: str
) -> None:
    with pytest.raises(error) as caught:
        attach.target(found, named)
    assert words in str(caught.value)
    assert hint in caught.value.hint


def test_a_cell_that_is_not_there(kuke: Kuke) -> None:
    result = kuke("attach", "web")
    assert result.code == 3
    assert "web" in result.err


def test_without_a_terminal_it_says_what_to_do_instead(kuke: Kuke, monkeypatch: pytest.MonkeyPatch) -> None:
    def get_cell(client: Any, ref: model.Ref) -> model.CellDoc:
        return cell(("a", True))

    monkeypatch.setattr("kukeon_cli.resources.get_cell", get_cell)
    result = kuke("att", "web")
    assert result.code == 2
    assert "must be a terminal" in result.err
    assert "kuke log web --container a --follow" in result.err
