"""Laws of a cell's life: whatever happens to it in whatever order, it is told truly and comes to where it should be."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from living_cells import REF, Story, story

from kukeon_api import endings, errors, model, restarts
from kukeon_runner.observed import TaskStatus
from kukeon_runner.testing.cells import IMAGE, NAMESPACE, cell, container
from kukeon_runner.testing.host import Crash, Failure

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Doing = tuple[str, str]
    """What happens, and to which container where that matters."""

NAMES = ("always", "retried", "once")
PLACE = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}
TOLD = (endings.ASKED_TO_END, "StartContainerFailed")
"""Reasons of containers that do not come back by themselves: who asked knows."""
RUNNING, STOPPED = model.DesiredState.RUNNING, model.DesiredState.STOPPED


def id_of(name: str) -> str:
    return f"default_default_hello_{name}"


def single(name: str) -> model.ContainerDoc:
    return model.ContainerDoc(metadata=model.Metadata(name=name), spec=container(name, **PLACE))


def containers(changed: str = "") -> tuple[model.ContainerSpec, ...]:
    fields = {
        "always": {"restart_policy": "always"},
        "retried": {"restart_policy": "on-failure", "restart_max_retries": 2},
        "once": {"ports": ("8080:80",)},
    }
    return tuple(container(name, **fields[name], env=("NEW=1",) if name == changed else ()) for name in NAMES)


VERBS: dict[str, Callable[[Story, str], Awaitable[object]]] = {
    "start": lambda it, _: it.found.start_cell(cell("hello")),
    "stop": lambda it, _: it.found.stop_cell(cell("hello")),
    "kill": lambda it, _: it.found.kill_cell(cell("hello")),
    "restart": lambda it, _: it.found.restart_cell(cell("hello")),
    "start one": lambda it, name: it.found.start_container(single(name)),
    "stop one": lambda it, name: it.found.stop_container(single(name)),
    "kill one": lambda it, name: it.found.kill_container(single(name)),
    "restart one": lambda it, name: it.found.restart_container(single(name)),
    "change one": lambda it, name: it.found.runner.cells.apply(cell("hello", *containers(name))),
    "look": lambda it, _: it.found.reconcile(),
}


def put(it: Story, name: str, status: TaskStatus) -> None:
    key = NAMESPACE, id_of(name)
    if (task := it.host.containers.tasks.get(key)) is not None and task.status is not TaskStatus.STOPPED:
        it.host.containers.tasks[key] = dataclasses.replace(task, status=status)


def end(it: Story, name: str, code: int) -> None:
    task = it.host.containers.tasks.get((NAMESPACE, id_of(name)))
    if task is not None and task.status is TaskStatus.RUNNING:
        it.end(id_of(name), code)


def restart(it: Story, _: str = "") -> None:
    it.host.network = it.host.network.reopened()
    it.restart()


def reboot(it: Story, _: str) -> None:
    it.host.reboot()
    restart(it)


CHANCES: dict[str, Callable[[Story, str], object]] = {
    "it ends well": lambda it, name: end(it, name, 0),
    "it fails": lambda it, name: end(it, name, 3),
    "its shim dies": lambda it, name: it.host.containers.tasks.pop((NAMESPACE, id_of(name)), None),
    "the root's shim dies": lambda it, _: it.host.containers.tasks.pop((NAMESPACE, id_of("root")), None),
    "its snapshot goes": lambda it, name: it.host.containers.snapshots.discard((NAMESPACE, id_of(name))),
    "it is paused": lambda it, name: put(it, name, TaskStatus.PAUSED),
    "it goes on": lambda it, name: put(it, name, TaskStatus.RUNNING),
    "its program is gone": lambda it, name: it.host.containers.broken.add(id_of(name)),
    "its program is back": lambda it, name: it.host.containers.broken.discard(id_of(name)),
    "kukeond is restarted": restart,
    "the machine is rebooted": reboot,
    "images are gone": lambda it, _: it.host.images.present.clear(),
    "images are back": lambda it, _: it.host.images.add(NAMESPACE, IMAGE),
    "a moment passes": lambda it, _: it.clock.wait(3),
    "minutes pass": lambda it, _: it.clock.wait(400),
    "the clock is set back": lambda it, _: it.clock.wait(-7200),
}

doings = st.tuples(st.sampled_from([*VERBS, *CHANCES]), st.sampled_from(NAMES))
mishaps = st.none() | st.tuples(st.integers(1, 25), st.sampled_from(Failure))


async def do(it: Story, doing: Doing, mishap: tuple[int, Failure] | None) -> None:
    what, name = doing
    if what in CHANCES:
        CHANCES[what](it, name)
        return
    if mishap is None:
        mishap = (10**6, Failure.REFUSED)
    with it.host.failing_at(*mishap):
        try:
            await VERBS[what](it, name)
        except Crash:
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                await asyncio.wait({task})
            restart(it)
        except errors.KukeonError:
            pass  # what it says is for a person; what it left is looked at below


def check_words(status: model.CellStatus) -> None:
    """What is stored of a container makes sense, whenever one looks."""
    for each in status.containers:
        if each.state is model.ContainerState.READY:
            assert each.start_time is not None, each
            assert (each.exit_code, each.exit_signal, each.finish_time) == (None, "", None), each
            assert each.reason in ("", endings.ASKED_TO_END), each
        if each.state in (model.ContainerState.ERROR, model.ContainerState.EXITED):
            assert each.finish_time is not None, each
        if each.exit_code is not None:
            assert each.finish_time is not None, each
        assert each.restart_attempts >= 0 <= each.restart_count


async def settle(it: Story) -> model.CellStatus:
    """Have everything done that is to be done, with a host on which all goes well."""
    it.host.containers.broken.clear()
    it.host.images.add(NAMESPACE, IMAGE)
    restart(it)  # by its own clock, it pauses after repairs that failed
    for name in NAMES:
        put(it, name, TaskStatus.RUNNING)
    for _ in range(6):
        it.clock.wait(400)
        await it.look()
    return it.status


async def check_settled(it: Story, status: model.CellStatus, *, stopped: bool) -> None:
    """Everything is as it is wanted; of a cell that was `stopped` or failed as a whole, people say what is wanted."""
    it.host.faults.log.clear()
    before = it.found.runner.cells.get(REF)
    await it.look()
    assert it.found.runner.cells.get(REF) == before, "a look at what is settled changes nothing"
    assert not [each for each in it.host.faults.log if "hello" in each]
    running, policies = it.running(), {each.id: each.restart_policy for each in containers()}
    assert restarts.next_due(status) is None
    if status.desired is STOPPED or status.state is model.CellState.FAILED:
        assert not running, status
    for each in status.containers:
        assert (each.state is model.ContainerState.READY) is (id_of(each.name) in running), each
        free = status.desired is RUNNING and status.state is not model.CellState.FAILED and not stopped
        if free and policies[each.name] == "always" and each.reason not in TOLD:
            assert id_of(each.name) in running, status
    if running:
        assert id_of("root") in running
        assert it.host.network.wall.published, "its port is open"
    elif status.desired is STOPPED or status.state is not model.CellState.STOPPED:
        # Else its containers were stopped one by one, and it waits for them.
        held = (it.host.kernel.pins, it.host.network.addresses, it.host.network.wall.published)
        assert not any(held), status


@settings(max_examples=25, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(doings, mishaps), min_size=1, max_size=10))
def test_a_cell_comes_to_where_it_should_be_whatever_happens(
    life: list[tuple[Doing, tuple[int, Failure] | None]],
) -> None:
    async def live(run_path: Path) -> None:
        it, stopped = await story(run_path, *containers()), False
        for doing, mishap in life:
            counts = {each.name: each.restart_count for each in it.status.containers}
            await do(it, doing, mishap)
            check_words(it.status)
            stopped |= doing[0] in ("stop", "kill") or it.status.state is model.CellState.FAILED
            for each in it.status.containers:
                assert each.restart_count >= counts.get(each.name, 0)
        await check_settled(it, await settle(it), stopped=stopped)
        # And from there everything goes as it always does.
        await it.found.start_cell(cell("hello"))
        assert it.running() == {id_of(name) for name in (*NAMES, "root")}
        assert it.status.state is model.CellState.READY
        await it.found.delete_cell(cell("hello"))
        left = it.host.traces()
        assert not any(
            left[kind] for kind in ("pins", "shms", "attachments", "residue", "records", "snapshots", "tasks")
        )

    with tempfile.TemporaryDirectory() as run_path:
        asyncio.run(live(Path(run_path)))
