"""`kuke run` of what is there, or is in a file, and what is refused before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_cells import IMAGE, WEB, cells, only

from kukeon_api import model

if TYPE_CHECKING:
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Kuke

CELL = """\
kind: Cell
metadata: {name: web}
spec: {realmId: default, spaceId: default, stackId: default, containers: [{id: main, image: busybox}]}
"""


@pytest.fixture(autouse=True)
def image(memory: MemoryClient) -> None:
    memory.load("default", IMAGE)


@pytest.mark.parametrize(
    ("state", "out"),
    [
        (model.CellState.READY, 'Cell "web" already runs\n'),
        (model.CellState.STOPPED, 'Started cell "web" from stack "default"\n'),
        (model.CellState.EXITED, 'Started cell "web" from stack "default"\n'),
    ],
)
def test_a_cell_that_is_there_is_started_if_need_be(
    kuke: Kuke, memory: MemoryClient, state: model.CellState, out: str
) -> None:
    over = model.ContainerState.READY if state is model.CellState.READY else model.ContainerState.EXITED
    memory.put(WEB, state=state, containers=(model.ContainerStatus(name="web", id="x", state=over),))
    result = kuke("run", "-d", "web")
    assert (result.code, result.out, result.err) == (0, out, "")
    assert str(memory.docs[WEB].status.state) == "Ready"


def test_a_cell_that_waits_for_its_image_is_run_now(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB, state=model.CellState.PENDING, reason="ImagePullFailed", containers=())
    result = kuke("run", "-d", "web")
    assert (result.code, result.out, result.err) == (0, 'Started cell "web" from stack "default"\n', "")


@pytest.mark.parametrize("state", [model.CellState.PENDING, model.CellState.UNKNOWN])
def test_a_cell_of_which_nobody_knows_what_it_is_is_left_alone(
    kuke: Kuke, memory: MemoryClient, state: model.CellState
) -> None:
    memory.put(WEB, state=state)
    result = kuke("run", "-d", "web")
    assert (result.code, result.out) == (5, "")
    assert result.err.startswith(f"Error: cannot run cell 'default/default/default/web': it is {state}\n")


def test_a_cell_that_is_not_there(kuke: Kuke) -> None:
    result = kuke("run", "wbe")
    assert (result.code, result.out) == (3, "")


def test_a_half_made_cell_is_completed_from_its_file(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(CELL)
    assert kuke("run", "-d", "-f", str(path)).code == 0
    doc = memory.docs[WEB]
    memory._become(WEB, {"state": model.CellState.PENDING})
    assert kuke("run", "-d", "-f", str(path)).code == 0
    memory._become(WEB, {"state": model.CellState.UNKNOWN})
    assert kuke("run", "-d", "-f", str(path)).code == 5
    assert memory.docs[WEB].spec == doc.spec


def test_flags_are_part_of_what_is_asked_for(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(CELL)
    line = ("run", "-d", "-f", str(path), "--env", "A=1", "--label", "tier=front")
    assert kuke(*line).code == 0
    made = only(memory)
    assert (made.spec.containers[0].env, made.metadata.labels["tier"]) == (("A=1",), "front")
    assert kuke(*line).code == 0
    result = kuke("run", "-d", "-f", str(path), "--env", "A=2")
    assert (result.code, "differs in spec.containers[main].env" in result.err) == (5, True)
    assert "A=2" not in result.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ((), "nothing says what to run: give one of CELL, -f/--file, -p/--profile or --image"),
        (("web", "--image", "x"), "not CELL and --image"),
        (("sh", "--image", "x"), "kuke run --image x -- sh"),
        (("-it", "--image", "x"), "-i/--interactive is for kuke exec"),
        (("--image", "x", "--volume", "/a:/b"), "no such option '--volume'\nhint: that is said in a file"),
        (("--image", "x", "--privileged", "--", "sh"), "no such option '--privileged'\nhint: that is said in a file"),
        (("-f", "x", "-p", "y"), "not -f/--file and -p/--profile"),
        (("web", "--name", "x"), "--name is not for -f"),
        (("-f", "x", "--param", "A=1"), "--param is for -p/--profile"),
        (("--image", "x", "--param-file", "y"), "--param-file is for -p/--profile"),
        (("-f", "x", "--command", "y"), "--command is for --image"),
        (("web", "--", "sh"), "a command is for --image; in a cell that is there: kuke exec"),
        (("--image", "x", "--command", "y", "--", "sh"), "give --command or a command after --, not both"),
        (("web", "--env", "A=1"), "--env is for cells that are described"),
        (("web", "--rm"), "--rm is for cells that are described"),
        (("--image", "x", "-o", "json"), "-o/--output is for -d/--detach"),
        (("-d", "web", "--container", "x"), "--container says what to attach to"),
        (("--image", "x", "--rm", "--no-daemon"), "--rm needs kukeond"),
    ],
)
def test_what_does_not_go_together(kuke: Kuke, memory: MemoryClient, line: tuple[str, ...], words: str) -> None:
    result = kuke("run", *line)
    assert (result.code, result.out) == (2, "")
    assert words in result.err
    assert cells(memory) == []


def test_a_source_on_the_command_line_counts_more_than_a_variable(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    assert kuke("run", "-d", "web", environ={"KUKE_RUN_IMAGE": "nginx"}).code == 0
    assert "not -p/--profile and --image" in kuke("run", environ={"KUKE_RUN_IMAGE": "x", "KUKE_RUN_PROFILE": "y"}).err


@pytest.mark.parametrize(
    ("containers", "arguments", "words"),
    [
        ("[{id: a, image: busybox}]", (), "none of its containers is attachable"),
        ("[{id: a, image: busybox}]", ("--container", "b"), "cannot find container 'b' in cell 'web'"),
        ("[{id: a, image: busybox}]", ("--container", "a"), "it is not attachable"),
    ],
)
def test_the_target_is_checked_before_anything_is_made(
    kuke: Kuke, memory: MemoryClient, tmp_path: Path, containers: str, arguments: tuple[str, ...], words: str
) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(CELL.replace("[{id: main, image: busybox}]", containers))
    result = kuke("run", "-f", str(path), *arguments)
    assert result.code in (3, 7)
    assert (result.out, words in result.err) == ("", True), result.err
    assert cells(memory) == []


def test_a_wrong_image_or_label_is_told_by_its_flag(kuke: Kuke) -> None:
    assert "--image" in kuke("run", "-d", "--image", "A B").err
    assert "--label" in kuke("run", "-d", "--image", "busybox", "--label", "=x").err
    assert "secret" not in kuke("run", "-d", "--image", "busybox", "--env", "=secret").err
