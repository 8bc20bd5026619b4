"""Cells that live, on real containers: exits, restarts, memory that runs out, and a reboot."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from kukeon_api import image_ref, model, restarts
from kukeon_cni import links
from kukeon_runner.host import mounts, nftables
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.host.transfer.progress import Progress
from kukeon_runner.testing import registry
from kukeon_runner.testing.places import IMAGE, PATIENCE_S, SERVES, Place, alive, cell, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_runner.controller import Controller

pytestmark = pytest.mark.host


def of(name: str, *containers: model.ContainerSpec, auto_delete: bool = False) -> model.CellDoc:
    doc = cell(name)
    spec = msgspec.structs.replace(doc.spec, containers=containers, auto_delete=auto_delete)
    return msgspec.structs.replace(doc, spec=spec)


def sh(id: str, script: str, **fields: object) -> model.ContainerSpec:
    wanted = {"id": id, "image": IMAGE, "command": "/bin/sh", "args": ("-c", script)}
    return model.ContainerSpec(**wanted | fields)  # type: ignore[arg-type]


def status(found: Controller, name: str) -> model.CellStatus:
    return found.runner.cells.get(model.Ref("default", "default", "default", name)).status


async def seen(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what other processes do
            await asyncio.sleep(0.005)


async def test_exits_bring_restarts_at_once_and_codes_are_kept(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        again = sh("again", SERVES[1], restart_policy="always", restart_backoff_seconds=0)
        await found.create_cell(of("web", again, sh("calm", SERVES[1])))
        ids = {name: f"default_default_web_{name}" for name in ("again", "calm")}
        for count in range(1, 4):
            before = place.tasks()
            os.kill(before[ids["again"]], signal.SIGKILL)
            await seen(lambda count=count: status(found, "web").containers[0].restart_count == count)
            await seen(lambda: status(found, "web").state is model.CellState.READY)
            after = place.tasks()
            assert after[ids["again"]] != before[ids["again"]]
            assert after[ids["calm"]] == before[ids["calm"]]
        os.kill(place.tasks()[ids["calm"]], signal.SIGKILL)
        await seen(lambda: status(found, "web").state is model.CellState.DEGRADED)
        assert status(found, "web").containers[1].exit_code == 137
        events = [event.type async for event in found.events(cell="web")]
        assert events.count(model.EventType.RESTARTING) == 3


async def test_jobs_end_are_wound_down_or_deleted(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        await found.create_cell(of("job", sh("main", "exit 0")))
        await found.create_cell(of("bad", sh("main", "exit 7")))
        await found.create_cell(of("gone", sh("main", "sleep 0.2; exit 3"), auto_delete=True))
        await seen(lambda: not place.tasks())
        await seen(lambda: status(found, "job").state is model.CellState.EXITED)
        await seen(lambda: status(found, "bad").state is model.CellState.ERROR)
        assert status(found, "bad").containers[0].exit_code == 7
        await seen(lambda: found.runner.cells.find(model.Ref("default", "default", "default", "gone")) is None)
        pins = Path(place.layout.runtime_dir) / "ns"
        await seen(lambda: not [path for path in pins.rglob("*") if path.name == "net"])


async def test_deaf_workloads_share_one_deadline_and_those_that_listen_are_not_hurried(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        deaf = [sh(f"deaf{number}", "trap '' TERM; while :; do sleep 0.1; done") for number in range(3)]
        polite = sh("polite", "trap 'sleep 0.3; exit 5' TERM; while :; do sleep 0.05; done")
        await found.create_cell(of("web", *deaf, polite))
        began = time.monotonic()
        await found.runner.cells.stop(model.Ref("default", "default", "default", "web"), grace_s=4.0)
        took = time.monotonic() - began
        assert 4.0 <= took < 12.0, "three deadlines, one after the other, would be twelve seconds"
        ended = {each.name: (each.exit_code, each.exit_signal) for each in status(found, "web").containers}
        assert ended == dict.fromkeys([each.id for each in deaf], (137, "SIGKILL")) | {"polite": (5, "")}
        assert place.tasks() == {}


async def test_memory_that_runs_out_is_told(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        # A tmpfs counts as the memory of who writes to it.
        eats = sh(
            "eats",
            "sleep 0.3; exec tail /dev/zero",
            resources=model.Resources(memory_limit_bytes=16 << 20),
        )
        await found.create_cell(of("hungry", eats, sh("calm", SERVES[1])))
        await seen(lambda: status(found, "hungry").state is model.CellState.DEGRADED)
        (container, _) = status(found, "hungry").containers
        assert (container.exit_code, container.exit_signal) == (137, "SIGKILL")
        await seen(lambda: status(found, "hungry").containers[0].oom_killed)


def power_cut(place: Place) -> None:
    """Take from the host what a reboot takes: processes, cgroups, namespaces, links, packet rules, what is in /run."""
    layout = place.layout
    containerd = place.containerd_pid()
    assert containerd is not None
    bridges = [layout.bridge(model.Ref("default", "default"))]
    os.kill(containerd, signal.SIGKILL)
    cgroups = Cgroups.detect()
    for path in (layout.cgroup_root, layout.containerd_cgroup):
        cgroups.kill(path)
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            words = (process / "cmdline").read_bytes().decode(errors="replace")
            if layout.containerd_socket in words:
                os.kill(int(process.name), signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_S
    while any(cgroups.exists(path) for path in (layout.cgroup_root, layout.containerd_cgroup)):
        cgroups.kill(layout.cgroup_root)
        cgroups.remove(layout.cgroup_root)
        cgroups.remove(layout.containerd_cgroup)
        assert time.monotonic() < deadline
    mounts.unmount_below(Path(layout.runtime_dir))
    shutil.rmtree(layout.runtime_dir)
    for bridge in bridges:
        links.delete_link(bridge)
    asyncio.run(nftables.remove(layout.nft_table))
    namespace = layout.namespace("default")
    shutil.rmtree(f"/run/containerd/runc/{namespace}", ignore_errors=True)


async def test_a_reboot_brings_back_what_ran_and_leaves_what_was_stopped(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        serves = sh("main", SERVES[1])
        await found.create_cell(of("web", serves, sh("side", SERVES[1]), sh("done", "exit 0")))
        await found.create_cell(of("asleep", serves))
        await found.stop_cell(of("asleep", serves))
        await seen(lambda: status(found, "web").containers[2].state is model.ContainerState.EXITED)
        pids = place.tasks().values()
    await asyncio.to_thread(power_cut, place)
    await until(lambda: not any(map(alive, pids)))
    async with place.opened() as found:
        await seen(lambda: len(place.tasks()) == 3)
        await seen(lambda: status(found, "web").state is model.CellState.READY)
        states = {each.name: each.state for each in status(found, "web").containers}
        assert states == {
            "main": model.ContainerState.READY,
            "side": model.ContainerState.READY,
            "done": model.ContainerState.EXITED,
        }
        assert status(found, "asleep").state is model.CellState.STOPPED
        assert {id.rpartition("_")[2] for id in place.tasks()} == {"main", "side", "root"}
        tables = await asyncio.create_subprocess_exec("nft", "list", "tables", stdout=asyncio.subprocess.PIPE)
        listing, _ = await tables.communicate()
        assert place.layout.nft_table in listing.decode()


async def test_a_pull_that_a_power_cut_ended_goes_on_when_the_registry_is_back(place: Place) -> None:
    """Of a cell that has no policy at all: it was being made, and that is finished."""
    async with registry.served_registry() as serving:
        name = f"{serving.address}/team/app:1"
        doc = of("web", sh("main", SERVES[1], image=name))
        async with place.opened() as found:
            await place.load(found)
            images, namespace = found.runner.context.host.images, place.layout.namespace("default")
            await images.push(namespace, IMAGE, image_ref.parse(name), "", lambda _: None, Progress())
            await found.create_cell(of("busy", sh("main", SERVES[1])))
            asked = asyncio.Event()

            async def silent(_: registry.Call) -> None:
                asked.set()
                await asyncio.Event().wait()

            serving.behaviour = lambda call, _writer: silent(call)
            making = asyncio.create_task(found.create_cell(doc))
            async with asyncio.timeout(PATIENCE_S):
                await asked.wait()
            making.cancel()
            await asyncio.wait({making})
            assert status(found, "web").state is model.CellState.PENDING
        await asyncio.to_thread(power_cut, place)
        serving.behaviour = lambda _call, _writer: registry.error(404, "MANIFEST_UNKNOWN", "")
        async with place.opened() as found:
            await seen(lambda: status(found, "web").reason == "ImagePullFailed")
            await seen(lambda: status(found, "busy").state is model.CellState.READY and len(place.tasks()) == 2)
            assert status(found, "web").state is model.CellState.PENDING
            assert restarts.next_due(status(found, "web")) is not None
            serving.behaviour = lambda _call, _writer: registry.PASS
            await seen(lambda: status(found, "web").state is model.CellState.READY)
            assert len(place.tasks()) == 4


async def test_an_end_while_kukeond_is_away_is_known_and_made_good(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        await found.create_cell(of("web", sh("main", SERVES[1], restart_policy="on-failure")))
    os.kill(place.tasks()["default_default_web_main"], signal.SIGKILL)
    async with place.opened() as found:
        await seen(lambda: status(found, "web").containers[0].restart_count == 1)
        await seen(lambda: status(found, "web").state is model.CellState.READY)
