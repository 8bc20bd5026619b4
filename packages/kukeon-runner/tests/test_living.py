"""Cells that live: exits and what follows from them, on a host in memory with a clock of its own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from living_cells import REF, ROOT, A, B, story, until, watching

from kukeon_api import model
from kukeon_runner.observed import Happening
from kukeon_runner.runner.cell import upkeep
from kukeon_runner.testing.cells import NAMESPACE, cell, container
from kukeon_runner.testing.host import Crash, Failure

if TYPE_CHECKING:
    from pathlib import Path


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


async def test_events_bring_a_container_back_without_any_pass(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a", restart_policy="always", restart_backoff_seconds=0))
    async with watching(it.found):
        for count in range(1, 4):
            it.end(A)
            await until(
                lambda count=count: it.status.containers[0].restart_count == count and it.running() == {ROOT, A}
            )


@pytest.mark.parametrize("verb", ["start", "restart", "create"])
async def test_what_a_reboot_took_comes_back_with_whatever_is_started_first(tmp_path: Path, verb: str) -> None:
    """Somebody may be faster than the first look at everything."""
    it = await story(
        tmp_path, container("a"), container("b"), container("off"), container("on", restart_policy="always")
    )
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}

    def single(name: str) -> model.ContainerDoc:
        return model.ContainerDoc(metadata=model.Metadata(name=name), spec=container(name, **place))

    for name in ("off", "on"):
        await it.found.stop_container(single(name))
    it.host.reboot()
    it.host.network = it.host.network.reopened()
    it.restart()
    if verb == "start":
        await it.found.start_container(single("b"))
    elif verb == "restart":
        await it.found.restart_container(single("b"))
    else:
        await it.found.create_container(single("c"))
    await it.look()
    back = {id.rpartition("_")[2] for id in it.running()}
    assert back - {"c"} == {"root", "a", "b", "on"}


async def test_what_is_stopped_after_a_reboot_stays_down(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a"), container("b"))
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}
    it.host.reboot()
    it.host.network = it.host.network.reopened()
    it.restart()
    await it.found.stop_container(model.ContainerDoc(metadata=model.Metadata(name="b"), spec=container("b", **place)))
    await it.look()
    assert it.running() == {ROOT, A}


@pytest.mark.parametrize("failure", [Failure.REFUSED, Failure.LATE])
async def test_what_a_reboot_took_is_tried_again_when_it_does_not_come_back(
    tmp_path: Path, failure: Failure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that boots has much to do at once: what fails now may go in a minute."""
    monkeypatch.setattr(upkeep, "MEND_PAUSE_S", 0.0)
    for number in range(1, 60):
        it = await story(tmp_path / str(number), container("a"), container("b", restart_policy="always"))
        it.host.reboot()
        it.host.network = it.host.network.reopened()
        it.restart()
        with it.host.failing_at(number, failure):
            await it.look()
            last = it.host.faults.done < number
        it.clock.wait(10)
        status = await it.look()
        assert (it.running(), status.state) == ({ROOT, A, B}, model.CellState.READY), number
        if last:
            return
    pytest.fail("it takes more steps than we tried")


async def test_who_comes_back_from_a_reboot_comes_whatever_becomes_of_its_siblings(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a"), container("b", restart_policy="always"), container("c"))
    it.host.reboot()
    it.host.network = it.host.network.reopened()
    it.restart()
    it.host.containers.broken |= {B, "default_default_hello_c"}
    status = await it.look()
    assert it.running() == {ROOT, A}
    _, b, c = status.containers
    assert (b.reason, c.reason, "there is no program" in c.message) == ("RestartFailed", "RestartFailed", True)
    assert (b.next_restart is None, c.next_restart is None) == (False, True)
    it.host.containers.broken.clear()
    it.clock.wait(10)
    await it.look()
    assert it.running() == {ROOT, A, B}


@pytest.mark.parametrize("verb", ["start_container", "restart_container"])
async def test_what_was_begun_is_finished_by_whatever_is_started_first(tmp_path: Path, verb: str) -> None:
    it = await story(tmp_path, container("a"), container("b"))
    with it.host.failing_at(9, Failure.LATE_CRASH), pytest.raises(Crash):
        await it.found.restart_cell(cell("hello"))
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait({task})
    it.host.network = it.host.network.reopened()
    it.restart()
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}
    doc = model.ContainerDoc(metadata=model.Metadata(name="b"), spec=container("b", **place))
    await getattr(it.found, verb)(doc)
    await it.look()
    assert it.running() == {ROOT, A, B}
