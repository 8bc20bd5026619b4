#!/usr/bin/env python3
"""From the end of a program to the stored state, and to the start of its successor, with many cells running.

kukeond serves in a process of its own, and the figures are of somebody who follows its events: what is stored is told a
little later. Its floor is when containerd tells of the end to whoever follows containerd.
"""

import asyncio
import contextlib
import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator

import measuring

from kukeon_api import model
from kukeon_runner.host.containerd.client import Containerd
from kuketest import manifests
from kuketest.instance import Instance

CELLS = int(os.environ.get("CELLS", "200"))
BATCH = 100
GOAL_MS = 50
PATIENCE_S = 30.0


class Floor:
    """Follows containerd's own events on a thread, and notes when it is told of each end."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._at: dict[str, float] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(PATIENCE_S)

    def at(self, id: str) -> float:
        return self._at[id]

    def close(self) -> None:
        assert self._loop is not None
        assert self._task is not None
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(PATIENCE_S)

    def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(self._follow())

    async def _follow(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        async with await Containerd.connect(self._socket) as containerd:
            self._loop.call_later(1.0, self._ready.set)  # nothing tells that the stream is open
            async with contextlib.aclosing(containerd.subscribe(['topic=="/tasks/exit"'])) as events:
                async for event in events:
                    self._at[str(event.fields["container_id"])] = time.perf_counter()


def told(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    ninety_ninth = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"{statistics.median(seconds) * 1e3:7.1f} ms median, {ninety_ninth * 1e3:.1f} ms p99, {len(seconds)} ends"


def tasks(instance: Instance) -> dict[str, int]:
    """The pid of each workload, by its containerd id."""
    rows = [line.split() for line in instance.ctr("tasks", "ls").splitlines()[1:]]
    return {id: int(pid) for id, pid, _ in rows if id.endswith("_main")}


def kills(instance: Instance, floor: Floor, events: Iterator[model.Event]) -> None:
    noted: list[float] = []
    stored: list[float] = []
    issued: list[float] = []
    running: list[float] = []
    for id, pid in tasks(instance).items():
        began = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        for event in events:
            took = time.perf_counter() - began
            if event.type is model.EventType.EXITED:
                stored.append(took)
            if event.type is model.EventType.RESTARTING:
                issued.append(took)
            if event.type is model.EventType.STARTED:
                running.append(took)
                break
        noted.append(floor.at(id) - began)
    measuring.line("containerd tells of an end", told(noted))
    measuring.line("kukeond has stored it", told(stored))
    measuring.line("restart issued", told(issued))
    measuring.line("successor runs", told(running))
    ordered = sorted(issued)
    measuring.verdict("restart issued, p99", ordered[int(len(ordered) * 0.99)] * 1e3, GOAL_MS, " ms")


def main() -> None:
    with measuring.image_archive() as archive, measuring.instance() as instance, contextlib.ExitStack() as stack:
        instance.start()
        instance.kuke("image", "load", str(archive))
        again = {"restartPolicy": "always", "restartBackoffSeconds": 0}
        container = manifests.container("main", "exec sleep 100000") | again
        cells = [manifests.cell(f"cell-{number:03}", container) for number in range(CELLS)]
        client = stack.enter_context(instance.client())
        for at in range(0, CELLS, BATCH):
            result = client.apply_documents(manifests.many(*cells[at : at + BATCH]).encode())
            assert all(each.action is model.ApplyAction.CREATED for each in result.resources), result
        instance.remember_shims()
        floor = Floor(instance.containerd_socket)
        stack.callback(floor.close)
        cursor = list(client.events())[-1].cursor
        measuring.line("load before", measuring.load())
        kills(instance, floor, client.events(since=cursor, follow=True))
        measuring.line("load after", measuring.load())


if __name__ == "__main__":
    main()
