#!/usr/bin/env python3
"""A pass over cells that are as they should be: its time, and what it takes of a processor."""

import asyncio
import resource
import statistics
import time
from collections.abc import AsyncIterator

import measuring

from kukeon_api import model
from kukeon_runner import Controller, Options, open_controller
from kukeon_runner.host.containerd.client import Containerd
from kuketest import manifests
from kuketest.instance import Instance

CELLS = 40
TOLD_FOR = 200
ROUNDS = 9
AT_ONCE = 8


async def chunks(archive: bytes) -> AsyncIterator[bytes]:
    yield archive


def used_s() -> float:
    """Processor seconds of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def passes(controller: Controller, socket: str, namespace: str) -> None:
    floors, times, used = [], [], []
    async with await Containerd.connect(socket) as connection:
        containerd = connection.with_namespace(namespace)
        for _ in range(ROUNDS):
            began = time.perf_counter()
            await containerd.containers.list()
            await containerd.tasks.list()
            await containerd.snapshots.list()
            floors.append(time.perf_counter() - began)

            began, before = time.perf_counter(), used_s()
            await controller.reconcile()
            times.append(time.perf_counter() - began)
            used.append(used_s() - before)
    measuring.line(f"containerd's lists of {CELLS} cells", measuring.milliseconds(floors))
    measuring.line(f"a pass over {CELLS} cells", measuring.milliseconds(times))
    measuring.line("processor time of a pass", measuring.milliseconds(used))
    measuring.line("ratio of the medians", f"{statistics.median(times) / statistics.median(floors):7.1f}")
    scale = TOLD_FOR / CELLS * 1000
    told = f"{statistics.median(times) * scale:7.0f} ms, {statistics.median(used) * scale:.0f} ms of a processor"
    measuring.line(f"at this rate, a pass over {TOLD_FOR} cells", told)


async def measure(instance: Instance, archive: bytes) -> None:
    options = Options(
        run_path=str(instance.run_path),
        containerd="embedded",
        namespace_suffix=instance.suffix,
        cgroup_root=instance.cgroup_root,
    )
    async with open_controller(options) as controller:
        await controller.bootstrap()
        await controller.load_image("default", chunks(archive))
        text = manifests.many(*(manifests.sleeper(f"cell-{number}") for number in range(CELLS)))
        result = await controller.apply_documents(text.encode())
        assert all(each.action is model.ApplyAction.CREATED for each in result.resources), result
        instance.remember_shims()
        await passes(controller, instance.containerd_socket, f"default.{instance.suffix}")


def main() -> None:
    with measuring.image_archive() as archive, measuring.instance() as instance:
        asyncio.run(measure(instance, archive.read_bytes()))


if __name__ == "__main__":
    main()
