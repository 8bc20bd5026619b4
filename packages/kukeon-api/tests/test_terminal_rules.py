from __future__ import annotations

import pytest

from kukeon_api import model, rules, terminal_rules


def cell(*containers: model.ContainerSpec, default: str = "") -> model.CellDoc:
    spec = model.CellSpec(
        id="c", realm_id="r", space_id="s", stack_id="t", containers=containers, tty=model.CellTty(default=default)
    )
    return model.CellDoc(metadata=model.Metadata(name="c"), spec=spec)


def container(
    name: str = "a", *, attachable: bool = True, tty: model.ContainerTty | None = None
) -> model.ContainerSpec:
    return model.ContainerSpec(id=name, image="busybox", attachable=attachable, tty=tty)


def told(doc: model.Doc) -> list[tuple[str, str]]:
    return [(problem.path, problem.message) for problem in rules.problems(doc)]


def test_good_ones() -> None:
    tty = model.ContainerTty(prompt="\x1b[1m$ ", on_init=(model.TtyStage(script="a\nb\n"), model.TtyStage()))
    assert told(cell(container(tty=tty), container("b", attachable=False, tty=model.ContainerTty()), default="a")) == []


@pytest.mark.parametrize(
    ("spec", "path", "words"),
    [
        (container(attachable=False, tty=model.ContainerTty(prompt="x")), "tty", "with a terminal"),
        (container(tty=model.ContainerTty(prompt="a\nrm -rf /")), "tty.prompt", "one line"),
        (container(tty=model.ContainerTty(on_init=(model.TtyStage(script="a\0"),))), "tty.onInit[0].script", "null"),
        (
            container(tty=model.ContainerTty(on_init=(model.TtyStage(script="x" * 65537),))),
            "tty.onInit",
            f"{terminal_rules.MAX_TYPED_BYTES} at most",
        ),
    ],
)
def test_bad_ones(spec: model.ContainerSpec, path: str, words: str) -> None:
    ((where, message),) = told(cell(spec))
    assert where == f"spec.containers[0].{path}"
    assert words in message
    alone = model.ContainerDoc(
        metadata=model.Metadata(name="a"),
        spec=model.ContainerSpec(
            id="a",
            realm_id="r",
            space_id="s",
            stack_id="t",
            cell_id="c",
            image="busybox",
            attachable=spec.attachable,
            tty=spec.tty,
        ),
    )
    ((where, message),) = told(alone)
    assert where == f"spec.{path}"


def test_the_choice_is_one_that_can_be_attached_to() -> None:
    containers = (container("a"), container("b", attachable=False))
    assert told(cell(*containers, default="b")) == [("spec.tty.default", "container 'b' is not attachable")]
    assert told(cell(*containers, default="x")) == [("spec.tty.default", "there is no container 'x'")]
