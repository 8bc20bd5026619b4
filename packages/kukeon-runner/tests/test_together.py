"""Several things at once that fail like one."""

from __future__ import annotations

import asyncio

import pytest

from kukeon_api import errors
from kukeon_runner.together import together


async def value(of: object, turns: int = 0) -> object:
    for _ in range(turns):
        await asyncio.sleep(0)
    return of


async def failure(error: BaseException, turns: int = 0) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)
    raise error


class Endless:
    """Work that ends only by being cancelled."""

    def __init__(self) -> None:
        self.cancelled = False

    async def work(self) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise


async def test_results_come_in_the_order_of_asking() -> None:
    assert await together(value(1, turns=3), value(2), value(3, turns=1)) == (1, 2, 3)
    assert await together() == ()


async def test_all_are_under_way_at_once() -> None:
    barrier = asyncio.Barrier(3)
    async with asyncio.timeout(20):
        await together(barrier.wait(), barrier.wait(), barrier.wait())


async def test_the_first_error_is_raised_itself_and_the_rest_cancelled() -> None:
    endless = Endless()
    with pytest.raises(errors.CellNotFound, match="first"):
        await together(
            endless.work(),
            failure(errors.HostError("second"), turns=4),
            failure(errors.CellNotFound("first"), turns=1),
        )
    assert endless.cancelled


async def test_of_two_errors_in_one_turn_the_first_asked_for_is_raised() -> None:
    with pytest.raises(errors.HostError, match="one"):
        await together(failure(errors.HostError("one")), failure(errors.HostError("two")))


async def test_nested_it_still_raises_the_error_itself() -> None:
    endless = Endless()
    with pytest.raises(errors.ImageNotFound):
        await together(endless.work(), together(value(1), failure(errors.ImageNotFound("deep"))))
    assert endless.cancelled


async def test_an_error_while_being_cancelled_does_not_hide_the_first() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise errors.HostError("while cleaning up")

    with pytest.raises(errors.HostError, match="the reason"):
        await together(stubborn(), failure(errors.HostError("the reason"), turns=1))


async def test_cancelled_from_outside_it_cancels_all_and_waits_for_them() -> None:
    first, second = Endless(), Endless()
    work = asyncio.create_task(together(first.work(), second.work()))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert (first.cancelled, second.cancelled) == (True, True)
