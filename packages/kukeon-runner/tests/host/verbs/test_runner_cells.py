"""The verbs of `Runner` for cells and containers on this machine; containerd's client is the witness."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import msgspec
import pytest
from runner_place import CELL, IMAGE, LABELS, MAIN, ROOT, SERVES, SIDE, Place, cell, container, there

from kukeon_api import errors, model
from kukeon_runner import ReconcileOutcome

pytestmark = pytest.mark.host


@pytest.mark.exercises(
    "Runner.create_cell",
    "Runner.ensure_cell",
    "Runner.get_cell",
    "Runner.list_cells",
    "Runner.start_cell",
    "Runner.stop_cell",
    "Runner.kill_cell",
    "Runner.exists_cell_root_container",
    "Runner.exists_container",
    "Runner.delete_cell",
    "Runner.purge_cell",
)
async def test_a_cell_lives(stage: Place) -> None:
    runner = stage.runner
    made = await runner.create_cell(cell())
    assert made.status.state is not model.CellState.READY
    assert stage.tasks() == {}, "create makes no process"
    assert not await runner.exists_cell_root_container(cell())
    started = await runner.start_cell(cell())
    assert started.status.state is model.CellState.READY
    tasks = stage.tasks()
    assert tasks.keys() == {ROOT, MAIN}
    assert await runner.exists_cell_root_container(cell())
    assert await runner.exists_container(stage.namespace, MAIN)
    assert not await runner.exists_container(stage.namespace, SIDE)
    assert await runner.exists_cgroup(cell())
    assert stage.cgroup(CELL)
    assert await runner.get_cell(cell()) == started
    assert await runner.list_cells("lab", "net", "tier") == await runner.list_cells() == (started,)
    assert await runner.list_cells("lab", "net", "elsewhere") == ()
    assert (await runner.start_cell(cell())).status.state is model.CellState.READY
    assert stage.tasks() == tasks

    assert (await runner.stop_cell(cell())).status.state is model.CellState.STOPPED
    assert stage.tasks() == {}
    assert MAIN in stage.records(), "a stopped cell keeps its records and what its programs wrote"
    assert (await runner.ensure_cell(cell())).status.state is model.CellState.STOPPED, "it is to be stopped"
    await runner.start_cell(cell())
    assert (await runner.kill_cell(cell())).status.state is model.CellState.STOPPED
    assert stage.tasks() == {}
    await runner.start_cell(cell())
    os.kill(stage.tasks()[MAIN], signal.SIGKILL)
    await stage.ended(MAIN)
    assert (await runner.ensure_cell(cell())).status.state is model.CellState.READY
    assert stage.tasks().keys() == {ROOT, MAIN}

    await runner.delete_cell(cell())
    assert stage.records() == set()
    assert not stage.cgroup(CELL)
    assert not there(stage.stored(CELL))
    with pytest.raises(errors.CellNotFound):
        await runner.delete_cell(cell())
    await runner.purge_cell(cell())

    await runner.create_cell(cell())
    await runner.start_cell(cell())
    shutil.rmtree(stage.stored(CELL).parent)
    await runner.purge_cell(cell())
    assert stage.records() == set()
    assert not stage.cgroup(CELL)
    assert not there(stage.layout.runtime_dir, "ns/lab/net/tier/web")


@pytest.mark.exercises("Runner.update_cell", "Runner.update_cell_metadata", "Runner.recreate_cell")
async def test_a_cell_changes(stage: Place) -> None:
    runner = stage.runner
    await runner.create_cell(cell())
    await runner.start_cell(cell())
    before = stage.tasks()
    changed = await runner.update_cell(cell(container(), container("side"), labels=LABELS))
    assert changed.metadata.labels.items() >= LABELS.items()
    after = stage.tasks()
    assert after.keys() == {ROOT, MAIN, SIDE}
    assert after[MAIN] == before[MAIN], "what did not change runs on"
    changed = await runner.update_cell(cell(container(env=("A=1",)), labels=LABELS))
    now = stage.tasks()
    assert now.keys() == {ROOT, MAIN}, "orphans go"
    assert now[MAIN] != after[MAIN], "a change of its environment takes a new process"
    assert SIDE not in stage.records()
    labelled = await runner.update_cell_metadata(cell(labels={"tier": "back"}))
    assert (labelled.metadata.labels["tier"], labelled.spec) == ("back", changed.spec)
    assert stage.tasks() == now
    again = await runner.recreate_cell(cell(container(env=("A=2",))))
    assert again.status.state is model.CellState.READY
    assert again.spec.containers[0].env == ("A=2",)
    assert set(stage.tasks().values()).isdisjoint(now.values())


@pytest.mark.exercises(
    "Runner.refresh_cell",
    "Runner.reconcile_cell",
    "Runner.populate_and_persist_cell_container_statuses",
    "Runner.get_container_state",
    "ReconcileOutcome",
)
async def test_a_cell_is_looked_at(stage: Place) -> None:
    runner = stage.runner
    await runner.create_cell(cell(container(), container("side")))
    await runner.start_cell(cell())
    assert await runner.reconcile_cell(cell()) == (await runner.get_cell(cell()), ReconcileOutcome())
    assert await runner.get_container_state(cell(), "main") is model.ContainerState.READY
    with pytest.raises(errors.ContainerNotFound):
        await runner.get_container_state(cell(), "nobody")

    tasks = stage.tasks()
    stage.containerd.ctr("tasks", "kill", "--signal", "SIGKILL", MAIN, namespace=stage.namespace)
    await stage.ended(MAIN)
    seen, count = await runner.refresh_cell(cell())
    assert count == 1
    assert {each.name: each.exit_code for each in seen.status.containers} == {"main": 137, "side": None}
    assert await runner.refresh_cell(cell()) == (seen, 0)
    assert await runner.get_container_state(cell(), "main") is model.ContainerState.ERROR
    assert stage.tasks().keys() == {ROOT, SIDE}, "a refresh starts nothing"
    stage.containerd.ctr("tasks", "pause", SIDE, namespace=stage.namespace)
    paused = await runner.populate_and_persist_cell_container_statuses(cell())
    assert {each.name: each.state for each in paused.status.containers}["side"] is model.ContainerState.PAUSED
    assert await runner.get_cell(cell()) == paused, "it is stored"
    stage.containerd.ctr("tasks", "resume", SIDE, namespace=stage.namespace)
    await runner.populate_and_persist_cell_container_statuses(cell())

    os.kill(tasks[ROOT], signal.SIGKILL)
    await stage.ended(ROOT)
    healed, outcome = await runner.reconcile_cell(cell())
    assert outcome.deleted is False
    assert stage.tasks().keys() == {ROOT, SIDE}, "what a running cell owes its workloads is made anew"
    assert stage.tasks()[SIDE] == tasks[SIDE]
    assert await runner.get_cell(cell()) == healed


@pytest.mark.exercises("Runner.reconcile_cell", "ReconcileOutcome")
async def test_a_cell_that_is_over_is_wound_down_or_goes(stage: Place) -> None:
    runner = stage.runner
    await runner.create_cell(cell(container(args=("-c", "exit 3"))))
    await runner.start_cell(cell())
    await stage.ended(MAIN)
    over, outcome = await runner.reconcile_cell(cell())
    assert (over.status.state, outcome) == (model.CellState.ERROR, ReconcileOutcome(updated=True))
    assert over.status.containers[0].exit_code == 3
    assert stage.tasks() == {}, "no root container holds the cell open"
    assert MAIN in stage.records()
    assert await runner.reconcile_cell(cell()) == (over, ReconcileOutcome())
    await runner.delete_cell(cell())

    doc = cell(container(args=("-c", "exit 3")))
    doc = msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, auto_delete=True))
    await runner.create_cell(doc)
    await runner.start_cell(doc)
    await stage.ended(MAIN)
    assert (await runner.reconcile_cell(doc))[1] == ReconcileOutcome(deleted=True)
    assert stage.records() == set()
    assert not stage.cgroup(CELL)
    with pytest.raises(errors.CellNotFound):
        await runner.get_cell(doc)


@pytest.mark.exercises("Runner.start_container")
async def test_a_container_that_an_operator_starts_in_vain_ends_its_cell(stage: Place) -> None:
    runner = stage.runner
    program = Path(stage.options.run_path).parent / "program"
    program.write_text(f"#!/bin/sh\n{SERVES[1]}\n")
    program.chmod(0o755)
    volume = model.VolumeMount(source=str(program), target="/program", read_only=True)
    side = model.ContainerSpec(id="side", image=IMAGE, command="/program", volumes=(volume,))
    await runner.create_cell(cell(container(), side))
    await runner.start_cell(cell())
    await runner.stop_container(cell(), "side")
    assert stage.tasks().keys() == {ROOT, MAIN}
    program.chmod(0o644)
    with pytest.raises(errors.StartContainer, match="side"):
        await runner.start_container(cell(), "side")
    failed = await runner.get_cell(cell())
    assert (failed.status.state, failed.status.reason) == (model.CellState.FAILED, "StartContainerFailed")
    assert stage.tasks() == {}
    program.chmod(0o755)
    assert (await runner.start_cell(cell())).status.state is model.CellState.READY
    assert stage.tasks().keys() == {ROOT, MAIN, SIDE}


@pytest.mark.exercises(
    "Runner.create_container",
    "Runner.ensure_container",
    "Runner.update_container",
    "Runner.start_container",
    "Runner.stop_container",
    "Runner.kill_container",
    "Runner.delete_container",
    "Runner.purge_container",
    "Runner.list_containers",
    "Runner.extract_containers_from_cells",
)
async def test_containers_of_a_cell_live(stage: Place) -> None:
    runner = stage.runner
    with pytest.raises(errors.CellNotFound):
        await runner.create_container(cell(), container("side"))
    await runner.create_cell(cell())
    await runner.start_cell(cell())
    main = stage.tasks()[MAIN]
    grown = await runner.create_container(cell(), container("side"))
    assert [each.id for each in grown.spec.containers] == ["main", "side"]
    assert stage.tasks().keys() == {ROOT, MAIN, SIDE}
    side = stage.tasks()[SIDE]
    assert await runner.ensure_container(cell(), container("side")) == await runner.get_cell(cell())
    assert stage.tasks()[SIDE] == side
    listed = await runner.list_containers("lab", "net", "tier", "web")
    assert listed == runner.extract_containers_from_cells(await runner.list_cells())
    assert [each.id for each in listed] == ["main", "side"]
    assert await runner.list_containers(cell_name="elsewhere") == ()

    await runner.stop_container(cell(), "side")
    assert stage.tasks().keys() == {ROOT, MAIN}
    await runner.start_container(cell(), "side")
    assert stage.tasks().keys() == {ROOT, MAIN, SIDE}
    await runner.kill_container(cell(), "side")
    assert stage.tasks().keys() == {ROOT, MAIN}
    assert SIDE in stage.records()
    with pytest.raises(errors.RootContainerRefused):
        await runner.stop_container(cell(), "root")
    with pytest.raises(errors.ContainerNotFound):
        await runner.start_container(cell(), "nobody")
    with pytest.raises(errors.ContainerNotFound):
        await runner.update_container(cell(), container("nobody"))

    await runner.start_container(cell(), "side")
    changed = await runner.update_container(cell(), container("side", env=("A=1",)))
    assert changed.spec.containers[1].env == ("A=1",)
    again = stage.tasks()[SIDE]
    assert again != side
    changed = await runner.update_container(cell(), container("side", env=("A=1",), restart_policy="always"))
    assert changed.spec.containers[1].restart_policy == "always"
    assert stage.tasks()[SIDE] == again, "what no process is made of changes without a new one"
    await runner.delete_container(cell(), "side")
    assert SIDE not in stage.records()
    assert [each.id for each in (await runner.get_cell(cell())).spec.containers] == ["main"]
    with pytest.raises(errors.ContainerNotFound):
        await runner.delete_container(cell(), "side")
    await runner.purge_container(cell(), "side")
    assert stage.tasks()[MAIN] == main, "nothing of that concerned the other container"

    await runner.ensure_container(cell(), container("side"))
    assert stage.tasks().keys() == {ROOT, MAIN, SIDE}
    await runner.purge_container(cell(), "side")
    assert SIDE not in stage.records()
    assert [each.id for each in (await runner.get_cell(cell())).spec.containers] == ["main"]
