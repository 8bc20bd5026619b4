"""Keeping what is stored of a cell true, and the cell whole."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, model
from kukeon_runner import observe, observed, wanted
from kukeon_runner.execute import execute
from kukeon_runner.plan import cell as plan
from kukeon_runner.runner import needs
from kukeon_runner.runner.cell.work import Work
from kukeon_runner.verbs import ReconcileOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

MEND_PAUSE_S = 30.0
"""Between two attempts to repair the same cell."""


@dataclass(frozen=True)
class Refreshed:
    """A cell after a look at it: whether anything was rewritten, and the names of the containers that differ."""

    doc: model.CellDoc
    changed: bool
    containers: tuple[str, ...]


class Upkeep(Work):
    async def refresh(self, ref: model.Ref) -> Refreshed:
        """Store what is observed now; nothing is started, stopped or repaired. Raises CellNotFound."""
        async with self.context.lock(ref):
            doc = self.get(ref)
            seen, site = await self._observe(doc, strays=False)
            return await self._refreshed(doc, site, seen)

    async def settled(self, doc: model.CellDoc, survey: Mapping[str, observed.Container]) -> bool:
        """Whether a look at the cell would change nothing, going by a `survey` of its namespace; takes no lock.

        A verb that is at work meanwhile stores what it leaves, so a wrong yes costs nothing.
        """
        site = self.site(model.ref_of(doc))
        seen = await observe.cell(self.context.host, site, self._ids(doc, site), strays=False, survey=survey)
        return not _damaged(doc, site, seen) and await self._status(doc, site, seen, {}) == doc.status

    async def reconcile(
        self, ref: model.Ref, begins: Callable[[], object] = lambda: None
    ) -> tuple[model.CellDoc | None, ReconcileOutcome]:
        """Store what is observed now, once no verb is at work on the cell; None for one that is gone.

        Calls `begins` before looking: what happens from there on is for the next one.
        What a running cell owes its workloads (root container, network, cgroup) is made anew when it broke.
        """
        async with self.context.lock(ref):
            begins()
            doc = self.find(ref)
            if doc is None:
                return None, ReconcileOutcome()
            seen, site = await self._observe(doc, strays=False)
            if _damaged(doc, site, seen):
                seen = await self._mend(doc, site, seen, set() if _own_root(doc) else {site.root_id})
            found = await self._refreshed(doc, site, seen)
            return found.doc, ReconcileOutcome(updated=found.changed)

    async def _refreshed(self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell) -> Refreshed:
        status = await self._status(doc, site, seen, {})
        if status == doc.status:
            return Refreshed(doc, changed=False, containers=())
        before = {each.name: each for each in doc.status.containers}
        changed = tuple(each.name for each in status.containers if each != before.get(each.name))
        after = await self.context.save(msgspec.structs.replace(doc, status=status))
        return Refreshed(after, changed=True, containers=changed)

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


def _own_root(doc: model.CellDoc) -> bool:
    return any(each.root for each in doc.spec.containers)


def _damaged(doc: model.CellDoc, site: wanted.Site, seen: observed.Cell) -> bool:
    running = doc.status.desired is model.DesiredState.RUNNING
    return running and plan.damaged(site, seen, own_root=_own_root(doc))
