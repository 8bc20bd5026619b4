"""A whole instance on this machine, with a containerd of its own: opened, reopened, hurt, and taken away."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from pathlib import Path

import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner import instance, open_controller, removal
from kukeon_runner.host import mounts
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.testing.places import (
    ENDS,
    IMAGE,
    PATIENCE_S,
    Place,
    alive,
    cell,
    cgroups_below,
    left_on_host,
    removed,
    until,
)

pytestmark = pytest.mark.host


async def test_a_life_with_restarts_and_a_containerd_that_is_killed(place: Place) -> None:
    doc = cell("web")
    async with place.opened() as found:
        await place.load(found)
        made = await found.create_cell(doc)
        assert made.cell.status.state is model.CellState.READY
        network = made.cell.status.network
        assert network is not None
        assert network.address
    containerd, tasks = place.containerd_pid(), place.tasks()
    assert containerd is not None
    assert set(tasks) == {"default_default_web_root", "default_default_web_main"}

    # Nobody is there, and the cell goes on; whoever comes next finds all of it as it was.
    async with place.opened() as found:
        assert (place.containerd_pid(), place.tasks()) == (containerd, tasks)
        assert (await found.bootstrap()).created is False
        assert (await found.get_cell(doc)).cell == made.cell
        (result,) = (await found.apply_documents(manifest.dump([doc]).encode())).resources
        assert (result.action, result.changes) == (model.ApplyAction.UNCHANGED, ())

        os.kill(containerd, signal.SIGKILL)
        await until(lambda: place.containerd_pid() not in (None, containerd))
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(errors.Unavailable):
                    assert (await found.start_cell(doc)).started is False
                    break
                await asyncio.sleep(0.05)
        assert place.tasks() == tasks
        assert (await found.get_cell(doc)).cell.status.state is model.CellState.READY

        # Its events are followed again.
        os.kill(tasks["default_default_web_main"], signal.SIGKILL)
        await until(lambda: found.runner.cells.get(model.ref_of(doc)).status.state is model.CellState.ERROR)
        (status,) = found.runner.cells.get(model.ref_of(doc)).status.containers
        assert (status.exit_code, status.exit_signal) == (137, "SIGKILL")
        assert (await found.start_cell(doc)).cell.status.state is model.CellState.READY
        stopped = (await found.stop_cell(doc)).cell.status
        assert (stopped.state, stopped.containers[0].exit_code) == (model.CellState.STOPPED, 0)
        assert place.tasks() == {}
        assert (await found.start_cell(doc)).cell.status.state is model.CellState.READY
        log = Path((await found.log_container(_container("web"))).host_log_path)
        assert log.read_text().count("stdout F started") == 3  # noqa: ASYNC240 - a few lines
    assert await removed(place) == {}
    assert [row.outcome for row in await removal.uninstall(place.options)] == ["absent"]


def _container(name: str) -> model.ContainerDoc:
    spec = model.ContainerSpec(realm_id="default", space_id="default", stack_id="default", cell_id=name, image=IMAGE)
    return model.ContainerDoc(metadata=model.Metadata(name="main"), spec=spec)


async def test_many_cells_come_and_go_at_once(place: Place) -> None:
    cells = [cell(f"c{number}", stack=f"s{number % 3}") for number in range(12)]
    async with place.opened() as found:
        await place.load(found)
        (*results,) = (await found.apply_documents(manifest.dump(cells).encode())).resources
        assert {each.action for each in results} == {model.ApplyAction.CREATED}, results
        addresses = {each.status.network.address for each in await found.list_cells() if each.status.network}
        assert len(addresses) == 12
        # Some go by name while their stack goes with all that is in it.
        stacks = [
            model.StackDoc(
                metadata=model.Metadata(name=f"s{number}"),
                spec=model.StackSpec(realm_id="default", space_id="default"),
            )
            for number in range(3)
        ]
        gone = await asyncio.gather(
            *(found.delete_cell(each) for each in cells[:4]),
            *(found.delete_stack(each, False, True) for each in stacks),
            return_exceptions=True,
        )
        assert all(isinstance(each, errors.CellNotFound) for each in gone if isinstance(each, BaseException))
        assert await found.list_cells() == ()
        assert place.tasks() == {}
        assert not cgroups_below(f"{place.layout.cgroup_root}/default/default/s*")
        assert not any("/ns/" in path or "/shm/" in path for path in mounts.mounts_below(place.layout.runtime_dir))
    assert await removed(place) == {}


async def test_a_workload_that_ends_is_stored_with_its_code(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        await found.create_cell(cell("ends", ENDS))
        ref = model.ref_of(cell("ends"))
        await until(lambda: found.runner.cells.get(ref).status.state is model.CellState.ERROR)
        status = found.runner.cells.get(ref).status
        assert status.message == "container 'main' exited with code 7"


async def test_an_instance_whose_containerd_and_documents_were_lost_is_taken_away(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        for name in ("torn", "lost", "whole"):
            await found.create_cell(cell(name))
    pids = place.tasks().values()
    containerd = place.containerd_pid()
    assert containerd is not None
    os.kill(containerd, signal.SIGKILL)
    await until(lambda: not alive(containerd))
    realm = place.home / "run/data/default"
    (realm / "default/default/torn/metadata.json").write_text("{")
    (realm / "default/default/lost/metadata.json").unlink()
    (realm / "metadata.json").write_text("")
    assert await removed(place) == {}
    assert not any(map(alive, pids))


async def test_only_one_may_change_an_instance(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        await found.create_cell(cell("web"))
        with pytest.raises(errors.Conflict):
            async with open_controller(place.options):
                pytest.fail("two at once")
        with pytest.raises(errors.Conflict):
            await removal.uninstall(place.options)
        async with open_controller(place.options, exclusive=False) as reader:
            assert [each.metadata.name for each in await reader.list_cells()] == ["web"]
        assert (await found.get_cell(cell("web"))).cell.status.state is model.CellState.READY


async def test_an_instance_that_was_only_begun_is_taken_away_without_starting_anything(place: Place) -> None:
    instance.ensure_instance(place.options)
    names = place.names()
    rows = await removal.uninstall(place.options)
    assert "containerd" not in {row.label for row in rows}
    assert not (place.home / "run").exists()
    assert left_on_host(names, set()) == {}


async def test_an_instance_that_never_was_is_absent(place: Place) -> None:
    assert [row.outcome for row in await removal.uninstall(place.options)] == ["absent"]
    assert Cgroups.detect().exists(place.options.cgroup_root) is False
