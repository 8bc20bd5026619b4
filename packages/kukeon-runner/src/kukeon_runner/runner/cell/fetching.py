"""Having the images that keep cells from coming up while nobody waits: beside everything else, and again and again."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.runner import needs
from kukeon_runner.runner.cell.upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kukeon_api import model

log = logging.getLogger(__name__)


class Fetching(Upkeep):
    async def fetch(self, ref: model.Ref) -> model.CellDoc | None:
        """Pull the images that keep the cell, or containers of it, from coming up now, and bring them up.

        The cell's lock is free meanwhile; whoever stops or deletes the cell ends the pull. When it fails, the next one
        is due later, after each failure later than before. The document is None for a cell that is gone. Raises what
        `reconcile` raises.
        """
        async with self.context.lock(ref):
            doc = self.find(ref)
            if doc is None or ref in self._fetches:
                return doc
            seen, site = await self._observe(doc, strays=False)
            # Nothing, when somebody has pulled it meanwhile.
            lacking = await self._lacking(doc, site, seen, self._due(doc, site, seen))
            if lacking:
                log.info("pulling %s for cell %s", ", ".join(lacking), ref)
            work = asyncio.create_task(needs.pulled(self.context, doc, site, lacking), name=f"pull for cell {ref}")
            self._fetches[ref] = work
        try:
            await asyncio.wait({work})
        finally:
            if self._fetches.get(ref) is work:
                await self._end_fetch(ref)
        if work.cancelled():
            return self.find(ref)
        if failed := needs.unpulled(work.result()):
            return await self._later(ref, failed)
        return (await self.reconcile(ref))[0]

    async def _later(self, ref: model.Ref, failed: Mapping[str, errors.KukeonError]) -> model.CellDoc | None:
        """Store that these images could not be pulled, and when that is tried again, if the cell still lacks them."""
        name, error = next(iter(failed.items()))
        if isinstance(error, errors.ConnectContainerd):
            raise error  # nothing is known of the registry; when containerd is back, all cells are looked at
        async with self.context.lock(ref):
            doc = self.find(ref)
            if doc is None:
                return None
            seen, site = await self._observe(doc, strays=False)
            names = self._due(doc, site, seen)
            if name not in await self._lacking(doc, site, seen, names):
                return doc
            log.warning("cell %s waits for an image: %s", ref, error)
            return await self._store(self._unpulled(doc, failed, names, again=True), site, seen, {})
