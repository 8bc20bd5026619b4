"""A start that kukeond tries and that fails: what runs beside it notices nothing, and it is tried again."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from living_cells import ROOT, A, B, story

from kukeon_api import errors, model
from kukeon_runner.observed import TaskStatus
from kukeon_runner.testing.cells import IMAGE, NAMESPACE, cell, container
from kukeon_runner.testing.host import Failure

if TYPE_CHECKING:
    from pathlib import Path

    from living_cells import Story

C = "default_default_hello_c"


async def published(tmp_path: Path) -> Story:
    """A cell with a port on the host and one beside it that knows it by name."""
    it = await story(tmp_path, container("a", restart_policy="always"), container("b", ports=("8080:80",)))
    await it.found.create_cell(cell("peer", container("web")))
    assert is_known(it)
    return it


def is_known(it: Story) -> bool:
    """Whether the port is open, and the other cell finds this one."""
    (hosts,) = (text for path, text in it.host.kernel.files.items() if "peer" in path and path.endswith("hosts"))
    return [each.port.host for each in it.host.network.wall.published] == [8080] and "hello" in hosts


async def test_a_start_again_that_fails_keeps_the_ports_and_the_name_of_the_cell(tmp_path: Path) -> None:
    it = await published(tmp_path)
    it.host.containers.broken.add(A)
    it.end(A)
    await it.look()
    assert it.running() >= {ROOT, B}
    assert is_known(it)


async def test_a_new_container_that_does_not_start_keeps_the_ports_and_the_name_of_the_cell(tmp_path: Path) -> None:
    it = await published(tmp_path)
    it.host.containers.broken.add(C)
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}
    doc = model.ContainerDoc(metadata=model.Metadata(name="c"), spec=container("c", ports=("9090:90",), **place))
    with pytest.raises(errors.StartContainer):
        await it.found.create_container(doc)
    assert it.running() >= {ROOT, A, B}
    assert is_known(it)


async def test_a_repair_that_fails_keeps_the_ports_and_the_name_of_the_cell(tmp_path: Path) -> None:
    it = await published(tmp_path)
    del it.host.containers.tasks[NAMESPACE, ROOT]
    it.host.containers.broken.add(ROOT)
    await it.look()
    assert it.running() >= {A, B}
    assert is_known(it)


@pytest.mark.parametrize("failure", [Failure.REFUSED, Failure.LATE])
@pytest.mark.parametrize("way", ["ends", "is lost"])
@pytest.mark.parametrize("policy", ["always", "on-failure"])
async def test_a_failure_at_any_step_is_tried_again(tmp_path: Path, failure: Failure, way: str, policy: str) -> None:
    """Also when it comes between the removal of what it was made of, and making that anew."""
    for number in range(1, 60):
        it = await story(tmp_path / str(number), container("a", restart_policy=policy), container("b"))
        it.host.containers.snapshots.discard((NAMESPACE, A))
        if way == "is lost":
            del it.host.containers.tasks[NAMESPACE, A]
        else:
            it.end(A)
        with it.host.failing_at(number, failure):
            before = await it.look()
            last = it.host.faults.done < number
        assert before.state in (model.CellState.READY, model.CellState.DEGRADED), number
        for _ in range(2):
            it.clock.wait(10)
            await it.look()
        assert (it.running(), it.status.state) == ({ROOT, A, B}, model.CellState.READY), number
        if last:
            return
    pytest.fail("it takes more steps than we tried")


async def test_who_is_alone_and_is_to_be_made_again_leaves_its_cell_degraded(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a", restart_policy="always", image_pull_policy="Never"))
    it.host.containers.snapshots.discard((NAMESPACE, A))
    del it.host.images.present[NAMESPACE, IMAGE]
    it.end(A)
    for _ in range(2):
        status = await it.look()
        assert (status.state, status.containers[0].reason) == (model.CellState.DEGRADED, "RestartFailed")
        it.clock.wait(10)
    it.host.images.add(NAMESPACE, IMAGE)
    assert (await it.look()).state is model.CellState.READY


async def test_who_was_lost_and_is_given_up_is_over(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a", restart_policy="on-failure", restart_max_retries=1))
    it.host.containers.broken.add(A)
    del it.host.containers.tasks[NAMESPACE, A]
    for _ in range(4):
        await it.look()
        it.clock.wait(10)
    status = it.status
    assert (status.state, status.containers[0].reason) == (model.CellState.ERROR, "RestartsGivenUp")
    assert "None" not in status.message
    assert it.running() == set()


async def test_a_pause_counts_in_one_run_only(tmp_path: Path) -> None:
    it = await story(tmp_path, container("a", restart_policy="always"))
    began = it.status.containers[0].start_time
    for status in (TaskStatus.PAUSED, TaskStatus.UNKNOWN):
        for now in (status, TaskStatus.RUNNING):
            task = it.host.containers.tasks[NAMESPACE, A]
            it.host.containers.tasks[NAMESPACE, A] = dataclasses.replace(task, status=now)
            it.clock.wait(40)
            await it.look()
        assert it.status.containers[0].start_time == began


async def test_a_clock_that_is_set_back_holds_nobody_up(tmp_path: Path) -> None:
    """As when a machine takes its clock's local time for UTC until the network tells."""
    it = await story(tmp_path, container("a", restart_policy="always"))
    for _ in range(2):
        it.end(A)
        await it.look()
    assert it.running() == {ROOT}
    it.clock.wait(-7200)
    await it.look()
    it.clock.wait(2)
    await it.look()
    assert it.running() == {ROOT, A}
