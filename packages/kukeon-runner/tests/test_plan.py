"""Whatever a crash, an administrator or another program left of a cell, a plan gets it to where it should be."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from kukeon_api import model
from kukeon_runner import observed, steps
from kukeon_runner.plan import cell as plan
from kukeon_runner.steps import StopTask
from kukeon_runner.testing.cells import NAMESPACE, cell, container, prepared
from kukeon_runner.testing.host import START, FakeHost

if TYPE_CHECKING:
    from kukeon_runner.controller import Controller

DOC = cell("hello", container("a"), container("b"))
IDS = [f"default_default_hello_{name}" for name in ("root", "a", "b", "stray")]
STATUSES = [None, *observed.TaskStatus]


@dataclasses.dataclass(frozen=True)
class Damage:
    """What has happened to the host of a running cell."""

    unpinned: bool
    unmounted: bool
    uncgrouped: bool
    network: str
    records: tuple[str, ...]
    tasks: tuple[observed.TaskStatus | None, ...]


damages = st.builds(
    Damage,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["attached", "residue", "gone"]),
    st.tuples(*[st.sampled_from(["kept", "changed", "gone"])] * len(IDS)),
    st.tuples(*[st.sampled_from(STATUSES)] * len(IDS)),
)


def inflict(host: FakeHost, damage: Damage) -> None:
    if damage.unpinned:
        host.kernel.pins.clear()
    if damage.unmounted:
        host.kernel.shms.clear()
    if damage.uncgrouped:
        host.kernel.cgroups = {each for each in host.kernel.cgroups if not each.endswith("/hello")}
    if damage.network != "attached":
        host.network.addresses.clear()
    if damage.network == "residue":
        host.network.residue.add(IDS[0])
    stray = dataclasses.replace(host.containers.records[NAMESPACE, IDS[1]], id=IDS[3])
    host.containers.records[NAMESPACE, IDS[3]] = stray
    for id, record, status in zip(IDS, damage.records, damage.tasks, strict=True):
        key = (NAMESPACE, id)
        if status is None or record == "gone":
            host.containers.tasks.pop(key, None)
        else:
            ended = observed.Exit(1, START) if status is observed.TaskStatus.STOPPED else None
            host.containers.tasks[key] = observed.Task(status, 1, ended)
        if record == "gone":
            del host.containers.records[key]
        elif record == "changed":
            step = host.containers.records[key]
            labels = dict(step.labels) | {"kukeon.io/spec-hash": "0-old"}
            host.containers.records[key] = dataclasses.replace(step, labels=tuple(sorted(labels.items())))


async def after(damage: Damage, run_path: Path) -> tuple[Controller, FakeHost, dict[str, object]]:
    host = FakeHost()
    found = await prepared(host, run_path)
    clean = host.traces()
    await found.create_cell(DOC)
    inflict(host, damage)
    return found, host, clean


@given(damages)
@settings(max_examples=60)
def test_start_repairs_anything_and_then_has_nothing_to_do(damage: Damage) -> None:
    async def story(run_path: Path) -> None:
        found, host, _ = await after(damage, run_path)
        started = await found.start_cell(DOC)
        assert started.cell.status.state is model.CellState.READY
        statuses = {id: task.status for (_, id), task in host.containers.tasks.items() if id in IDS[:3]}
        assert all(status in (observed.TaskStatus.RUNNING, "paused", "pausing") for status in statuses.values())
        assert len(statuses) == 3
        assert {id for _, id in host.containers.records} == set(IDS[:3])
        host.faults.log.clear()
        assert (await found.start_cell(DOC)).started is False
        assert host.faults.log == []

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(story(Path(directory)))


@given(damages)
@settings(max_examples=40)
def test_delete_leaves_nothing_of_anything(damage: Damage) -> None:
    async def story(run_path: Path) -> None:
        found, host, clean = await after(damage, run_path)
        await found.delete_cell(DOC)
        assert host.traces() == clean

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(story(Path(directory)))


def test_steps_are_values_so_that_a_plan_can_be_compared() -> None:
    assert steps.MakeCgroup("/a") == steps.MakeCgroup("/a")
    assert len({steps.MakeCgroup("/a"), steps.MakeCgroup("/a")}) == 1


def test_a_terminal_is_hung_up_unless_the_image_says_how_its_program_ends() -> None:
    async def story(run_path: Path) -> None:
        host = FakeHost()
        found = await prepared(host, run_path)
        await found.create_cell(DOC)
        site = found.runner.cells.site(model.ref_of(DOC))
        running = observed.TaskStatus.RUNNING
        seen = observed.Cell(
            containers={
                IDS[0]: observed.Container(recorded=True, task=observed.Task(running)),
                IDS[1]: observed.Container(recorded=True, task=observed.Task(running, terminal=True)),
                IDS[2]: observed.Container(
                    recorded=True, stop_signal="SIGQUIT", task=observed.Task(running, terminal=True)
                ),
            }
        )
        told = {each.id: (each.signal, each.hang_up) for each in plan.stop(site, seen) if isinstance(each, StopTask)}
        assert told == {IDS[0]: ("SIGTERM", False), IDS[1]: ("SIGTERM", True), IDS[2]: ("SIGQUIT", False)}
        assert not any(each.hang_up for each in plan.kill(site, seen) if isinstance(each, StopTask))

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(story(Path(directory)))
