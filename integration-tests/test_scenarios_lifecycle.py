"""Start, stop and kill, of cells and of single containers, as containerd sees it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from kuketest import manifests, witness
from kuketest.instance import Instance

ROOT, MAIN, SIDE = "default_default_pair_root", "default_default_pair_main", "default_default_pair_side"
SLEEP = "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"


@pytest.fixture
def pair(either: Instance) -> Iterator[Instance]:
    """A running cell of two containers."""
    either.apply(manifests.cell("pair", manifests.container("main", SLEEP), manifests.container("side", SLEEP)))
    yield either
    either.kuke("delete", "cell", "pair")


def states(kukeon: Instance) -> dict[str, str]:
    """The state of the cell and of each container, as kukeon says it."""
    status = kukeon.cell("pair")["status"]
    return {"cell": status["state"]} | {each["name"]: each["state"] for each in status["containers"]}


def running(kukeon: Instance) -> set[str]:
    return witness.running(kukeon, "default")


@pytest.mark.vm
@pytest.mark.scenario(17, 18, 19)
@pytest.mark.exercises("StartCell", "StopCell", "KillCell", "RestartCell")
def test_a_cell_stops_starts_and_is_killed(pair: Instance) -> None:
    assert running(pair) == {ROOT, MAIN, SIDE}
    pair.kuke("stop", "cell", "pair")
    assert running(pair) == set()
    assert MAIN not in witness.tasks(pair, "default")
    assert witness.records(pair, "default") >= {MAIN, SIDE}, "the records are kept"
    assert states(pair)["cell"] == "Stopped"
    assert "does not run" in pair.kuke("stop", "cell", "pair").out + pair.kuke("kill", "cell", "pair").out

    pair.kuke("start", "cell", "pair")
    pair.remember_shims()
    assert running(pair) == {ROOT, MAIN, SIDE}
    assert set(states(pair).values()) == {"Ready"}
    before = witness.tasks(pair, "default")
    pair.kuke("start", "cell", "pair")
    assert witness.tasks(pair, "default") == before, "what runs is left alone"

    pair.kuke("kill", "cell", "pair")
    after = witness.tasks(pair, "default")
    assert {after[id][1] for id in (MAIN, SIDE)} == {"STOPPED"}, "killed, and there to be looked at"
    assert not any(Path(f"/proc/{pid}").exists() for pid, _ in before.values())
    assert states(pair)["cell"] == "Stopped"

    pair.kuke("restart", "cell", "pair")
    pair.remember_shims()
    assert running(pair) == {ROOT, MAIN, SIDE}
    assert set(states(pair).values()) == {"Ready"}


@pytest.mark.scenario(20)
@pytest.mark.exercises("StartContainer", "StopContainer", "KillContainer", "RestartContainer")
def test_a_container_stops_starts_and_is_killed(pair: Instance) -> None:
    scope = ("--cell", "pair")
    main = witness.tasks(pair, "default")[MAIN]
    pair.kuke("stop", "container", "side", *scope)
    assert running(pair) == {ROOT, MAIN}
    assert SIDE in witness.records(pair, "default")
    stopped = states(pair)
    assert stopped["main"] == "Ready"
    assert stopped["side"] in {"Stopped", "Exited"}

    pair.kuke("start", "container", "side", *scope)
    pair.remember_shims()
    assert running(pair) == {ROOT, MAIN, SIDE}
    assert states(pair)["side"] == "Ready"
    pid = witness.tasks(pair, "default")[SIDE][0]
    pair.kuke("restart", "container", "side", *scope)
    assert witness.tasks(pair, "default")[SIDE][0] != pid

    pair.kuke("kill", "container", "side", *scope)
    assert witness.tasks(pair, "default")[SIDE][1] == "STOPPED"
    assert states(pair)["side"] not in {"Ready", "Unknown"}
    assert witness.tasks(pair, "default")[MAIN] == main, "the other container is not concerned"
    refused = pair.kuke("stop", "container", "root", *scope, code=None)
    assert refused.code != 0
    assert "root" in refused.err
    assert running(pair) == {ROOT, MAIN}
