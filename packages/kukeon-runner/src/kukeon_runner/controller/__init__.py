"""The client methods: validate, call the runner, and say what was there before and after."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kukeon_runner.bootstrap import BootstrapReport, bootstrap
from kukeon_runner.controller.apply import Apply
from kukeon_runner.controller.cells import Cells
from kukeon_runner.controller.containers import Containers
from kukeon_runner.controller.images import Images
from kukeon_runner.controller.levels import Levels
from kukeon_runner.controller.upkeep import Upkeep

if TYPE_CHECKING:
    from kukeon_api import model
    from kukeon_runner.runner import Runner


class Controller(Levels, Cells, Containers, Images, Apply, Upkeep):
    """Every method of the wire, under its name in snake_case, and what keeps the daemon's promises between calls.

    Methods raise the errors of `kukeon_api.errors`.
    """

    def __init__(self, runner: Runner, about: model.PingResult) -> None:
        super().__init__(runner)
        self._about = about

    async def ping(self) -> model.PingResult:
        """Who answers, and what it found on its host."""
        return self._about

    async def bootstrap(self) -> BootstrapReport:
        """Have everything that must be there before the first cell; idempotent."""
        report = await bootstrap(self.runner)
        missing = tuple(f"{row.label} is missing: {row.detail}" for row in report.missing)
        self._about = msgspec.structs.replace(self._about, warnings=missing)
        return report


__all__ = ["BootstrapReport", "Controller"]
