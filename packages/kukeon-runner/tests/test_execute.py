"""Plans are done as concurrently as their order allows, and taken back when a step fails."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model
from kukeon_runner import observed, wanted
from kukeon_runner.execute import execute
from kukeon_runner.plan import cell as plan
from kukeon_runner.steps import MakeCgroup, MountShm, PinNamespaces, Plan, WriteFile
from kukeon_runner.testing.cells import IMAGE, NAMESPACE, cell, container, prepared
from kukeon_runner.testing.host import Failure, FakeHost

if TYPE_CHECKING:
    from pathlib import Path

CGROUP, SHM, FILE = MakeCgroup("/a"), MountShm("/shm"), WriteFile("/f", "x")


def in_order(*steps: object) -> Plan:
    return {step: frozenset(steps[max(0, at - 1) : at]) for at, step in enumerate(steps)}  # type: ignore[misc]


async def test_results_by_step() -> None:
    assert await execute(in_order(CGROUP, SHM), FakeHost()) == {CGROUP: True, SHM: None}


async def test_steps_without_an_order_wait_for_nobody() -> None:
    host = FakeHost()
    both = asyncio.Barrier(2)

    async def meet(*_: str, **__: bool) -> None:
        await both.wait()

    host.kernel.mount_shm = meet  # type: ignore[assignment,method-assign]
    host.kernel.pin_namespaces = meet  # type: ignore[assignment,method-assign]
    plan: Plan = {SHM: frozenset(), PinNamespaces("/ns", "c"): frozenset()}
    async with asyncio.timeout(20):
        await execute(plan, host)


async def test_a_failure_takes_back_everything_in_reverse() -> None:
    host = FakeHost()
    with host.failing_at(3), pytest.raises(errors.HostError, match="write /f"):
        await execute(in_order(CGROUP, SHM, FILE), host)
    assert host.faults.log[-2:] == ["unmount /shm", "remove cgroup /a"]
    assert (host.kernel.cgroups, host.kernel.shms) == (set(), set())


@pytest.mark.parametrize("failure", [Failure.REFUSED, Failure.LATE])
async def test_a_cell_that_fails_at_any_step_leaves_the_host_as_it_was(failure: Failure, tmp_path: Path) -> None:
    """Executed as such, without the clearing up that a verb does on top."""
    doc = cell("hello", container("a"), container("b"))
    for number in range(1, 60):
        host = FakeHost()
        found = await prepared(host, tmp_path / str(number))
        place = tmp_path / str(number) / "data/default/default/default/hello"
        place.mkdir()
        site = found.runner.cells.site(model.ref_of(doc))
        image = await host.images.find(NAMESPACE, IMAGE)
        steps = plan.start(wanted.cell(site, doc, {IMAGE: image}, "", str), observed.Cell())
        before = host.traces()
        with host.failing_at(number, failure):
            try:
                await execute(steps, host)
            except errors.HostError:
                assert host.traces() == before, number
            else:
                assert number > 15
                return
    pytest.fail("it never got through")


async def test_of_two_that_fail_the_others_end_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    host = FakeHost()
    late = asyncio.Event()

    async def refuse(*_: str) -> None:
        raise errors.HostError("first")

    async def refuse_later(*_: str, **__: bool) -> None:
        await asyncio.wait_for(late.wait(), 5)
        raise errors.HostError("second")

    host.kernel.mount_shm = refuse  # type: ignore[method-assign]
    host.kernel.pin_namespaces = refuse_later  # type: ignore[method-assign]
    work = asyncio.create_task(execute({SHM: frozenset(), PinNamespaces("/ns", "c"): frozenset()}, host))
    await asyncio.sleep(0)
    late.set()
    with caplog.at_level("INFO"), pytest.raises(errors.HostError, match="first"):
        await work
    assert "second" in caplog.text
    assert host.faults.log == ["unpin /ns", "unmount /shm"]


async def test_trouble_while_taking_back_does_not_hide_the_reason() -> None:
    host = FakeHost()

    async def refuse(path: str) -> None:
        raise errors.HostError("busy")

    host.kernel.unmount_shm = refuse  # type: ignore[method-assign]
    with host.failing_at(3), pytest.raises(errors.HostError, match="write /f"):
        await execute(in_order(CGROUP, SHM, FILE), host)
    assert host.kernel.cgroups == set()


async def test_a_cancelled_plan_is_taken_back() -> None:
    host = FakeHost()
    reached, never = asyncio.Event(), asyncio.Event()

    async def hang(path: str, text: str) -> None:
        reached.set()
        await asyncio.wait_for(never.wait(), 30)

    host.kernel.write_file = hang  # type: ignore[method-assign]
    work = asyncio.create_task(execute(in_order(CGROUP, SHM, FILE), host))
    await reached.wait()
    work.cancel()
    await asyncio.sleep(0)
    never.set()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert (host.kernel.cgroups, host.kernel.shms) == (set(), set())
