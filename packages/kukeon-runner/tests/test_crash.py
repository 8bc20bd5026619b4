"""A daemon that dies in the middle of anything: the next one finishes what is asked again, and nothing is left over."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner.testing.cells import IMAGE, NAMESPACE, cell, container, controller
from kukeon_runner.testing.host import Crash, Failure, FakeHost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from kukeon_runner.controller import Controller

    Verb = Callable[[Controller], Awaitable[object]]

CELL = cell("hello", container("a"), container("b"))
SMALLER = cell("hello", container("a", env=("A=1",)))
ROOTED = cell("hello", container("a", root=True), container("b"))
REF = model.ref_of(CELL)
MOST_STEPS = 80


async def applied(found: Controller, doc: model.CellDoc = CELL) -> object:
    """Apply to where there is nothing, not even a realm."""
    (result,) = (await found.apply_documents(manifest.dump([doc]).encode())).resources
    if result.action is model.ApplyAction.FAILED:
        raise errors.HostError(result.error)
    return result


async def delete_realm(found: Controller) -> object:
    return await found.delete_realm(model.RealmDoc(metadata=model.Metadata(name="default")), False, True)


VERBS: dict[str, Verb] = {
    "apply": applied,
    "apply smaller": lambda found: applied(found, SMALLER),
    "apply rooted": lambda found: applied(found, ROOTED),
    "start": lambda found: found.start_cell(CELL),
    "stop": lambda found: found.stop_cell(CELL),
    "kill": lambda found: found.kill_cell(CELL),
    "restart": lambda found: found.restart_cell(CELL),
    "start container": lambda found: found.start_container(single("b")),
    "restart container": lambda found: found.restart_container(single("b")),
    "stop container": lambda found: found.stop_container(single("b")),
    "create container": lambda found: found.create_container(single("c")),
    "delete container": lambda found: found.delete_container(single("b")),
    "delete": lambda found: found.delete_cell(CELL),
    "purge": lambda found: found.purge_cell(CELL),
    "delete realm": delete_realm,
}


def single(id: str) -> model.ContainerDoc:
    spec = container(id, realm_id="default", space_id="default", stack_id="default", cell_id="hello")
    return model.ContainerDoc(metadata=model.Metadata(name=id), spec=spec)


async def before(verb: str, host: FakeHost, run_path: Path) -> Controller:
    found = controller(host, run_path)
    host.images.add(NAMESPACE, IMAGE)
    if verb != "apply":
        await applied(found)
    if verb == "start":
        await found.stop_cell(CELL)
    if verb == "start container":
        await found.stop_container(single("b"))
    return found


async def check_running(found: Controller, host: FakeHost, doc: model.CellDoc) -> None:
    """Have the cell by applying, and nothing but what it needs."""
    host.images.add(NAMESPACE, IMAGE)
    await applied(found, doc)
    workloads = {each.id for each in doc.spec.containers if not each.root}
    ids = {f"default_default_hello_{id}" for id in (*workloads, "root")}
    assert {id for _, id in host.containers.records} == ids
    assert {id for _, id in host.containers.tasks} == ids
    assert {task.status for task in host.containers.tasks.values()} == {"running"}
    assert set(host.network.addresses) == {"default_default_hello_root"}
    assert {each.bridge for each in host.network.firewall} == set(host.network.bridges)
    assert len(host.network.bridges) == 1
    assert found.runner.cells.get(REF).status.state is model.CellState.READY


async def crashes(work: Awaitable[object], host: FakeHost, number: int, failure: Failure) -> bool:
    """Have the daemon die at a step of its work; False when the work has fewer steps than that."""
    with host.failing_at(number, failure):
        try:
            await work
        except Crash:
            crashed = True
        else:
            crashed = False
    # What the dying daemon still had under way gets nothing done, but must end before the next one starts.
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        await asyncio.wait({task})
    return crashed


@pytest.mark.parametrize("failure", [Failure.CRASH, Failure.LATE_CRASH])
@pytest.mark.parametrize("verb", list(VERBS))
async def test_a_crash_anywhere_is_made_good(verb: str, failure: Failure, tmp_path: Path) -> None:
    for number in range(1, MOST_STEPS):
        host = FakeHost()
        run_path = tmp_path / str(number)
        found = await before(verb, host, run_path)
        crashed = await crashes(VERBS[verb](found), host, number, failure)
        fresh = controller(host, run_path)
        if verb in ("delete", "purge", "delete realm"):
            try:
                await VERBS[verb](fresh)
            except errors.NotFound:
                assert not crashed or fresh.runner.cells.find(REF) is None
            assert not host.containers.records
        else:
            other = ROOTED if verb == "apply rooted" else CELL
            await check_running(fresh, host, SMALLER if number % 2 and other is CELL else other)
            await delete_realm(fresh)
        left = host.traces() | host.networks()
        assert left.pop("cgroups") <= {"/kukeon", "/kukeon/default", "/kukeon/default/default"} | {
            "/kukeon/default/default/default"
        }
        if verb not in ("delete", "purge"):
            assert not any(left.values()), (number, left)
        if not crashed:
            assert number > 1
            return
    pytest.fail("the verb never got through")


@pytest.mark.parametrize("failure", [Failure.CRASH, Failure.LATE_CRASH])
@pytest.mark.parametrize("verb", ["apply", "start", "stop", "restart", "delete", "purge", "stop container"])
async def test_what_was_begun_is_finished_by_the_next_one(verb: str, failure: Failure, tmp_path: Path) -> None:
    for number in range(1, MOST_STEPS):
        host = FakeHost()
        run_path = tmp_path / str(number)
        found = await before(verb, host, run_path)
        crashed = await crashes(VERBS[verb](found), host, number, failure)
        fresh = controller(host, run_path)
        begun = fresh.runner.cells.find(REF)
        await fresh.reconcile()
        after = fresh.runner.cells.find(REF)
        states = {task.status for (_, id), task in host.containers.tasks.items() if id != "default_default_hello_b"}
        if begun is None or (verb in ("delete", "purge") and begun.status.desired is not model.DesiredState.RUNNING):
            assert after is None
            assert not host.containers.records
        elif begun.status.desired is model.DesiredState.STOPPED:
            assert after is not None
            assert after.status.state is model.CellState.STOPPED
            assert not host.containers.tasks
            assert not host.network.homes
            assert None not in {each.exit_code for each in after.status.containers}, number
        else:
            assert after is not None
            assert after.status.state is model.CellState.READY, (number, verb)
            assert states == {"running"}
            if verb != "stop container":
                await check_running(fresh, host, CELL)
        if not crashed:
            return
    pytest.fail("the verb never got through")


@pytest.mark.parametrize("failure", [Failure.CRASH, Failure.LATE_CRASH])
@pytest.mark.parametrize(
    "verb", ["apply smaller", "apply rooted", "create container", "start container", "restart container"]
)
async def test_what_was_begun_of_a_running_cell_is_finished_by_the_next_one(
    verb: str, failure: Failure, tmp_path: Path
) -> None:
    """What is stored is what there is in the end, and who was not concerned has noticed nothing."""
    for number in range(1, MOST_STEPS):
        host = FakeHost()
        run_path = tmp_path / str(number)
        found = await before(verb, host, run_path)
        sibling = host.containers.tasks[NAMESPACE, "default_default_hello_a"]
        crashed = await crashes(VERBS[verb](found), host, number, failure)
        fresh = controller(host, run_path)
        for _ in range(2):
            await fresh.reconcile()
        after = fresh.runner.cells.get(REF)
        wanted = {f"default_default_hello_{each.id}" for each in after.spec.containers if not each.root}
        wanted.add("default_default_hello_root")
        assert {id for _, id in host.containers.records} == wanted, number
        assert {id for (_, id), task in host.containers.tasks.items() if task.status == "running"} == wanted, number
        assert set(host.containers.tasks) == {(NAMESPACE, id) for id in wanted}
        assert (after.status.state, after.status.observed_generation) == (
            model.CellState.READY,
            after.metadata.generation,
        )
        assert {each.state for each in after.status.containers} == {model.ContainerState.READY}
        if verb.endswith("container"):
            assert host.containers.tasks[NAMESPACE, "default_default_hello_a"] == sibling
        # Nothing is left to do, neither for who looks nor for who asks for it again.
        host.faults.log.clear()
        await fresh.reconcile()
        await applied(fresh, after)
        assert [each for each in host.faults.log if "hello" in each] == []
        if not crashed:
            return
    pytest.fail("the verb never got through")


async def test_a_reboot_loses_nothing_that_start_does_not_make_again(tmp_path: Path) -> None:
    host = FakeHost()
    found = await before("stop", host, tmp_path)
    host.reboot()
    fresh = controller(host, tmp_path)
    await fresh.reconcile()
    status = fresh.runner.cells.get(REF).status
    assert (status.desired, status.state) == (model.DesiredState.RUNNING, model.CellState.READY)
    await check_running(fresh, host, CELL)
    assert found is not fresh
