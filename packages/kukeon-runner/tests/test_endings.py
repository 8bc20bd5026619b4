"""Cells that end: how they are wound down, which of them go, and what stays known."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from living_cells import REF, ROOT, A, B, replaced, story, until, watching

from kukeon_api import errors, model
from kukeon_runner.observed import Happening
from kukeon_runner.testing.cells import NAMESPACE, cell, container, prepared
from kukeon_runner.testing.host import FakeHost, FakeProgram
from kukeon_runner.verbs import ReconcileOutcome

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("code", "state"), [(0, model.CellState.EXITED), (9, model.CellState.ERROR)])
async def test_a_cell_whose_work_is_done_is_wound_down_and_keeps_what_is_known(
    tmp_path: Path, code: int, state: model.CellState
) -> None:
    it = await story(tmp_path, container("a"), container("b"))
    it.end(A, code)
    await it.look()
    assert it.running() == {ROOT, B}
    it.end(B, 0)
    for _ in range(3):
        status = await it.look()
        assert (status.state, [each.exit_code for each in status.containers]) == (state, [code, 0])
    assert (it.running(), it.host.kernel.pins, it.host.network.addresses) == (set(), {}, {})
    assert {id for _, id in it.host.containers.records} == {A, B, ROOT}
    it.restart()
    assert (await it.look()).state is state
    started = await it.found.start_cell(cell("hello"))
    assert (started.cell.status.state, it.running()) == (model.CellState.READY, {ROOT, A, B})


async def test_a_killed_cell_is_left_to_be_looked_at(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a", restart_policy="always"))
    await it.found.kill_cell(cell("hello"))
    for _ in range(2):
        assert (await it.look()).state is model.CellState.STOPPED
    assert {id for _, id in it.host.containers.tasks} == {A, ROOT}


@pytest.mark.parametrize("code", [0, 5])
async def test_auto_delete_takes_what_has_ended_whatever_its_code(tmp_path: Path, code: int) -> None:
    it = await story(tmp_path, container("a"), container("b"), auto_delete=True)
    clean = it.host.traces()
    it.end(A, 0)
    await it.look()
    it.end(B, code)
    doc, outcome = await it.found.runner.cells.reconcile(REF)
    assert (doc, outcome) == (None, ReconcileOutcome(deleted=True))
    assert it.found.runner.cells.find(REF) is None
    left = it.host.traces()
    assert (left["records"], left["tasks"], left["pins"], left["snapshots"]) == (set(), {}, {}, set())
    assert clean != left


async def test_a_program_that_is_done_at_once_counts_as_one_that_ran(tmp_path: Path) -> None:
    host = FakeHost()
    host.containers.programs["true",] = FakeProgram(exits=0)
    found = await prepared(host, tmp_path)
    doc = cell("hello", container("a", command="true"))
    await found.create_cell(doc)
    await found.reconcile()
    assert found.runner.cells.get(REF).status.state is model.CellState.EXITED
    assert host.kernel.pins == {}
    await found.delete_cell(doc)
    await found.create_cell(type(doc)(metadata=doc.metadata, spec=replaced(doc.spec, auto_delete=True)))
    await found.reconcile()
    assert found.runner.cells.find(REF) is None


async def test_auto_delete_takes_what_an_operator_stopped(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a"), auto_delete=True)
    await it.found.stop_cell(cell("hello"))
    await it.found.reconcile()
    assert it.found.runner.cells.find(REF) is None


async def test_auto_delete_waits_for_restarts(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a", restart_policy="on-failure"), auto_delete=True)
    it.end(A, 1)
    await it.look()
    it.end(A, 1)
    assert (await it.look()).state is model.CellState.DEGRADED
    it.clock.wait(2)
    await it.look()
    it.end(A, 0)
    await it.found.reconcile()
    assert it.found.runner.cells.find(REF) is None


async def test_one_that_never_was_ready_is_not_taken(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    host.containers.broken.add(A)
    doc = cell("hello", container("a"))
    with pytest.raises(errors.StartContainer):
        await found.create_cell(type(doc)(metadata=doc.metadata, spec=replaced(doc.spec, auto_delete=True)))
    await found.reconcile()
    assert found.runner.cells.get(REF).status.state is model.CellState.FAILED


async def test_a_failed_removal_keeps_the_cell_and_is_told(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a"), auto_delete=True)
    it.end(A, 0)
    with it.host.failing_at(1), pytest.raises(errors.HostError):
        await it.found.runner.cells.reconcile(REF)
    assert it.found.runner.cells.find(REF) is not None
    await it.found.reconcile()
    assert it.found.runner.cells.find(REF) is None


async def test_auto_delete_takes_what_was_ready_and_failed(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a"), container("b"), auto_delete=True)
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}
    doc = model.ContainerDoc(metadata=model.Metadata(name="b"), spec=container("b", **place))
    await it.found.stop_container(doc)
    it.host.containers.broken.add(B)
    with pytest.raises(errors.StartContainer):
        await it.found.start_container(doc)
    assert it.status.state is model.CellState.FAILED
    await it.found.reconcile()
    assert it.found.runner.cells.find(REF) is None
    assert it.running() == set()


async def test_a_stop_keeps_code_signal_and_time_of_every_program(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a"), container("b", command="deaf"), container("c", restart_policy="always"))
    it.host.containers.programs["deaf",] = FakeProgram(stubborn=True)
    it.end("default_default_hello_c", 4)
    it.clock.wait(10)
    before = it.clock.time
    status = (await it.found.stop_cell(cell("hello"))).cell.status
    told = {each.name: (each.state, each.exit_code, each.exit_signal) for each in status.containers}
    stopped = model.ContainerState.STOPPED
    assert told == {"a": (stopped, 0, ""), "b": (stopped, 137, "SIGKILL"), "c": (stopped, 4, "")}
    times = {each.name: each.finish_time for each in status.containers}
    assert all(times.values())
    assert times["c"] < before < min(times["a"], times["b"])  # type: ignore[operator]
    it.restart()
    assert (await it.look()).containers == status.containers


async def test_an_exit_is_known_even_when_somebody_else_removed_the_task(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a"), container("b"))
    async with watching(it.found):
        async with it.found.runner.context.lock(REF):
            it.end(A, 42)
            del it.host.containers.tasks[NAMESPACE, A]
            for _ in range(5):
                await asyncio.sleep(0)
        await until(lambda: it.status.containers[0].exit_code == 42)
        it.end(B, 0)
        await until(lambda: it.status.state is model.CellState.ERROR)
    assert [each.exit_code for each in it.status.containers] == [42, 0]


async def test_memory_that_ran_out_is_of_the_run_that_it_ended(tmp_path: Path) -> None:
    """Also when a look at the cell is waiting already: the next run must not be blamed."""
    it = await story(tmp_path, container("a", restart_policy="always"), container("b"))
    async with watching(it.found):
        async with it.found.runner.context.lock(REF):
            it.host.containers._tell((NAMESPACE, B), Happening.STARTED)
            for _ in range(20):
                await asyncio.sleep(0)
            it.host.containers.run_out_of_memory(NAMESPACE, A)
            for _ in range(20):
                await asyncio.sleep(0)
        await until(lambda: it.status.containers[0].restart_count == 1 and it.running() == {ROOT, A, B})
        it.end(A, 1)
        await until(lambda: it.status.containers[0].exit_code == 1)
    (a, _) = it.status.containers
    assert (a.oom_killed, a.reason) == (False, "")
