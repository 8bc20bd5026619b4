"""An image that a cell lacks is pulled beside everything else."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from lacking_images import APP, NAME, REF, ROOT, WEB, S, Story, doc, refused, story
from living_cells import until, watching

from kukeon_api import errors, model
from kukeon_runner.testing.cells import NAMESPACE, cell, container

if TYPE_CHECKING:
    from pathlib import Path

    from kukeon_runner.testing.host import FakeHost


@pytest.fixture
async def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Story:
    return await story(tmp_path, monkeypatch)


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


async def test_a_slow_registry_keeps_nobody_else_waiting(it: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    await refused(it, doc())
    other = cell("other", container("main", restart_policy="always", restart_backoff_seconds=0))
    await it.found.create_cell(other)
    it.publish()
    slow = Held(it.host, monkeypatch)
    it.clock.wait(5)
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
    it.clock.wait(5)
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
    it.clock.wait(5)
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
        it.clock.wait(5)
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
    it.clock.wait(5)
    async with watching(it.found):
        await until(lambda: slow.begun)
        slow.gate.set()
        apps = {f"default_default_{name}_app" for name in names}
        await until(lambda: apps <= it.running())
    assert slow.begun < len(names)
