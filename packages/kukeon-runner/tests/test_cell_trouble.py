"""Trouble of a cell that runs: it is told, and nobody who runs well suffers from it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner import observed
from kukeon_runner.testing.cells import NAMESPACE, cell, container, prepared
from kukeon_runner.testing.host import Failure, FakeHost

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from kukeon_runner.controller import Controller

DOC = cell("hello", container("a"), container("b"))
REF = model.ref_of(DOC)
A, B, ROOT = (f"default_default_hello_{name}" for name in ("a", "b", "root"))


def single(id: str) -> model.ContainerDoc:
    spec = container(id, realm_id="default", space_id="default", stack_id="default", cell_id="hello")
    return model.ContainerDoc(metadata=model.Metadata(name=id), spec=spec)


def stored(found: Controller) -> model.CellStatus:
    return found.runner.cells.get(REF).status


def running(host: FakeHost) -> set[str]:
    return {id for (_, id), task in host.containers.tasks.items() if task.status == "running"}


def away(*_: object) -> Awaitable[None]:
    raise errors.ConnectContainerd("containerd is away")


async def apply(found: Controller) -> object:
    (result,) = (await found.apply_documents(manifest.dump([DOC]).encode())).resources
    if result.action is model.ApplyAction.FAILED:
        raise errors.ConnectContainerd(result.error)
    return result


LOOKS: dict[str, Callable[[Controller], Awaitable[object]]] = {
    "apply": apply,
    "create": lambda found: found.create_cell(DOC),
    "start": lambda found: found.start_cell(DOC),
    "start container": lambda found: found.start_container(single("a")),
}


@pytest.mark.parametrize("verb", list(LOOKS))
@pytest.mark.parametrize("door", ["find", "ids", "images"])
async def test_a_host_that_cannot_be_looked_at_costs_a_running_cell_nothing(
    verb: str, door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(DOC)
    before, doc = host.traces(), found.runner.cells.get(REF)
    with monkeypatch.context() as broken:
        broken.setattr(host.images if door == "images" else host.containers, "find" if door == "images" else door, away)
        with pytest.raises(errors.ConnectContainerd):
            await LOOKS[verb](found)
    assert host.traces() == before
    assert found.runner.cells.get(REF).status.state is model.CellState.READY
    assert found.runner.cells.get(REF).spec == doc.spec
    assert (await found.start_cell(DOC)).started is False


async def test_a_container_that_an_operator_starts_in_vain_takes_the_cell_down(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(DOC)
    await found.stop_container(single("a"))
    host.containers.broken.add(A)
    with pytest.raises(errors.HostError):
        await found.start_container(single("a"))
    assert running(host) == set()
    status = stored(found)
    assert (status.state, status.reason) == (model.CellState.FAILED, "StartContainerFailed")
    host.containers.broken.clear()
    assert (await found.start_cell(DOC)).started
    assert running(host) == {ROOT, A, B}


async def test_a_container_that_cannot_be_started_in_a_stopped_cell_leaves_nothing_running(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(DOC)
    await found.stop_cell(DOC)
    host.containers.broken.add(A)
    with pytest.raises(errors.HostError):
        await found.start_container(single("a"))
    assert not host.containers.tasks
    assert not host.kernel.pins
    assert stored(found).state is model.CellState.FAILED


async def test_siblings_that_a_failure_ends_keep_their_exits(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(DOC)
    spec = container("b", realm_id="default", space_id="default", stack_id="default", cell_id="hello")
    await found.kill_container(model.ContainerDoc(metadata=model.Metadata(name="b"), spec=spec))
    host.containers.broken.add("default_default_hello_b")
    with pytest.raises(errors.StartContainer):
        await found.start_cell(DOC)
    status = stored(found)
    assert (status.state, status.reason) == (model.CellState.FAILED, "StartCellFailed")
    exits = {each.name: (each.state, each.exit_code) for each in status.containers}
    assert exits["a"] == (model.ContainerState.STOPPED, 137)


async def test_a_stop_that_fails_half_way_tells_what_it_did(tmp_path: Path) -> None:
    for number in range(1, 20):
        host = FakeHost()
        found = await prepared(host, tmp_path / str(number))
        await found.create_cell(DOC)
        with host.failing_at(number):
            try:
                await found.stop_cell(DOC)
            except errors.HostError:
                failed = True
            else:
                failed = False
        status = stored(found)
        assert status.desired is model.DesiredState.STOPPED
        alive = {each.id for each in status.containers if each.state is model.ContainerState.READY}
        assert alive == running(host) - {ROOT}
        assert "ShimLost" not in {each.reason for each in status.containers}
        if not failed:
            return
    pytest.fail("it never got through")


@pytest.mark.parametrize("failure", [Failure.REFUSED, Failure.LATE])
async def test_a_container_whose_stop_fails_half_way_is_not_lost(failure: Failure, tmp_path: Path) -> None:
    for number in range(1, 10):
        host = FakeHost()
        found = await prepared(host, tmp_path / str(number))
        await found.create_cell(DOC)
        with host.failing_at(number, failure):
            try:
                await found.stop_container(single("a"))
            except errors.HostError:
                failed = True
            else:
                failed = False
        await found.reconcile()
        expected = model.ContainerState.READY if A in running(host) else model.ContainerState.STOPPED
        assert stored(found).containers[0].state is expected
        assert stored(found).state is model.CellState.READY
        if not failed:
            return
    pytest.fail("it never got through")


async def settled(found: Controller) -> None:
    """Wait until nobody is at work on the cell, and nobody wants to be."""
    for _ in range(20):
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        while found.runner.context.lock.statistics() != (0, 0):  # noqa: ASYNC110 - what tasks in the background do
            await asyncio.sleep(0.001)


async def test_a_repair_that_fails_is_not_tried_at_every_event(tmp_path: Path) -> None:
    """A repair starts and ends tasks, so each one that fails would bring the next."""
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(DOC)
    conflist = next(path for path in host.kernel.files if path.endswith("conflist"))
    del host.kernel.files[conflist]
    host.faults.log.clear()
    watching = asyncio.create_task(found.watch_events())
    try:
        for _ in range(20):
            await settled(found)
            if (NAMESPACE, ROOT) in host.containers.tasks:
                host.containers.end(NAMESPACE, ROOT, 137)
    finally:
        watching.cancel()
        await asyncio.wait({watching})
    assert host.faults.log.count(f"detach {ROOT}") == 1
    assert running(host) >= {A, B}


async def test_the_users_own_root_container_may_end(tmp_path: Path) -> None:
    """It has a program with an end, and nobody asked to have it started again."""
    host = FakeHost()
    found = await prepared(host, tmp_path)
    doc = cell("hello", container("main", root=True), container("b"))
    await found.create_cell(doc)
    host.containers.end(NAMESPACE, ROOT, 0)
    await found.reconcile()
    assert running(host) == {B}
    main = stored(found).containers[0]
    assert (main.state, main.exit_code) == (model.ContainerState.EXITED, 0)


async def test_events_bring_the_stored_state_up_to_date(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(DOC)
    watching = asyncio.create_task(found.watch_events())
    try:
        for code, id, state in ((3, A, model.CellState.DEGRADED), (0, B, model.CellState.ERROR)):
            await asyncio.sleep(0)
            host.containers.end(NAMESPACE, id, code)
            async with asyncio.timeout(20):
                while stored(found).state is not state:  # noqa: ASYNC110 - what a task in the background does
                    await asyncio.sleep(0.001)
        # What is not ours does not disturb it.
        for id in ("web", "a_b", "_", "default_default_gone_web"):
            for follower in host.containers._followers:
                follower.put_nowait((NAMESPACE, id))
        await asyncio.sleep(0)
        assert not watching.done()
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def test_many_events_during_a_verb_are_one_look_after_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(DOC)
    looks = []
    find = host.containers.find

    async def counted(namespace: str, id: str) -> object:
        looks.append(id)
        return await find(namespace, id)

    watching = asyncio.create_task(found.watch_events())
    await settled(found)
    monkeypatch.setattr(host.containers, "find", counted)
    try:
        async with found.runner.context.lock(REF):
            for _ in range(10):
                for follower in host.containers._followers:
                    follower.put_nowait(observed.TaskEvent(NAMESPACE, A, observed.Happening.STARTED))
                await asyncio.sleep(0)
                await asyncio.sleep(0)
        await settled(found)
        assert sorted(looks) == [A, B, ROOT]
        # What comes after that look began is looked at again.
        host.containers.end(NAMESPACE, A, 1)
        await settled(found)
        assert stored(found).state is model.CellState.DEGRADED
    finally:
        watching.cancel()
        await asyncio.wait({watching})


async def test_a_container_without_a_program_is_told_before_anything_is_made(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    host.images.add(NAMESPACE, "docker.io/library/empty:1", cmd=())
    before = host.traces()
    doc = cell("hello", container("web", image="docker.io/library/empty:1"))
    with pytest.raises(errors.CreateCell, match="'web': neither it nor its image"):
        await found.create_cell(doc)
    assert host.traces() == before
    named = cell("hello", container("web", image="docker.io/library/empty:1", command="/bin/sh"))
    (result,) = (await found.apply_documents(manifest.dump([named]).encode())).resources
    assert result.action is model.ApplyAction.UPDATED


@pytest.mark.parametrize("failure", [Failure.REFUSED, Failure.LATE])
async def test_what_a_failed_start_could_not_end_is_ended_by_the_next_look(tmp_path: Path, failure: Failure) -> None:
    for number in range(1, 80):
        host = FakeHost()
        found = await prepared(host, tmp_path / str(number))
        await found.create_cell(DOC)
        await found.kill_container(single("b"))
        host.containers.broken.add(B)
        with host.failing_at(number, failure), pytest.raises(errors.KukeonError):
            await found.start_cell(DOC)
        last = host.faults.done < number
        before = stored(found)
        await found.reconcile()
        status = stored(found)
        if before.state is model.CellState.FAILED:
            assert (status.state, status.reason) == (model.CellState.FAILED, "StartCellFailed"), number
            assert (running(host), host.kernel.pins, host.network.addresses) == (set(), {}, {}), number
            assert {each.name: each.next_restart for each in status.containers} == {"a": None, "b": None}
        else:
            assert running(host) >= {A}, number
        if last:
            return
    pytest.fail("it takes more steps than we tried")
