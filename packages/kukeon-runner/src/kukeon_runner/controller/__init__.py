"""The client methods: validate, call the runner, and say what was there before and after."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, model
from kukeon_runner import documents
from kukeon_runner.bootstrap import bootstrap
from kukeon_runner.controller.apply import Apply
from kukeon_runner.controller.cells import Cells
from kukeon_runner.controller.delete_documents import DeleteDocuments
from kukeon_runner.controller.events import Events
from kukeon_runner.controller.exec import Exec
from kukeon_runner.controller.images import Images
from kukeon_runner.controller.levels import Levels
from kukeon_runner.controller.logs import Logs
from kukeon_runner.controller.networks import Networks
from kukeon_runner.controller.terminals import Terminals
from kukeon_runner.controller.upkeep import Upkeep
from kukeon_runner.groundwork import BootstrapReport

if TYPE_CHECKING:
    from kukeon_runner.runner import HostRunner


PROBE_TIMEOUT_S = 2.0
"""After this, containerd is told as not answering: a person waits for the answer."""


class Controller(Levels, Cells, Logs, Terminals, Images, Apply, DeleteDocuments, Events, Exec, Networks, Upkeep):
    """Every method of the wire, under its name in snake_case, and what keeps the daemon's promises between calls.

    Methods raise the errors of `kukeon_api.errors`.
    """

    def __init__(self, runner: HostRunner, about: model.PingResult) -> None:
        super().__init__(runner)
        self._about = about
        self._missing: list[str] = []

    async def ping(self) -> model.PingResult:
        """Who answers, and how its host is now: no containerd version while containerd does not answer."""
        unreadable = self._unreadable()
        version, snapshotter, warnings = "", "", [*self._missing, *unreadable]
        places = {"run path": self.runner.context.layout.run_path}
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                version = await self.runner.context.host.containers.version()
                snapshotter, places["containerd"] = await self.runner.context.host.containers.snapshotter()
                warnings += await self.runner.spaces.troubles()
        except (errors.KukeonError, TimeoutError) as error:
            warnings.append(str(error) or f"containerd does not answer within {PROBE_TIMEOUT_S:g} s")
        return msgspec.structs.replace(
            self._about,
            containerd_version=version,
            snapshotter=snapshotter,
            disk_warn_percent=self.runner.context.options.disk.warn_percent,
            storage=tuple([each for name, path in places.items() if path and (each := await self._use(name, path))]),
            warnings=tuple(warnings),
            unreadable=tuple(unreadable),
            damaged=tuple(
                model.Damage(message=each.message, hint=each.hint)
                for each in await asyncio.to_thread(self.runner.context.subnets.damage)
            ),
        )

    async def _use(self, name: str, path: str) -> model.StorageUse | None:
        found = await self.runner.context.host.kernel.disk_use(path)
        if found is None:
            return None  # a run path that was never set up, or is not ours to look at
        return model.StorageUse(
            name=name,
            path=path,
            total_bytes=found.total_bytes,
            free_bytes=found.free_bytes,
            total_files=found.total_files,
            free_files=found.free_files,
        )

    def _unreadable(self) -> list[str]:
        store = self.runner.context.store
        # What is in the way of every kind, like a directory of a wrong name, is told once.
        return list(dict.fromkeys(str(problem) for kind in documents.KINDS for problem in store.scan(kind).problems))

    async def bootstrap(self) -> BootstrapReport:
        """Have everything that must be there before the first cell; idempotent."""
        report = await bootstrap(self.runner)
        self._missing = [f"{row.label} is missing: {row.detail}" for row in report.missing]
        return report


__all__ = ["BootstrapReport", "Controller"]
