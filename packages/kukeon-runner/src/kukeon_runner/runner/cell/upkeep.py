"""Keeping what is stored of a cell true, and the cell whole."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from kukeon_api import errors, model
from kukeon_runner import observe, observed, wanted
from kukeon_runner.execute import execute
from kukeon_runner.plan import cell as plan
from kukeon_runner.runner import needs
from kukeon_runner.runner.cell.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

MEND_PAUSE_S = 30.0
"""Between two attempts to repair the same cell."""


class Upkeep(Work):
    async def refresh(self, ref: model.Ref, begins: Callable[[], object] = lambda: None) -> model.CellDoc | None:
        """Store what is observed now, once no verb is at work on the cell; None when it is gone.

        Calls `begins` before looking: what happens from there on is for the next refresh.
        What a running cell owes its workloads (root container, network, cgroup) is made anew when it broke.
        """
        async with self.context.lock(ref):
            begins()
            doc = self.find(ref)
            if doc is None:
                return None
            seen, site = await self._observe(doc, strays=False)
            own_root = any(each.root for each in doc.spec.containers)
            if doc.status.desired is model.DesiredState.RUNNING and plan.damaged(site, seen, own_root=own_root):
                seen = await self._mend(doc, site, seen, set() if own_root else {site.root_id})
            return await self._store(doc, site, seen, {})

    async def _mend(self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell, only: set[str]) -> observed.Cell:
        """Repair around the living workloads; trouble is logged, and they are left alone."""
        now = asyncio.get_running_loop().time()
        if now < self._mend_at.get(site.ref, now):
            return seen
        try:
            steps = plan.start(await needs.cell(self.context, doc, site, seen), seen, only)
            log.warning("repairing cell %s: %s", site.ref, ", ".join(sorted({type(step).__name__ for step in steps})))
            await execute(steps, self.context.host)
            self._mend_at.pop(site.ref, None)
        except errors.KukeonError as error:
            # What it started and ended again makes events, and those bring the next look.
            self._mend_at[site.ref] = now + MEND_PAUSE_S
            log.warning("cannot repair cell %s, trying again in %g s: %s", site.ref, MEND_PAUSE_S, error)
        return await observe.cell(self.context.host, site, self._ids(doc, site), strays=False)
