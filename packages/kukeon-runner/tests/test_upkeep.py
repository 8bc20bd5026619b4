"""Looking after many cells: whatever is wrong with one, the others are looked after all the same."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import random
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner import manifest_hash, observed
from kukeon_runner.testing.cells import NAMESPACE, cell, container, controller, prepared
from kukeon_runner.testing.host import FakeHost
from kukeon_runner.verbs import ReconcileOutcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from kukeon_runner.controller import Controller

BAD, GOOD = "default_default_a-bad_web", "default_default_b-good_web"


@pytest.fixture
async def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Controller:
    """Two cells; looking at the first one meets a mistake of ours."""
    host = FakeHost()
    found = await prepared(host, tmp_path)
    for name in ("a-bad", "b-good"):
        await found.create_cell(cell(name, container("web", restart_policy="always", restart_backoff_seconds=0)))
    look = host.kernel.pinned

    async def stumbling(directory: str) -> Any:
        if "a-bad" in directory:
            raise RuntimeError("a mistake of ours")
        return await look(directory)

    monkeypatch.setattr(host.kernel, "pinned", stumbling)
    host.containers.end(NAMESPACE, BAD, 1)
    return found


def host_of(found: Controller) -> FakeHost:
    host = found.runner.context.host
    assert isinstance(host, FakeHost)
    return host


def restarts(found: Controller) -> int:
    return (
        found.runner.cells.get(model.Ref("default", "default", "default", "b-good")).status.containers[0].restart_count
    )


def runs(found: Controller, id: str) -> bool:
    task = host_of(found).containers.tasks.get((NAMESPACE, id))
    return task is not None and task.status == "running"


async def test_a_mistake_of_ours_in_one_cell_does_not_end_a_pass(
    found: Controller, caplog: pytest.LogCaptureFixture
) -> None:
    host_of(found).containers.end(NAMESPACE, GOOD, 1)
    await found.reconcile()
    assert restarts(found) == 1
    (told,) = [record for record in caplog.records if record.exc_info]
    assert "a-bad" in told.getMessage(), "it is told, with where it happened"


async def test_a_mistake_of_ours_in_one_cell_does_not_end_the_following_of_events(
    found: Controller, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with watching(found) as task:
        for count in (1, 2):
            host_of(found).containers.end(NAMESPACE, BAD, 1)
            host_of(found).containers.end(NAMESPACE, GOOD, 1)
            async with asyncio.timeout(20):
                while restarts(found) < count or not runs(found, GOOD):  # noqa: ASYNC110 - what a task in the background does
                    await asyncio.sleep(0.001)
        assert not task.done()
    assert any("a-bad" in record.getMessage() and record.exc_info for record in caplog.records)


async def test_a_look_that_waited_for_a_deletion_makes_nothing(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    before = host.traces()
    await found.create_cell(cell("hello"))
    ref = model.Ref("default", "default", "default", "hello")
    async with asyncio.TaskGroup() as group:
        deleting = group.create_task(found.delete_cell(cell("hello")))
        while not found.runner.context.lock.locked(ref):  # noqa: ASYNC110 - what the task above does
            await asyncio.sleep(0)
        looking = group.create_task(found.runner.cells.reconcile(ref))
    assert deleting.result().metadata_deleted
    assert looking.result() == (None, ReconcileOutcome())
    assert (found.runner.cells.find(ref), host.traces()) == (None, before)


async def test_nobody_sees_a_cell_between_a_start_that_failed_and_its_reason(tmp_path: Path) -> None:
    ref = model.Ref("default", "default", "default", "hello")
    for seed in range(10):
        host, chance = FakeHost(), random.Random(seed)
        found = await prepared(host, tmp_path / str(seed))
        host.faults.turns = lambda chance=chance: chance.randrange(4)  # type: ignore[misc]
        host.containers.broken.add("default_default_hello_b")
        doc = cell("hello", container("a"), container("b"))
        doc = msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, auto_delete=True))
        async with asyncio.TaskGroup() as group:
            making = group.create_task(refused(found, doc))
            while not making.done():
                await found.reconcile()
                await asyncio.sleep(0)
                if not making.done() and (stored := found.runner.cells.find(ref)) is not None:
                    assert stored.status.state is not model.CellState.STOPPED
        await found.reconcile()
        status = found.runner.cells.get(ref).status
        assert (status.state, status.reason) == (model.CellState.FAILED, "CreateCellFailed")
        assert "there is no program" in status.message


async def refused(found: Controller, doc: model.CellDoc) -> None:
    with pytest.raises(errors.StartContainer):
        await found.create_cell(doc)


async def test_what_is_not_known_is_not_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    doc = cell("hello")
    await found.create_cell(msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, auto_delete=True)))
    ref, web = model.ref_of(doc), (NAMESPACE, "default_default_hello_web")
    known = host.containers.tasks[web]
    host.containers.tasks[web] = dataclasses.replace(known, status=observed.TaskStatus.UNKNOWN)
    await found.reconcile()
    assert found.runner.cells.get(ref).status.state is model.CellState.UNKNOWN
    host.containers.tasks[web] = known
    host.containers.end(*web, 0)

    def away(*_: object) -> None:
        raise errors.ConnectContainerd("containerd is away")

    with monkeypatch.context() as broken:
        for door in ("find", "survey"):
            broken.setattr(host.containers, door, away)
        await found.reconcile()
    assert found.runner.cells.find(ref) is not None
    await found.reconcile()
    assert found.runner.cells.find(ref) is None, "it has ended, as is known now"


class TestAnotherVersion:
    """Of kukeon, which makes other documents of the same manifests."""

    WEB, ROOT = (f"default_default_hello_{name}" for name in ("web", "root"))

    async def test_what_runs_runs_on(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        host = FakeHost()
        await (await prepared(host, tmp_path)).create_cell(cell("hello"))
        before = host.traces()
        monkeypatch.setattr(manifest_hash, "SPEC_VERSION", "next")
        found = controller(host, tmp_path)
        await found.reconcile()
        assert (await found.start_cell(cell("hello"))).started is False
        (told,) = (await found.apply_documents(manifest.dump([cell("hello")]).encode())).resources
        assert told.action is model.ApplyAction.UNCHANGED
        assert host.traces() == before
        more = cell("hello", container("web"), container("more"))
        (told,) = (await found.apply_documents(manifest.dump([more]).encode())).resources
        assert told.changes == ('container "more" added',)

    async def test_what_is_started_again_keeps_what_was_written(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host = FakeHost()
        found = await prepared(host, tmp_path)
        await found.create_cell(cell("hello"))
        await found.stop_cell(cell("hello"))
        monkeypatch.setattr(manifest_hash, "SPEC_VERSION", "next")
        host.faults.log.clear()
        await controller(host, tmp_path).start_cell(cell("hello"))
        assert not [line for line in host.faults.log if line.startswith(("create default", "delete default"))]
        assert {line for line in host.faults.log if line.startswith("renew")} == {
            f"renew {self.WEB}",
            f"renew {self.ROOT}",
        }
        for id in (self.WEB, self.ROOT):
            labelled = dict(host.containers.records[NAMESPACE, id].labels)
            assert labelled["kukeon.io/spec-hash"].startswith("next-")
        host.faults.log.clear()
        await controller(host, tmp_path).restart_cell(cell("hello"))
        assert not [line for line in host.faults.log if line.startswith("renew")]

    async def test_another_manifest_makes_it_anew_all_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        host = FakeHost()
        await (await prepared(host, tmp_path)).create_cell(cell("hello"))
        monkeypatch.setattr(manifest_hash, "SPEC_VERSION", "next")
        host.faults.log.clear()
        changed = cell("hello", container("web", env=("A=1",)))
        await controller(host, tmp_path).apply_documents(manifest.dump([changed]).encode())
        assert f"delete {self.WEB}" in host.faults.log
        assert f"renew {self.WEB}" not in host.faults.log


@contextlib.asynccontextmanager
async def watching(found: Controller) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(found.watch_events())
    for _ in range(200):
        await asyncio.sleep(0)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def test_what_a_look_leaves_undone_does_not_bring_the_next_look_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("hello", container("a", restart_policy="always")))
    doc = found.runner.cells.get(model.Ref("default", "default", "default", "hello"))
    late = [msgspec.structs.replace(each, next_restart=found.runner.context.now()) for each in doc.status.containers]
    doc = msgspec.structs.replace(doc, status=msgspec.structs.replace(doc.status, containers=tuple(late)))
    looks = 0

    async def look(_: model.Ref, begins: Callable[[], object] = dict) -> tuple[model.CellDoc, ReconcileOutcome]:
        nonlocal looks
        begins()
        looks += 1
        return doc, ReconcileOutcome()

    monkeypatch.setattr(found.runner.cells, "reconcile", look)
    async with watching(found):
        host.containers._tell(("default.kukeon.io", "default_default_hello_a"), observed.Happening.STARTED)
        for _ in range(100):
            await asyncio.sleep(0)
    assert 0 < looks < 5
