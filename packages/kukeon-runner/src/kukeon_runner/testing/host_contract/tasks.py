"""What tasks keep."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_runner import observed, steps
from kukeon_runner.observed import Happening, TaskStatus
from kukeon_runner.testing.host_contract.home import GRACE_S, PATIENCE_S, Program

if TYPE_CHECKING:
    from kukeon_runner.testing.host_contract.home import Home


class TasksContract:
    """Programs that run, end, and are ended."""

    async def test_a_task_is_created_then_started(self, home: Home) -> None:
        await home.cell()
        id = await home.task("web")
        assert await home.status(id) is TaskStatus.CREATED
        await home.host.containers.start_task(home.namespace, id)
        found = (await home.look(id)).task
        assert found is not None
        assert (found.status, found.exit) == (TaskStatus.RUNNING, None)
        assert found.pid > 0

    async def test_tasks_in_the_wrong_order(self, home: Home) -> None:
        await home.cell()
        containers = home.host.containers
        missing = steps.CreateTask(home.namespace, "s_t_c_missing", "")
        with pytest.raises(errors.NotFound):
            await containers.create_task(missing)
        id = await home.container("web")
        with pytest.raises(errors.TaskNotFound):
            await containers.start_task(home.namespace, id)
        await containers.create_task(steps.CreateTask(home.namespace, id, ""))
        with pytest.raises(errors.AlreadyExists):
            await containers.create_task(steps.CreateTask(home.namespace, id, ""))
        await containers.start_task(home.namespace, id)
        with pytest.raises(errors.KukeonError):
            await containers.start_task(home.namespace, id)
        assert await home.status(id) is TaskStatus.RUNNING

    async def test_a_program_that_is_missing_says_so_and_leaves_no_task(self, home: Home) -> None:
        await home.cell()
        with pytest.raises(errors.HostError, match="'web': there is no program"):
            await home.running("web", Program.MISSING)
        id = home.site.container_id("web", root=False)
        await home.host.containers.stop_task(home.namespace, id, "SIGKILL", 0)
        await home.host.containers.delete_task(home.namespace, id)
        assert await home.status(id) is None

    async def test_a_stopped_program_is_seen_with_its_exit(self, home: Home) -> None:
        await home.cell()
        id = await home.running("web")
        ended = await home.host.containers.stop_task(home.namespace, id, "SIGTERM", GRACE_S)
        assert ended is not None
        assert (ended.code, ended.at is not None) == (0, True)
        found = (await home.look(id)).task
        assert found is not None
        assert (found.status, found.exit) == (TaskStatus.STOPPED, ended)
        again = await home.host.containers.stop_task(home.namespace, id, "SIGTERM", GRACE_S)
        assert again in (None, ended)
        assert await home.host.containers.delete_task(home.namespace, id) == ended
        assert await home.status(id) is None

    @pytest.mark.parametrize("signal", ["TERM", "15", "SIGNONSENSE"])
    async def test_signals_as_images_write_them(self, home: Home, signal: str) -> None:
        await home.cell()
        id = await home.running("web")
        ended = await home.host.containers.stop_task(home.namespace, id, signal, GRACE_S)
        assert ended is not None
        assert ended.code == 0

    async def test_a_program_that_ignores_its_signal_is_killed(self, home: Home) -> None:
        await home.cell()
        id = await home.running("web", Program.STUBBORN)
        ended = await home.host.containers.stop_task(home.namespace, id, "SIGTERM", 0.2)
        assert ended is not None
        assert ended.code == 137

    async def test_no_grace_is_sigkill_at_once(self, home: Home) -> None:
        await home.cell()
        id = await home.running("web")
        ended = await home.host.containers.stop_task(home.namespace, id, "SIGTERM", 0)
        assert ended is not None
        assert ended.code == 137

    async def test_a_task_that_never_started_can_be_stopped(self, home: Home) -> None:
        await home.cell()
        id = await home.task("web")
        async with asyncio.timeout(GRACE_S / 2):
            assert await home.host.containers.stop_task(home.namespace, id, "SIGTERM", GRACE_S) is not None
        await home.host.containers.delete_task(home.namespace, id)
        assert await home.status(id) is None

    async def test_a_task_that_never_started_can_be_deleted(self, home: Home) -> None:
        await home.cell()
        id = await home.task("web")
        await home.host.containers.delete_task(home.namespace, id)
        assert await home.status(id) is None

    async def test_ending_what_is_not_there_is_done(self, home: Home) -> None:
        await home.cell()
        containers = home.host.containers
        for id in (await home.container("web"), "s_t_c_missing"):
            assert await containers.stop_task(home.namespace, id, "SIGTERM", GRACE_S) is None
            assert await containers.delete_task(home.namespace, id) is None
        await containers.delete(home.namespace, "s_t_c_missing")

    async def test_a_running_task_is_not_deleted(self, home: Home) -> None:
        await home.cell()
        id = await home.running("web")
        with pytest.raises(errors.Conflict):
            await home.host.containers.delete_task(home.namespace, id)
        assert await home.status(id) is TaskStatus.RUNNING

    async def test_a_program_that_ends_by_itself_stays_visible(self, home: Home) -> None:
        await home.cell()
        id = await home.running("web", Program.ENDS)
        ended = await home.wait_ended(id)
        assert ended.code == 3
        assert await home.status(id) is TaskStatus.STOPPED
        assert await home.host.containers.delete_task(home.namespace, id) == ended
        await home.host.containers.create_task(steps.CreateTask(home.namespace, id, ""))
        assert await home.status(id) is TaskStatus.CREATED

    async def test_events_name_tasks_that_start_and_end(self, home: Home) -> None:
        await home.cell()
        id = await home.container("web", Program.ENDS)
        seen: list[observed.TaskEvent] = []

        def ours(what: Happening) -> list[observed.TaskEvent]:
            return [each for each in seen if (each.namespace, each.id, each.what) == (home.namespace, id, what)]

        async def follow() -> None:
            async for event in home.host.containers.task_events():
                seen.append(event)

        following = asyncio.create_task(follow())
        try:
            async with asyncio.timeout(PATIENCE_S):
                # Nobody tells when a subscription has begun, so it is tried until something arrives.
                while not ours(Happening.STARTED) or not ours(Happening.ENDED):
                    await home.host.containers.create_task(steps.CreateTask(home.namespace, id, ""))
                    await home.host.containers.start_task(home.namespace, id)
                    await home.wait_ended(id)
                    await home.host.containers.delete_task(home.namespace, id)
                    await asyncio.sleep(0)
        finally:
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
        assert {each.exit.code for each in ours(Happening.ENDED) if each.exit} == {3}
        assert not any(each.exit for each in ours(Happening.STARTED))
        assert {(each.namespace, each.id) for each in seen} == {(home.namespace, id)}
