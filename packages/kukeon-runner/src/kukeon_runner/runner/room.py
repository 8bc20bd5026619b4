"""Whether there is room on the disk for one more cell."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kukeon_api import errors, model

if TYPE_CHECKING:
    from kukeon_runner.runner.context import Context

log = logging.getLogger(__name__)

WARN_EVERY_S = 300.0
"""Between two warnings about one disk: many cells may be made in a row."""


class Room:
    """The disk of the run path, where snapshots, logs and documents grow."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._warned_at: float | None = None

    async def check(self, doc: model.CellDoc) -> None:
        """Raise DiskPressure when the disk is too full for a new cell, unless `doc` says that this does not matter.

        What cannot be measured keeps nobody from working.
        """
        limits, path = self._context.options.disk, self._context.layout.run_path
        disk = await self._context.host.kernel.disk_use(path)
        if disk is None or not disk.total_bytes:
            return
        used = 100 * (disk.total_bytes - disk.free_bytes) / disk.total_bytes
        ref = model.ref_of(doc)
        if limits.block_percent and used >= limits.block_percent and not doc.spec.ignore_disk_pressure:
            raise errors.DiskPressure(
                f"cannot make cell {str(ref)!r}: the disk of {path!r} is {used:.0f} % full, and cells are made below"
                f" {limits.block_percent} %",
                hint="make room: kuke image delete, kuke delete; or pass --ignore-disk-pressure",
            )
        if limits.warn_percent and used >= limits.warn_percent:
            self._warn(path, used)

    def _warn(self, path: str, used: float) -> None:
        now = asyncio.get_running_loop().time()
        if self._warned_at is None or now - self._warned_at >= WARN_EVERY_S:
            self._warned_at = now
            log.warning("the disk of %r is %.0f %% full", path, used)
