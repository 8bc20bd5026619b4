"""An answer for many, for a moment."""

from __future__ import annotations

import asyncio

import pytest

from kukeon_daemon.remembered import Remembered


class Found:
    """Counts how often something was looked for; a test says what the clock shows and when the search ends."""

    def __init__(self) -> None:
        self.times = 0
        self.now = 100.0
        self.gate = asyncio.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.remembered = Remembered(self.find, 1.0, lambda: self.now)

    async def find(self) -> int:
        self.times += 1
        found = self.times
        await self.gate.wait()
        if self.error is not None:
            raise self.error
        return found


async def test_it_is_found_once_for_a_moment() -> None:
    found = Found()
    assert [await found.remembered.get() for _ in range(3)] == [1, 1, 1]
    found.now += 1.1
    assert await found.remembered.get() == 2


async def test_who_comes_meanwhile_gets_the_same_and_who_leaves_disturbs_nobody() -> None:
    found = Found()
    found.gate.clear()
    asking = [asyncio.create_task(found.remembered.get()) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    found.now += 5  # the search takes longer than its answer is worth: nobody begins another beside it
    asking.append(asyncio.create_task(found.remembered.get()))
    await asyncio.sleep(0)
    found.gate.set()
    assert await asyncio.gather(*asking[1:]) == [1, 1, 1]
    assert found.times == 1


async def test_failures_are_not_remembered() -> None:
    found = Found()
    found.error = ValueError("away")
    with pytest.raises(ValueError, match="away"):
        await found.remembered.get()
    found.error = None
    assert await found.remembered.get() == 2


async def test_closing_ends_a_search() -> None:
    found = Found()
    await found.remembered.close()
    found.gate.clear()
    asking = asyncio.create_task(found.remembered.get())
    await asyncio.sleep(0)
    await found.remembered.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
