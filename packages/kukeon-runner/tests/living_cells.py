"""A cell on a host in memory, with a clock of its own."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import model
from kukeon_runner.testing.cells import NAMESPACE, cell, controller, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from kukeon_runner.controller import Controller

A, B, ROOT = (f"default_default_hello_{name}" for name in ("a", "b", "root"))
REF = model.Ref("default", "default", "default", "hello")


class Clock:
    def __init__(self) -> None:
        self.time = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        self.time += dt.timedelta(microseconds=1)
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += dt.timedelta(seconds=seconds)


class Story:
    def __init__(self, host: FakeHost, run_path: Path, clock: Clock, found: Controller) -> None:
        self.host, self.run_path, self.clock, self.found = host, run_path, clock, found

    async def look(self) -> model.CellStatus:
        await self.found.reconcile()
        return self.status

    @property
    def status(self) -> model.CellStatus:
        return self.found.runner.cells.get(REF).status

    def end(self, id: str, code: int = 1) -> None:
        self.host.containers.end(NAMESPACE, id, code)

    def pid(self, id: str) -> int:
        return self.host.containers.tasks[NAMESPACE, id].pid

    def running(self) -> set[str]:
        return {id for (_, id), task in self.host.containers.tasks.items() if task.status == "running"}

    def restart(self) -> None:
        """Have another kukeond."""
        self.found = controller(self.host, self.run_path, now=self.clock)


async def story(tmp_path: Path, *containers: model.ContainerSpec, **spec: Any) -> Story:
    host, clock = FakeHost(), Clock()
    host.containers.now = clock
    found = Story(host, tmp_path, clock, await prepared(host, tmp_path, now=clock))
    doc = cell("hello", *containers)
    await found.found.create_cell(type(doc)(metadata=doc.metadata, spec=replaced(doc.spec, **spec)))
    return found


def replaced(spec: model.CellSpec, **fields: Any) -> model.CellSpec:
    return msgspec.structs.replace(spec, **fields)


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def watching(found: Controller) -> AsyncIterator[None]:
    task = asyncio.create_task(found.watch_events())
    for _ in range(200):
        await asyncio.sleep(0)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
