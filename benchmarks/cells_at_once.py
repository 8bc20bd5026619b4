#!/usr/bin/env python3
"""100 cells in one call to kukeond, against containerd making as many containers; and one from the shell.

The raw rate is that of containers as plain as runc takes them, without network, cgroups below theirs or logs, as many
at a time as kukeond makes cells. A cell is two containers; both rates are of containers.
"""

import asyncio
import functools
import statistics
import subprocess
import time
from collections.abc import Callable

import floor
import measuring

import kukeon_sdk
from kukeon_api import model
from kukeon_runner.controller import apply
from kukeon_runner.host.containerd.client import Containerd, Namespaced, ResolvedImage
from kuketest import manifests
from kuketest.instance import Instance

CELLS = 100
ROUNDS = 3
SHELL_ROUNDS = 12
WARM_UP = 2
RATE_GOAL = 0.8


async def raw(instance: Instance, number: int) -> float:
    """Containers a second that containerd makes of 2 * CELLS of them."""
    limit = asyncio.Semaphore(2 * apply.AT_ONCE)

    async def start(containerd: Namespaced, image: ResolvedImage, key: str) -> None:
        async with limit:
            await floor.start(containerd, image, key, f"{instance.cgroup_root}/floor")

    async with await Containerd.connect(instance.containerd_socket) as connection:
        containerd = connection.with_namespace(f"default.{instance.suffix}")
        image = await containerd.resolve(manifests.IMAGE)
        keys = [f"floor-{number}-{each}" for each in range(2 * CELLS)]
        began = time.perf_counter()
        async with containerd.lease("floor") as leased, asyncio.TaskGroup() as group:
            for key in keys:
                group.create_task(start(leased, image, key))
        took = time.perf_counter() - began
        async with asyncio.TaskGroup() as group:
            for pair in zip(keys[::2], keys[1::2], strict=True):
                group.create_task(floor.remove(containerd, pair))
    return 2 * CELLS / took


def cells(client: kukeon_sdk.Client) -> float:
    """Containers a second that kukeond makes, two a cell."""
    text = manifests.many(*(manifests.sleeper(f"cell-{number}") for number in range(CELLS))).encode()
    began = time.perf_counter()
    result = client.apply_documents(text)
    took = time.perf_counter() - began
    assert all(each.action is model.ApplyAction.CREATED for each in result.resources), result
    for name in (f"cell-{number}" for number in range(CELLS)):
        client.kill_cell(manifests.reference(name))
    client.delete_documents(text)
    return 2 * CELLS / took


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def from_the_shell(instance: Instance) -> None:
    theirs, ours = [], []
    for number in range(-WARM_UP, SHELL_ROUNDS):
        name = f"shell-{number + WARM_UP}"
        run = ("run", "-d", manifests.IMAGE, f"peer-{name}", "sleep", "3600")
        kuke = ("run", "-d", "--name", name, "--image", manifests.IMAGE, "--", "sleep", "3600")
        their, our = timed(lambda run=run: instance.ctr(*run)), timed(lambda kuke=kuke: instance.kuke(*kuke))
        if number >= 0:
            theirs.append(their)
            ours.append(our)
        instance.ctr("tasks", "kill", "-s", "KILL", f"peer-{name}")
        instance.ctr("tasks", "delete", "-f", f"peer-{name}")
        instance.ctr("containers", "delete", f"peer-{name}")
        instance.kuke("kill", "cell", name)
        instance.kuke("delete", "cell", name)
    command = [str(instance.programs / "kuke"), "get", "cells"]
    work = functools.partial(subprocess.run, command, env=instance.environment(), capture_output=True, check=True)
    measuring.line("ctr run -d, one container, no network", measuring.milliseconds(theirs))
    measuring.line("kuke run -d, root, workload, network", measuring.milliseconds(ours))
    measuring.line("of that, kuke itself (kuke get cells)", measuring.milliseconds([timed(work) for _ in range(9)]))
    measuring.line("ratio of the medians", f"{statistics.median(ours) / statistics.median(theirs):7.2f}")


def main() -> None:
    with measuring.image_archive() as archive, measuring.instance() as instance:
        instance.start()
        instance.kuke("image", "load", str(archive))
        from_the_shell(instance)
        floors, ours = [], []
        with instance.client() as client:
            for number in range(ROUNDS):
                measuring.line("load before a round", measuring.load())
                floors.append(asyncio.run(raw(instance, number)))
                ours.append(cells(client))
                instance.remember_shims()
                measuring.line("containerd, cells", f"{floors[-1]:7.1f}, {ours[-1]:.1f} containers/s")
        ratio = statistics.median(ours) / statistics.median(floors)
        word = "within" if ratio >= RATE_GOAL else "BELOW"
        measuring.line(f"{CELLS} cells at once, to the raw rate", f"{ratio:7.2f}  ({word} the goal of {RATE_GOAL:g})")


if __name__ == "__main__":
    main()
