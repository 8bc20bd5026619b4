"""Cells that cannot come up for want of an image: it is pulled beside everything else, and again until it comes."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from kukeon_api import errors, manifest, model, restarts
from kukeon_runner import observed
from kukeon_runner.testing.cells import IMAGE, NAMESPACE, cell, container, controller, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from kukeon_runner.controller import Controller

NAME = "registry.example/team/app:1"
REF = model.Ref("default", "default", "default", "hello")
APP, WEB, ROOT = (f"default_default_hello_{name}" for name in ("app", "web", "root"))
S = model.CellState
PATIENCE_S = 20.0


class Clock:
    def __init__(self) -> None:
        self.time = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        self.time += dt.timedelta(microseconds=1)
        return self.time


class Story:
    """A host whose registry has nothing, until it has."""

    def __init__(self, host: FakeHost, run_path: Path, clock: Clock, found: Controller) -> None:
        self.host, self.run_path, self.clock, self.found = host, run_path, clock, found

    @property
    def status(self) -> model.CellStatus:
        return self.found.runner.cells.get(REF).status

    @property
    def app(self) -> model.ContainerStatus:
        return next(each for each in self.status.containers if each.name == "app")

    def running(self) -> set[str]:
        return {id for (_, id), task in self.host.containers.tasks.items() if task.status == "running"}

    def publish(self) -> None:
        self.host.images.registry[NAME] = observed.Image(
            NAME, "sha256:" + "a" * 64, "sha256:" + "1" * 64, cmd=("true",)
        )

    def withdraw(self) -> None:
        """Lose the image, here and at the registry."""
        self.host.images.registry.pop(NAME, None)
        self.host.images.present.pop((NAMESPACE, NAME), None)

    def pause_s(self) -> float:
        due = restarts.next_due(self.status)
        assert due is not None
        return round((due - self.clock.time).total_seconds(), 1)

    async def due(self) -> model.CellStatus:
        """Let the time come, and have done what whoever looks after the cell does then."""
        due = restarts.next_due(self.status)
        self.clock.time = max(self.clock.time, due or self.clock.time)
        await self.found.reconcile()
        await self.found.runner.cells.fetch(REF)
        return self.status

    def restart(self) -> None:
        self.found = controller(self.host, self.run_path, now=self.clock)


@pytest.fixture
async def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    monkeypatch.setattr(restarts, "SPREAD", 0.0)
    host, clock = FakeHost(), Clock()
    host.containers.now = clock
    return Story(host, tmp_path, clock, await prepared(host, tmp_path, now=clock))


def doc(policy: str = "always", **fields: Any) -> model.CellDoc:
    return cell("hello", container("app", image=NAME, restart_policy=policy, **fields), container("web"))


async def refused(it: Story, wanted: model.CellDoc) -> None:
    (result,) = (await it.found.apply_documents(manifest.dump([wanted]).encode())).resources
    assert result.action is model.ApplyAction.FAILED
    assert result.details["kind"] == "ImageNotFound"


async def test_it_is_tried_again_later_and_later_until_it_comes(it: Story) -> None:
    await refused(it, doc())
    status = it.status
    assert (status.state, status.reason, status.desired) == (S.PENDING, "ImagePullFailed", model.DesiredState.RUNNING)
    assert "'app'" in status.message
    assert (it.app.reason, it.app.restart_count, it.running()) == ("ImagePullFailed", 0, set())
    assert "cannot find image" in it.app.message
    pauses = [it.pause_s()]
    for _ in range(10):
        asked = len(it.host.images.asked)
        await it.found.reconcile()
        await it.found.runner.cells.fetch(REF)
        assert len(it.host.images.asked) == asked, "not before its time"
        await it.due()
        assert len(it.host.images.asked) == asked + 1
        pauses.append(it.pause_s())
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    it.publish()
    status = await it.due()
    assert (status.state, status.reason, it.running()) == (S.READY, "", {APP, WEB, ROOT})
    assert (it.app.reason, it.app.message, it.app.restart_attempts) == ("", "", 0)


async def test_what_was_counted_outlives_kukeond(it: Story) -> None:
    await refused(it, doc())
    await it.due()
    it.restart()
    await it.found.reconcile()
    assert (it.status.state, it.pause_s(), it.app.restart_attempts) == (S.PENDING, 2, 2)
    it.publish()
    assert (await it.due()).state is S.READY


@pytest.mark.parametrize("policy", ["on-failure", "unless-stopped"])
async def test_every_policy_but_no_has_it_tried_again(it: Story, policy: str) -> None:
    await refused(it, doc(policy))
    for _ in range(9):
        await it.due()
    assert (it.status.state, it.app.reason) == (S.PENDING, "ImagePullFailed"), "pulls are never given up"
    it.publish()
    assert (await it.due()).state is S.READY


async def test_without_a_policy_a_command_that_fails_has_failed(it: Story) -> None:
    await refused(it, doc(""))
    it.publish()
    status = await it.due()
    assert (status.state, status.reason) == (S.FAILED, "CreateCellFailed")
    assert (it.app.reason, it.app.next_restart, len(it.host.images.asked)) == ("ImagePullFailed", None, 1)


async def test_never_is_not_asked_for(it: Story) -> None:
    await refused(it, doc(image_pull_policy="Never"))
    await it.due()
    assert (it.status.state, it.app.next_restart, it.host.images.asked) == (S.FAILED, None, [])


async def test_no_pause_for_programs_is_a_pause_for_registries(it: Story) -> None:
    await refused(it, doc(restart_backoff_seconds=0))
    assert it.pause_s() == 1
    await it.due()
    assert it.pause_s() == 2
    await it.found.delete_cell(doc())
    await refused(it, doc(restart_backoff_seconds=30))
    assert it.pause_s() == 30


@pytest.mark.parametrize("verb", ["stop", "kill", "delete"])
async def test_who_stops_it_is_obeyed(it: Story, verb: str) -> None:
    await refused(it, doc())
    await getattr(it.found, f"{verb}_cell")(doc())
    it.publish()
    it.restart()
    it.clock.time += dt.timedelta(seconds=400)
    await it.found.reconcile()
    await it.found.runner.cells.fetch(REF)
    assert (it.running(), len(it.host.images.asked)) == (set(), 1)
    if verb != "delete":
        assert (it.status.state, it.app.reason, it.app.next_restart) == (S.STOPPED, "", None)


async def test_who_starts_it_does_not_wait(it: Story) -> None:
    await refused(it, doc())
    for _ in range(5):
        await it.due()
    it.publish()
    assert (await it.found.start_cell(doc())).started
    assert (it.status.state, it.app.restart_attempts, restarts.next_due(it.status)) == (S.READY, 0, None)


async def test_only_what_was_asked_for_comes_up(it: Story) -> None:
    it.publish()
    await it.found.create_cell(doc())
    await it.found.stop_cell(doc())
    await it.host.containers.delete(NAMESPACE, APP)
    it.withdraw()
    spec = container("app", realm_id="default", space_id="default", stack_id="default", cell_id="hello")
    with pytest.raises(errors.ImageNotFound):
        await it.found.start_container(model.ContainerDoc(metadata=model.Metadata(name="app"), spec=spec))
    it.restart()
    await it.found.refresh_all()
    await it.due()
    assert (it.status.state, it.app.reason) == (S.PENDING, "ImagePullFailed")
    it.publish()
    await it.due()
    assert it.running() == {APP, ROOT}


@pytest.mark.parametrize("policy", ["", "always"])
async def test_what_a_reboot_took_is_brought_back_whatever_its_policy(it: Story, policy: str) -> None:
    it.publish()
    await it.found.create_cell(doc(policy))
    it.host.reboot()
    await it.host.containers.delete(NAMESPACE, APP)
    it.withdraw()
    it.restart()
    await it.found.reconcile()
    assert (it.status.state, len(it.host.images.asked)) == (S.PENDING, 1), "looks pull nothing"
    for pause in (1, 2, 4):
        await it.due()
        assert (it.status.state, it.status.reason, it.pause_s()) == (S.PENDING, "ImagePullFailed", pause)
    it.restart()
    it.publish()
    assert (await it.due()).state is S.READY
    assert it.running() == {APP, WEB, ROOT}


async def test_an_image_that_somebody_brings_meanwhile_is_used(it: Story) -> None:
    it.publish()
    await it.found.create_cell(doc(""))
    it.host.reboot()
    await it.host.containers.delete(NAMESPACE, APP)
    it.withdraw()
    await it.found.reconcile()
    assert it.status.state is S.PENDING
    it.host.images.add(NAMESPACE, NAME)
    await it.found.runner.cells.fetch(REF)
    assert (it.status.state, len(it.host.images.asked)) == (S.READY, 1)


async def test_siblings_run_on_and_are_restarted_while_one_lacks_its_image(it: Story) -> None:
    it.publish()
    wanted = cell(
        "hello", container("app", image=NAME, restart_policy="always"), container("web", restart_policy="always")
    )
    await it.found.create_cell(wanted)
    for _ in range(2):  # the first start comes at once
        it.host.containers.end(NAMESPACE, APP, 3)
        await it.found.reconcile()
    it.host.containers.snapshots.discard((NAMESPACE, APP))
    it.withdraw()
    await it.due()
    assert (it.status.state, it.app.reason, it.running()) == (S.DEGRADED, "ImagePullFailed", {WEB, ROOT})
    for _ in range(3):
        await it.due()
    it.host.containers.end(NAMESPACE, WEB, 1)
    await it.found.reconcile()
    assert it.running() == {WEB, ROOT}
    it.publish()
    assert (await it.due()).state is S.READY
    assert (it.running(), it.app.restart_attempts) == ({APP, WEB, ROOT}, 1)


class Held:
    """A registry that answers when it is let."""

    def __init__(self, host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
        self.gate = asyncio.Event()
        self.begun = self.ended = 0
        pull = host.images.pull

        async def held(*arguments: Any) -> tuple[str, int, bool]:
            self.begun += 1
            try:
                await self.gate.wait()
                return await pull(*arguments)
            finally:
                self.ended += 1

        monkeypatch.setattr(host.images, "pull", held)


@contextlib.asynccontextmanager
async def watching(found: Controller) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(found.watch_events())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait({task})


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what tasks in the background do
            await asyncio.sleep(0.002)


async def test_a_slow_registry_keeps_nobody_else_waiting(it: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    await refused(it, doc())
    other = cell("other", container("main", restart_policy="always", restart_backoff_seconds=0))
    await it.found.create_cell(other)
    it.publish()
    slow = Held(it.host, monkeypatch)
    it.clock.time += dt.timedelta(seconds=5)
    async with watching(it.found):
        await until(lambda: slow.begun)
        main = "default_default_other_main"
        for _ in range(3):
            it.host.containers.end(NAMESPACE, main, 1)
            await until(lambda: main in it.running())
            await it.found.reconcile()
        assert not it.found.runner.context.lock.locked(REF)
        assert (slow.begun, slow.ended, it.status.state) == (1, 0, S.PENDING)
        slow.gate.set()
        await until(lambda: it.status.state is S.READY)
    assert it.running() >= {APP, WEB}


@pytest.mark.parametrize("verb", ["stop", "delete", "purge"])
async def test_who_stops_it_ends_the_pull(it: Story, monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    await refused(it, doc())
    slow = Held(it.host, monkeypatch)
    it.clock.time += dt.timedelta(seconds=5)
    async with watching(it.found):
        await until(lambda: slow.begun)
        await getattr(it.found, f"{verb}_cell")(doc())
        assert slow.ended == 1
        slow.gate.set()
        await until(lambda: it.found.runner.context.lock.statistics() == (0, 0))
    assert slow.begun == 1
    assert it.running() == set()
    if verb != "stop":
        assert it.found.runner.cells.find(REF) is None
        realm = model.RealmDoc(metadata=model.Metadata(name="default"))
        assert (await it.found.delete_realm(realm, False, True)).metadata_deleted


async def test_whoever_starts_it_shares_the_pull(it: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    await refused(it, doc())
    it.publish()
    slow = Held(it.host, monkeypatch)
    it.clock.time += dt.timedelta(seconds=5)
    async with watching(it.found):
        await until(lambda: slow.begun)
        starting = asyncio.create_task(it.found.start_cell(doc()))
        pulls = it.found.runner.context.pulls._running
        await until(lambda: [each.users for each in pulls.values()] == [2])
        slow.gate.set()
        assert (await starting).started
        await until(lambda: it.found.runner.context.lock.statistics() == (0, 0))
    assert (slow.begun, it.status.state) == (1, S.READY)


async def test_a_command_that_fails_has_it_tried_again_without_being_looked_at(it: Story) -> None:
    """Nothing was started, so nothing happens in containerd that would bring a look."""
    async with watching(it.found):
        await asyncio.sleep(0)
        await refused(it, doc(restart_backoff_seconds=1))
        it.publish()
        it.clock.time += dt.timedelta(seconds=5)
        await until(lambda: it.status.state is S.READY)
    assert it.running() == {APP, WEB, ROOT}


async def test_one_pull_serves_all_cells_that_lack_the_image(it: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [f"c{number}" for number in range(20)]
    for name in names:
        wanted = cell(name, container("app", image=NAME, restart_policy="always"))
        with pytest.raises(errors.ImageNotFound):
            await it.found.create_cell(wanted)
    it.publish()
    slow = Held(it.host, monkeypatch)
    it.clock.time += dt.timedelta(seconds=5)
    async with watching(it.found):
        await until(lambda: slow.begun)
        slow.gate.set()
        apps = {f"default_default_{name}_app" for name in names}
        await until(lambda: apps <= it.running())
    assert slow.begun < len(names)


async def test_a_changed_manifest_that_names_another_image_comes_up(it: Story) -> None:
    await refused(it, doc())
    wanted = cell("hello", container("app", restart_policy="always"), container("web"))
    (result,) = (await it.found.apply_documents(manifest.dump([wanted]).encode())).resources
    assert result.action is model.ApplyAction.UPDATED
    assert (it.status.state, restarts.next_due(it.status), IMAGE) == (S.READY, None, wanted.spec.containers[0].image)


async def test_auto_delete_waits_for_the_image(it: Story) -> None:
    it.publish()
    wanted = doc()
    await it.found.create_cell(
        msgspec.structs.replace(wanted, spec=msgspec.structs.replace(wanted.spec, auto_delete=True))
    )
    it.host.reboot()
    await it.host.containers.delete(NAMESPACE, APP)
    it.withdraw()
    it.restart()
    for _ in range(3):
        await it.due()
    assert it.status.state is S.PENDING
