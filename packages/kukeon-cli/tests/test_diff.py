"""`kuke diff`, `kuke apply --dry-run`, `--prune` and `--wait`."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model

if TYPE_CHECKING:
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Kuke

State = model.CellState
WEB = model.Ref("default", "default", "default", "web")
MANIFEST = """\
kind: Cell
metadata:
  name: web
  labels: {app: shop}
spec:
  realmId: default
  spaceId: default
  stackId: default
  containers:
    - id: web
      image: busybox
"""
CHANGED = MANIFEST.replace("busybox", "busybox:2") + "    - {id: log, image: busybox}\n"
FORMATS = ["table", "wide", "yaml", "json", "name"]


@pytest.fixture(autouse=True)
def images(memory: MemoryClient) -> None:
    memory.load("default", "docker.io/library/busybox:latest")
    memory.load("default", "docker.io/library/busybox:2")


@pytest.fixture
def web(kuke: Kuke, tmp_path: Path) -> str:
    """A file that is applied already."""
    path = tmp_path / "web.yaml"
    path.write_text(MANIFEST)
    assert kuke("apply", "-f", str(path)).code == 0
    return str(path)


def test_no_difference_is_silent(kuke: Kuke, web: str) -> None:
    result = kuke("diff", "-f", web)
    assert (result.code, result.out, result.err) == (0, "", "")
    assert json.loads(kuke("diff", "-f", web, "-o", "json").out) == {"resources": []}


def test_differences_are_paths_with_both_values(kuke: Kuke, memory: MemoryClient, web: str) -> None:
    before = dict(memory.docs)
    result = kuke("diff", "-f", "-", stdin=CHANGED.encode())
    assert (result.code, result.err) == (10, "")
    assert result.out.splitlines() == [
        'Cell "web": would be updated',
        '  - container "log" added',
        '  - spec.containers[web].image: "docker.io/library/busybox:latest" -> "docker.io/library/busybox:2"',
    ]
    assert memory.docs == before


def test_every_line_has_a_value_and_its_place(kuke: Kuke, web: str) -> None:
    changed = CHANGED.replace("app: shop", "tier: b, app: toys").replace("id: web\n", "id: web\n      args: [x]\n")
    for verb, code, head in (("diff", 10, "would be updated"), ("apply", 0, "updated")):
        result = kuke(verb, "-f", "-", stdin=changed.encode())
        assert (result.code, result.err) == (code, "")
        assert result.out.splitlines() == [
            f'Cell "web": {head}',
            '  - metadata.labels.app: "shop" -> "toys"',
            '  - metadata.labels.tier: unset -> "b"',
            '  - container "log" added',
            '  - spec.containers[web].image: "docker.io/library/busybox:latest" -> "docker.io/library/busybox:2"',
            '  - spec.containers[web].args: [] -> ["x"]',
        ]
    first, second = changed.split("    - {id: log")
    head, containers = first.split("  containers:\n")
    turned = f"{head}  containers:\n    - {{id: log{second}{containers}"
    assert kuke("diff", "-f", "-", stdin=turned.encode()).out.splitlines() == [
        'Cell "web": would be updated',
        '  - spec.containers: ["web", "log"] -> ["log", "web"]',
    ]


@pytest.mark.parametrize("output", FORMATS)
def test_the_code_is_the_same_in_each_format(kuke: Kuke, web: str, output: str) -> None:
    assert kuke("diff", "-f", web, "-o", output).code == 0
    assert kuke("diff", "-f", "-", "-o", output, stdin=CHANGED.encode()).code == 10
    assert kuke("diff", "-f", "-", "-o", output, stdin=b"kind: Sell\n").code == 2
    missing = CHANGED.replace("busybox:2", "none:1").encode()
    line = ("apply", "-f", "-", "-o", output)
    assert kuke(*line, stdin=missing).code == 3


def test_a_dry_run_changes_nothing(kuke: Kuke, memory: MemoryClient, web: str) -> None:
    before = dict(memory.docs)
    plain = kuke("apply", "-f", "-", "--dry-run", stdin=CHANGED.encode())
    assert (plain.code, plain.out.splitlines()[0]) == (0, 'Cell "web": updated (dry run)')
    assert kuke("apply", "-f", "-", "--dry-run", "--exit-code", stdin=CHANGED.encode()).code == 10
    assert kuke("apply", "-f", web, "--dry-run", "--exit-code").code == 0
    assert memory.docs == before


def test_pruning_removes_what_is_selected_and_not_described(kuke: Kuke, memory: MemoryClient, web: str) -> None:
    for name, labels in (("old", {"app": "shop"}), ("other", {"app": "else"})):
        memory.put(model.Ref("default", "default", "default", name), labels=labels)
    line = ("-f", web, "--prune", "-l", "app=shop")
    assert kuke("diff", *line).out.startswith('Cell "old": would be pruned\n')
    assert kuke("diff", *line).code == 10
    result = kuke("apply", *line)
    assert result.code == 0
    assert result.out.startswith('Cell "web": unchanged\nCell "old": pruned\n')
    assert kuke("get", "cells", "-o", "name").out == "cell/other\ncell/web\n"


def test_what_is_pruned_is_told_with_its_place(kuke: Kuke, memory: MemoryClient, web: str) -> None:
    pruned = model.ApplyResourceResult(
        index=-1, kind="Cell", name="old", action=model.ApplyAction.PRUNED, details={"ref": "blue/net/front/old"}
    )
    memory.answers["apply_documents"] = [model.ApplyDocumentsResult(resources=(pruned,))]
    result = kuke("apply", "-f", web, "--prune", "-l", "app=shop")
    assert (result.code, result.out) == (0, 'Cell "old": pruned\n  - blue/net/front/old\n')


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--prune",), "--prune needs -l/--selector"),
        (("-l", "app=shop"), "-l/--selector is for --prune"),
        (("--prune", "-l", ""), "empty label selector"),
        (("--exit-code",), "--exit-code is for --dry-run"),
        (("--wait", "--dry-run"), "a dry run changes nothing to wait for"),
        (("--wait", "--timeout", "soon"), "(--timeout)"),
        (("--wait", "--timeout", "-1s"), "it is negative"),
    ],
)
def test_wrong_usage_changes_nothing(
    kuke: Kuke, memory: MemoryClient, web: str, flags: tuple[str, ...], words: str
) -> None:
    memory.received.clear()
    result = kuke("apply", "-f", web, *flags)
    assert (result.code, result.out, memory.received) == (2, "", [])
    assert words in result.err


def test_waiting_ends_when_all_is_well(kuke: Kuke, memory: MemoryClient, web: str) -> None:
    memory.states = [{"state": State.PENDING}, {"state": State.DEGRADED}, {"state": State.READY}]
    result = kuke("apply", "-f", web, "--wait")
    assert (result.code, result.out, result.err) == (0, 'Cell "web": unchanged\n', "")
    assert memory.states == []


def test_a_cell_that_ended_well_is_done(kuke: Kuke, memory: MemoryClient, web: str) -> None:
    memory.states = [{"state": State.EXITED}]
    assert kuke("apply", "-f", web, "--wait").code == 0


@pytest.mark.parametrize("state", [State.FAILED, State.ERROR, State.STOPPED])
@pytest.mark.parametrize("output", ["table", "json"])
def test_a_cell_that_fails_ends_the_waiting_at_once(
    kuke: Kuke, memory: MemoryClient, web: str, state: model.CellState, output: str
) -> None:
    memory.states = [{"state": state, "message": "it fell over"}]
    began = time.monotonic()
    result = kuke("apply", "-f", web, "--wait", "-o", output)
    assert time.monotonic() - began < 60
    assert result.code == 1
    assert f"Error: cell 'default/default/default/web' is not ready: it is {state}: it fell over\n" in result.err
    assert "hint: see why: kuke get cell web\n" in result.err


def test_the_time_ends_the_waiting(kuke: Kuke, memory: MemoryClient, web: str) -> None:
    memory.states = [{"state": State.PENDING}] * 2
    result = kuke("apply", "-f", web, "--wait", "--timeout", "10ms")
    assert result.code == 8
    assert "cell 'default/default/default/web' is not ready after 0.01 s" in result.err
    assert "kuke get cells" in result.err


def test_ctrl_c_says_that_kukeond_goes_on(kuke: Kuke, memory: MemoryClient, web: str) -> None:
    memory.trouble["get_cell"] = [KeyboardInterrupt()]
    result = kuke("apply", "-f", web, "--wait")
    assert (result.code, result.out) == (130, 'Cell "web": unchanged\n')
    assert "kukeond goes on with it" in result.err


def test_what_failed_is_not_waited_for(kuke: Kuke, memory: MemoryClient, web: str) -> None:
    memory.trouble["get_cell"] = [errors.HostError("must not be asked")]
    missing = CHANGED.replace("name: web", "name: new").replace("busybox:2", "none:1").encode()
    result = kuke("apply", "-f", "-", "--wait", stdin=missing)
    assert result.code == 3
    assert "must not be asked" not in result.err
