"""The life of a cell: start, stop, kill, delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kukeon_api import model
from kukeon_runner import observe, observed, wanted
from kukeon_runner.execute import execute
from kukeon_runner.plan import cell as plan
from kukeon_runner.runner import remains
from kukeon_runner.runner.cell.work import Outcome, Work

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_runner.steps import Plan


class Life(Work):
    async def start(self, ref: model.Ref, *, only: str | None = None) -> Outcome:
        """Have the cell running (with `only`, just that workload and the root container).

        Raises CellNotFound, ImageNotFound, or what the host says; then the cell is Failed with the reason, and none of
        its containers is left running. But siblings of `only` go on, and so does a cell that ran before anything of it
        was touched.
        """
        async with self.context.lock(ref):
            return await self._start(self.get(ref), only)

    async def stop(self, ref: model.Ref, grace_s: float = plan.STOP_GRACE_S) -> Outcome:
        """End all tasks, workloads first and together; records and writable layers stay."""
        return await self._end(ref, lambda site, pre: plan.stop(site, pre, grace_s))

    async def kill(self, ref: model.Ref) -> Outcome:
        """End all tasks with SIGKILL and leave them visible."""
        return await self._end(ref, plan.kill)

    async def _end(self, ref: model.Ref, decide: Callable[[wanted.Site, observed.Cell], Plan]) -> Outcome:
        """Raises CellNotFound."""
        async with self.context.lock(ref):
            doc = self.get(ref)
            status = msgspec.structs.replace(doc.status, desired=model.DesiredState.STOPPED)
            doc = await self._wish(msgspec.structs.replace(doc, status=status))
            pre, site = await self._observe(doc)
            return await self._down(doc, site, pre, decide(site, pre))

    async def delete(self, ref: model.Ref) -> Outcome:
        """Remove the cell from host and store. The document stays until nothing else is left, so it can be repeated.

        A document that is lost or damaged keeps nothing from being removed.
        """
        async with self.context.lock(ref):
            store, host = self.context.store, self.context.host
            doc = remains.of(store, ref, model.CellDoc)
            site = self._site(ref, remains.of(store, model.Ref(ref.realm), model.RealmDoc))
            pre = await observe.cell(host, site, self._ids(doc, site), strays=True)
            steps = plan.remove(site, pre)
            await execute(steps, host)
            post = await observe.cell(host, site, pre.containers, strays=True)
            await self.context.forget(ref)
            self._mend_at.pop(ref, None)
            return Outcome(doc, site, pre, post, len(steps))
