"""Cells that live: exits and what follows from them, on a host in memory with a clock of its own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from kukeon_api import errors, model
from kukeon_runner.observed import Happening
from kukeon_runner.testing.cells import NAMESPACE, cell, container, controller, prepared
from kukeon_runner.testing.host import FakeHost, FakeProgram
from kukeon_runner.verbs import ReconcileOutcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from kukeon_runner.controller import Controller

A, B, ROOT = (f"default_default_hello_{name}" for name in ("a", "b", "root"))
REF = model.Ref("default", "default", "default", "hello")


class Clock:
    def __init__(self) -> None:
        self.time = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        self.time += dt.timedelta(microseconds=1)
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += dt.timedelta(seconds=seconds)


class Story:
    def __init__(self, host: FakeHost, run_path: Path, clock: Clock, found: Controller) -> None:
        self.host, self.run_path, self.clock, self.found = host, run_path, clock, found

    async def look(self) -> model.CellStatus:
        await self.found.reconcile()
        return self.status

    @property
    def status(self) -> model.CellStatus:
        return self.found.runner.cells.get(REF).status

    def end(self, id: str, code: int = 1) -> None:
        self.host.containers.end(NAMESPACE, id, code)

    def pid(self, id: str) -> int:
        return self.host.containers.tasks[NAMESPACE, id].pid

    def running(self) -> set[str]:
        return {id for (_, id), task in self.host.containers.tasks.items() if task.status == "running"}

    def restart(self) -> None:
        """Have another kukeond."""
        self.found = controller(self.host, self.run_path, now=self.clock)


async def story(tmp_path: Path, *containers: model.ContainerSpec, **spec: Any) -> Story:
    host, clock = FakeHost(), Clock()
    host.containers.now = clock
    found = Story(host, tmp_path, clock, await prepared(host, tmp_path, now=clock))
    doc = cell("hello", *containers)
    await found.found.create_cell(type(doc)(metadata=doc.metadata, spec=replaced(doc.spec, **spec)))
    return found


def replaced(spec: model.CellSpec, **fields: Any) -> model.CellSpec:
    return msgspec.structs.replace(spec, **fields)


async def test_a_container_comes_back_by_its_policy_and_its_siblings_notice_nothing(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a", restart_policy="always"), container("b"))
    before, sibling = it.pid(A), it.pid(B)
    it.end(A, 3)
    status = await it.look()
    assert it.running() == {ROOT, A, B}
    assert (it.pid(A) != before, it.pid(B)) == (True, sibling)
    assert status.state is model.CellState.READY
    (a, b) = status.containers
    assert (a.restart_count, a.restart_attempts, b.restart_count) == (1, 1, 0)
    assert a.restart_time is not None


async def test_in_between_the_cell_is_degraded_and_each_pause_is_longer(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a", restart_policy="always"), container("b"))
    it.end(A)
    await it.look()
    for pause in (1, 2, 4):
        it.end(A)
        status = await it.look()
        assert (status.state, it.running()) == (model.CellState.DEGRADED, {ROOT, B})
        it.clock.wait(pause * 0.9)
        await it.look()
        assert it.running() == {ROOT, B}
        it.clock.wait(pause * 0.3)
        status = await it.look()
        assert (status.state, it.running()) == (model.CellState.READY, {ROOT, A, B})
    it.clock.wait(61)
    it.end(A)
    await it.look()
    assert it.running() == {ROOT, A, B}


async def test_what_was_counted_outlives_kukeond(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a", restart_policy="always"))
    for _ in range(2):
        it.end(A)
        await it.look()
    assert it.status.containers[0].next_restart is not None
    it.restart()
    await it.look()
    assert it.running() == {ROOT}
    it.clock.wait(1.2)
    assert (await it.look()).containers[0].restart_count == 2


async def test_a_start_again_that_fails_leaves_the_siblings_alone_and_is_tried_again(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a", restart_policy="on-failure"), container("b"))
    it.host.containers.broken.add(A)
    it.end(A)
    status = await it.look()
    assert (status.state, it.running()) == (model.CellState.DEGRADED, {ROOT, B})
    assert status.containers[0].reason == "RestartFailed"
    it.host.containers.broken.clear()
    it.clock.wait(1.2)
    status = await it.look()
    assert (status.state, status.containers[0].reason, it.running()) == (model.CellState.READY, "", {ROOT, A, B})


async def test_failures_in_a_row_are_given_up_and_the_cell_is_wound_down(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a", restart_policy="on-failure", restart_max_retries=2))
    for _ in range(3):
        it.end(A, 7)
        await it.look()
        it.clock.wait(10)
        await it.look()
    status = it.status
    assert (status.state, status.containers[0].reason) == (model.CellState.ERROR, "RestartsGivenUp")
    assert (status.containers[0].exit_code, it.running()) == (7, set())
    assert (await it.found.start_cell(cell("hello"))).cell.status.state is model.CellState.READY


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


async def test_a_reboot_brings_back_what_ran_and_leaves_what_was_ended(tmp_path: Path) -> None:
    it = await story(
        tmp_path, container("a"), container("b"), container("done"), container("always", restart_policy="always")
    )
    stopped = cell("other")
    await it.found.create_cell(stopped)
    await it.found.stop_cell(stopped)
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}
    for name in ("b", "always"):
        spec = container(name, **place)
        await it.found.stop_container(model.ContainerDoc(metadata=model.Metadata(name=name), spec=spec))
    it.end("default_default_hello_done", 0)
    await it.look()
    it.host.reboot()
    it.restart()
    await it.found.refresh_all()  # looking alone must not make it forgotten
    status = await it.look()
    assert it.running() == {ROOT, A, "default_default_hello_always"}
    assert status.state is model.CellState.READY
    states = {each.name: each.state for each in status.containers}
    assert (states["b"], states["done"]) == (model.ContainerState.STOPPED, model.ContainerState.EXITED)
    assert (await it.found.get_cell(stopped)).cell.status.state is model.CellState.STOPPED


async def test_memory_that_ran_out_is_told(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a"), container("b"))
    async with watching(it.found):
        it.host.containers.run_out_of_memory(NAMESPACE, A)
        await until(lambda: it.status.containers[0].state is model.ContainerState.ERROR)
    (a, b) = it.status.containers
    assert (a.oom_killed, a.reason, a.exit_code, b.oom_killed) == (True, "OOMKilled", 137, False)
    again = await it.found.start_cell(cell("hello"))
    assert (again.cell.status.containers[0].oom_killed, again.cell.status.containers[0].reason) == (False, "")


async def test_of_memory_that_ran_out_elsewhere_a_later_end_is_not_blamed(tmp_path: Path) -> None:
    """The kernel may have killed a child of the program, or be told of late, when the program runs again."""
    it = await story(tmp_path, container("a", restart_policy="always"), container("b"))
    async with watching(it.found):
        it.host.containers.run_out_of_memory(NAMESPACE, A)
        await until(lambda: it.status.containers[0].restart_count == 1 and it.running() == {ROOT, A, B})
        it.host.containers._tell((NAMESPACE, A), Happening.OUT_OF_MEMORY)
        it.host.containers._tell((NAMESPACE, B), Happening.OUT_OF_MEMORY)
        await until(lambda: it.status.containers[1].oom_killed)
        it.end(B, 0)
        await until(lambda: it.status.containers[1].state is model.ContainerState.EXITED)
    b = it.status.containers[1]
    assert (b.exit_code, b.reason, b.oom_killed) == (0, "", True), "it ended well, whatever became of its children"


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


async def test_a_cgroup_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a"))
    it.end(A, 0)
    await it.look()
    cgroup = it.status.cgroup_path
    it.host.kernel.cgroups.discard(cgroup)
    assert (await it.found.refresh_all()).cells_updated == (str(REF),)
    assert (it.status.state, it.status.cgroup_ready) == (model.CellState.UNKNOWN, False)
    status = await it.look()
    assert (status.state, status.cgroup_ready) == (model.CellState.EXITED, True)
    assert cgroup in it.host.kernel.cgroups


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


async def test_policies_tell_what_a_reboot_brings_back(tmp_path: Path) -> None:
    policies = ("no", "on-failure", "always", "unless-stopped")
    names = [(policy, what) for policy in policies for what in ("runs", "asked")]
    it = await story(tmp_path, *(container(f"{policy}-{what}", restart_policy=policy) for policy, what in names))
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}
    for policy in policies:
        spec = container(f"{policy}-asked", **place)
        await it.found.stop_container(model.ContainerDoc(metadata=model.Metadata(name=spec.id), spec=spec))
    it.host.reboot()
    it.restart()
    await it.look()
    back = {id.rpartition("_")[2] for id in it.running()} - {"root"}
    assert back == {*(f"{policy}-runs" for policy in policies), "always-asked"}


@pytest.mark.parametrize(("policy", "comes"), [("always", True), ("unless-stopped", False), ("", False)])
async def test_a_reboot_of_a_cell_whose_only_container_an_operator_ended(
    tmp_path: Path, policy: str, comes: bool
) -> None:
    it = await story(tmp_path, container("a", restart_policy=policy))
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}
    doc = model.ContainerDoc(metadata=model.Metadata(name="a"), spec=container("a", **place))
    await it.found.stop_container(doc)
    await it.look()
    assert A not in it.running(), "until then it stays down"
    it.host.reboot()
    it.restart()
    for _ in range(2):
        await it.look()
    assert (A in it.running()) is comes


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


async def test_events_bring_a_container_back_without_any_pass(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a", restart_policy="always", restart_backoff_seconds=0))
    async with watching(it.found):
        for count in range(1, 4):
            it.end(A)
            await until(
                lambda count=count: it.status.containers[0].restart_count == count and it.running() == {ROOT, A}
            )


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def watching(found: Controller) -> AsyncIterator[None]:
    task = asyncio.create_task(found.watch_events())
    for _ in range(200):
        await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
