#!/usr/bin/env python3
"""From the end of a program to the stored state, and to the start of its successor, with many cells running."""

import asyncio
import contextlib
import os
import signal
import statistics
import time
from collections.abc import AsyncIterator

import measuring

from kukeon_api import model
from kukeon_runner import Controller, Options, open_controller
from kukeon_runner.host.containerd.client import Containerd
from kuketest import manifests
from kuketest.instance import Instance

CELLS = 50
ROUNDS = 100
GOAL_MS = 50
PATIENCE_S = 30.0


async def chunks(archive: bytes) -> AsyncIterator[bytes]:
    yield archive


def percentile(values: list[float], part: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def told(values: list[float]) -> str:
    return (
        f"{statistics.median(values) * 1e3:7.1f} ms median, {percentile(values, 0.99) * 1e3:.1f} ms p99"
        f"  (goal of the p99 {GOAL_MS} ms)"
    )


async def kills(controller: Controller, containerd: Containerd, namespace: str) -> None:
    tasks = containerd.with_namespace(namespace).tasks
    stored: list[float] = []
    issued: list[float] = []
    cursor = [event.cursor async for event in controller.events()][-1]
    for number in range(ROUNDS):
        id = f"default_default_cell-{number % CELLS}_main"
        pid = (await tasks.get(id)).pid
        began = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        happenings = contextlib.aclosing(controller.events(since=cursor, follow=True))
        async with asyncio.timeout(PATIENCE_S), happenings as events:
            async for event in events:
                cursor = event.cursor
                if event.type is model.EventType.EXITED:
                    stored.append(time.perf_counter() - began)
                if event.type is model.EventType.RESTARTING:
                    issued.append(time.perf_counter() - began)
                if event.type is model.EventType.STARTED:
                    break
    measuring.line("stored state after an end", told(stored))
    measuring.line("restart issued after an end", told(issued))


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
        again = {"restartPolicy": "always", "restartBackoffSeconds": 0}
        container = manifests.container("main", "exec sleep 100000") | again
        text = manifests.many(*(manifests.cell(f"cell-{number}", container) for number in range(CELLS)))
        result = await controller.apply_documents(text.encode())
        assert all(each.action is model.ApplyAction.CREATED for each in result.resources), result
        instance.remember_shims()
        watching = asyncio.create_task(controller.watch_events())
        await asyncio.sleep(1)
        try:
            async with await Containerd.connect(instance.containerd_socket) as containerd:
                await kills(controller, containerd, f"default.{instance.suffix}")
        finally:
            watching.cancel()
            await asyncio.wait({watching})


def main() -> None:
    with measuring.image_archive() as archive, measuring.instance() as instance:
        asyncio.run(measure(instance, archive.read_bytes()))


if __name__ == "__main__":
    main()
