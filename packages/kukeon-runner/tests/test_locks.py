"""KeyedLock: one task per key, in order, without leaving anything behind."""

from __future__ import annotations

import asyncio

import pytest

from kukeon_api.model import Ref
from kukeon_runner.locks import KeyedLock

REALM = Ref("r")
SPACE = Ref("r", "s")
OTHER = Ref("r", "t")


async def test_one_task_at_a_time_per_key() -> None:
    lock: KeyedLock[Ref] = KeyedLock()
    inside = 0
    most = 0

    async def work() -> None:
        nonlocal inside, most
        async with lock(SPACE):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1

    async with asyncio.TaskGroup() as group:
        for _ in range(20):
            group.create_task(work())
    assert most == 1
    assert lock.statistics() == (0, 0)


async def test_different_keys_do_not_wait_for_each_other() -> None:
    lock: KeyedLock[Ref] = KeyedLock()
    both = asyncio.Barrier(2)

    async def work(key: Ref) -> None:
        async with lock(key):
            await both.wait()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(work(SPACE))
        group.create_task(work(OTHER))


async def test_waiting_tasks_come_in_turn() -> None:
    lock: KeyedLock[Ref] = KeyedLock()
    order: list[int] = []

    async def work(number: int) -> None:
        async with lock(SPACE):
            order.append(number)
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(work(number))
    assert order == list(range(10))


async def test_a_cancelled_waiter_leaves_the_lock_usable() -> None:
    lock: KeyedLock[Ref] = KeyedLock()

    asked = asyncio.Event()

    async def work() -> None:
        asked.set()
        async with lock(SPACE):
            raise AssertionError("the lock is held")

    async with lock(SPACE):
        waiter = asyncio.create_task(work())
        await asked.wait()
        assert lock.statistics() == (1, 1)
        waiter.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiter
        assert lock.locked(SPACE)
    assert not lock.locked(SPACE)
    async with lock(SPACE):
        pass
    assert lock.statistics() == (0, 0)


async def test_the_lock_opens_when_the_body_fails() -> None:
    lock: KeyedLock[Ref] = KeyedLock()
    with pytest.raises(LookupError):
        async with lock(REALM, SPACE):
            raise LookupError
    assert lock.statistics() == (0, 0)


async def test_several_keys_are_taken_in_one_order_so_nobody_hangs() -> None:
    lock: KeyedLock[Ref] = KeyedLock()

    async def work(*keys: Ref) -> None:
        for _ in range(50):
            async with lock(*keys):
                await asyncio.sleep(0)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(work(SPACE, OTHER))
        group.create_task(work(OTHER, SPACE, OTHER))
        group.create_task(work(OTHER, REALM))


async def test_a_parent_comes_before_its_child() -> None:
    lock: KeyedLock[Ref] = KeyedLock()
    async with lock(REALM), lock(SPACE):
        assert lock.locked(REALM)
    async with lock(SPACE):
        with pytest.raises(RuntimeError, match="parents come first"):
            async with lock(REALM):
                pass
        assert lock.statistics() == (1, 0)


async def test_taking_a_key_twice_is_an_error_and_not_a_hang() -> None:
    lock: KeyedLock[Ref] = KeyedLock()
    async with lock(SPACE):
        with pytest.raises(RuntimeError, match="'r/s'"):
            async with lock(SPACE):
                pass


async def test_a_task_below_may_lock_what_its_maker_may_not() -> None:
    lock: KeyedLock[Ref] = KeyedLock()

    async def child() -> None:
        async with lock(OTHER):
            pass

    async with lock(REALM), asyncio.TaskGroup() as group:
        group.create_task(child())


async def test_what_belongs_to_the_work_ends_with_it() -> None:
    lock: KeyedLock[Ref] = KeyedLock()
    told: list[str] = []
    with pytest.raises(RuntimeError):
        lock.at_release(SPACE, lambda: told.append("never"))

    async def fail() -> None:
        async with lock(SPACE):
            lock.at_release(SPACE, lambda: told.append("free"))
            await asyncio.sleep(0)
            raise ValueError("in the middle")

    for times in (1, 2):
        with pytest.raises(ValueError, match="in the middle"):
            await fail()
        assert told == ["free"] * times
    async with lock(SPACE):
        pass
    assert told == ["free"] * 2
