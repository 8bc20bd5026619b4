"""What containerd's namespaces and records keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, labels
from kukeon_runner import observed, steps, wanted
from kukeon_runner.observed import TaskStatus
from kukeon_runner.testing.host_contract.home import Program

if TYPE_CHECKING:
    from kukeon_runner.testing.host_contract.home import Home


class ContainersContract:
    """containerd's namespaces and records."""

    async def test_a_namespace_is_made_once_and_deleted_twice(self, home: Home) -> None:
        containers = home.host.containers
        assert not await containers.namespace_exists(home.namespace)
        assert await containers.create_namespace(home.namespace, {"a": "b"}) is True
        assert await containers.create_namespace(home.namespace, {"a": "c"}) is False
        assert await containers.namespace_exists(home.namespace)
        assert (await containers.namespaces())[home.namespace] == {"a": "b"}
        for _ in range(2):
            await containers.delete_namespace(home.namespace)
            assert not await containers.namespace_exists(home.namespace)
            assert home.namespace not in await containers.namespaces()

    async def test_a_namespace_goes_with_what_runs_in_it(self, home: Home) -> None:
        await home.cell()
        await home.running("web", Program.STUBBORN)
        await home.container("idle")
        await home.host.containers.delete_namespace(home.namespace)
        assert not await home.host.containers.namespace_exists(home.namespace)
        assert await home.host.containers.ids(home.namespace, {}) == []

    async def test_a_container_is_found_as_it_was_made(self, home: Home) -> None:
        await home.cell()
        step = await home.step("web")
        assert await home.host.containers.find(home.namespace, step.id) is None
        await home.host.containers.create(step)
        own = dict(step.labels)
        assert await home.look(step.id) == observed.Container(
            recorded=True,
            spec_hash=own[labels.CONTAINERD_SPEC_HASH],
            stop_signal=own.get(wanted.STOP_SIGNAL_LABEL, ""),
            image_digest=own[wanted.IMAGE_DIGEST_LABEL],
            snapshot=True,
        )
        with pytest.raises(errors.ContainerExists):
            await home.host.containers.create(step)

    async def test_a_renewed_container_runs_what_is_recorded_then(self, home: Home) -> None:
        await home.cell()
        first, then = await home.step("web", Program.MISSING), await home.step("web")
        renewed = (*(each for each in then.labels if each[0] != labels.CONTAINERD_SPEC_HASH),)
        renewed = (*renewed, (labels.CONTAINERD_SPEC_HASH, "3-hash"))
        step = steps.RenewContainer(home.namespace, first.id, renewed, then.spec)
        with pytest.raises(errors.ContainerNotFound):
            await home.host.containers.renew(step)
        await home.host.containers.create(first)
        for _ in range(2):
            await home.host.containers.renew(step)
        assert await home.look(first.id) == observed.Container(
            recorded=True,
            spec_hash="3-hash",
            stop_signal=dict(then.labels).get(wanted.STOP_SIGNAL_LABEL, ""),
            image_digest=dict(first.labels)[wanted.IMAGE_DIGEST_LABEL],
            snapshot=True,
        )
        await home.host.containers.create_task(steps.CreateTask(home.namespace, first.id, ""))
        await home.host.containers.start_task(home.namespace, first.id)
        assert await home.status(first.id) is TaskStatus.RUNNING

    async def test_the_pause_container_needs_no_image(self, home: Home) -> None:
        await home.cell()
        step = await home.step("root")
        assert step.image == ""
        await home.host.containers.create(step)
        task = steps.CreateTask(home.namespace, step.id, "", home.site.pause_rootfs)
        assert await home.host.containers.create_task(task) > 0
        await home.host.containers.start_task(home.namespace, step.id)
        assert (await home.look(step.id)).snapshot is False
        assert await home.status(step.id) is TaskStatus.RUNNING

    async def test_ids_are_those_that_carry_all_labels(self, home: Home) -> None:
        await home.cell()
        one, two = await home.container("one"), await home.container("two")
        containers = home.host.containers
        assert sorted(await containers.ids(home.namespace, home.site.labels)) == [one, two]
        only = home.site.labels | {labels.CONTAINERD_CONTAINER: "two"}
        assert list(await containers.ids(home.namespace, only)) == [two]
        assert list(await containers.ids(home.namespace, {labels.CONTAINERD_CELL: "other"})) == []
        assert list(await containers.ids("no-such-namespace", {})) == []

    async def test_a_survey_tells_of_all_what_find_tells_of_each(self, home: Home) -> None:
        assert await home.host.containers.survey("no-such-namespace") == {}
        await home.cell()
        root = await home.step("root")
        await home.host.containers.create(root)
        ids = [root.id, await home.container("idle"), await home.task("made"), await home.running("web")]
        ids.append(await home.running("short", Program.ENDS))
        await home.wait_ended(ids[-1])
        seen = await home.host.containers.survey(home.namespace)
        assert seen == {id: await home.look(id) for id in ids}
        await home.host.containers.stop_task(home.namespace, ids[3], "SIGKILL", 0)
        await home.host.containers.delete_task(home.namespace, ids[3])
        await home.host.containers.delete(home.namespace, ids[3])
        assert set(await home.host.containers.survey(home.namespace)) == {*ids} - {ids[3]}

    async def test_a_container_whose_image_is_gone_is_not_whole_and_can_be_deleted(self, home: Home) -> None:
        await home.cell()
        step = await home.step("web")
        await home.host.images.delete(home.namespace, home.archived)
        with pytest.raises(errors.ImageNotFound):
            await home.host.containers.create(step)
        left = await home.host.containers.find(home.namespace, step.id)
        assert left is None or not left.snapshot
        await home.host.containers.delete(home.namespace, step.id)
        assert await home.host.containers.find(home.namespace, step.id) is None

    async def test_a_container_is_deleted_twice(self, home: Home) -> None:
        await home.cell()
        id = await home.container("web")
        for _ in range(2):
            await home.host.containers.delete(home.namespace, id)
            assert await home.host.containers.find(home.namespace, id) is None
        assert await home.container("web") == id

    async def test_a_container_is_not_deleted_under_its_task(self, home: Home) -> None:
        await home.cell()
        id = await home.running("web")
        with pytest.raises(errors.Conflict):
            await home.host.containers.delete(home.namespace, id)
        assert (await home.look(id)).snapshot
        assert await home.status(id) is TaskStatus.RUNNING
