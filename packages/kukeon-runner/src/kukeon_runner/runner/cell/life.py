"""The life of a cell: start, stop, kill, restart, delete, purge."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, model, names, restarts
from kukeon_runner import observe, observed, wanted
from kukeon_runner.execute import execute, sweep
from kukeon_runner.plan import cell as plan
from kukeon_runner.runner import needs, remains
from kukeon_runner.runner.cell import wishes
from kukeon_runner.runner.cell.transitions import Transitions
from kukeon_runner.runner.cell.work import Outcome, Purged

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_runner.steps import Plan


class Life(Transitions):
    async def start(self, ref: model.Ref) -> Outcome:
        """Have the cell running.

        Raises CellNotFound, ImageNotFound, or what the host says; then the cell is Failed with the reason, and none of
        its containers is left running. But a cell that ran goes on when nothing of it was touched yet.
        """
        async with self.context.lock(ref):
            return await self._start(self.get(ref))

    async def stop(self, ref: model.Ref, grace_s: float = plan.STOP_GRACE_S) -> Outcome:
        """End all tasks, workloads first and together; records and writable layers stay."""
        return await self._end(ref, lambda site, pre: plan.stop(site, pre, grace_s))

    async def kill(self, ref: model.Ref) -> Outcome:
        """End all tasks with SIGKILL and leave them visible."""
        return await self._end(ref, plan.kill)

    async def restart(self, ref: model.Ref, grace_s: float = plan.STOP_GRACE_S) -> tuple[bool, Outcome]:
        """End what runs and have the cell running again; True when it ran before: a workload, or the root without any.

        Nothing is ended when something that the cell needs is missing. Raises like `start`.
        """
        async with self.context.lock(ref):
            doc = self.get(ref)
            pre, site = await self._observe(doc)
            await needs.cell(self.context, doc, site, pre)
            # Killed in between, it comes up again.
            doc = await self.context.save(wishes.under_way(doc))
            ended = await self._down(doc, site, pre, plan.stop(site, pre, grace_s))
            ran = any(each.alive for id, each in pre.containers.items() if id in self._workloads(doc, site))
            return ran, await self._start(ended.doc)

    async def _end(self, ref: model.Ref, decide: Callable[[wanted.Site, observed.Cell], Plan]) -> Outcome:
        """Raises CellNotFound."""
        async with self.context.lock(ref):
            doc = self.get(ref)
            await self._end_fetch(ref)
            status = msgspec.structs.replace(doc.status, desired=model.DesiredState.STOPPED)
            doc = await self._wish(msgspec.structs.replace(doc, status=status))
            pre, site = await self._observe(doc)
            awaited = restarts.next_due(doc.status) is not None
            return dataclasses.replace(await self._down(doc, site, pre, decide(site, pre)), awaited=awaited)

    async def delete(self, ref: model.Ref) -> Outcome:
        """Remove the cell from host and store. The document stays until nothing else is left, so it can be repeated.

        A document that is lost or damaged keeps nothing from being removed. Raises CellNotFound.
        """
        async with self.context.lock(ref):
            return await self._delete(ref)

    async def _delete(self, ref: model.Ref) -> Outcome:
        store, host = self.context.store, self.context.host
        doc = remains.of(store, ref, model.CellDoc)
        await self._doom(ref)
        site = self._site(ref, remains.of(store, model.Ref(ref.realm), model.RealmDoc))
        pre = await observe.cell(host, site, self._ids(doc, site), strays=True)
        steps = plan.remove(site, pre)
        await execute(steps, host)
        post = await observe.cell(host, site, pre.containers, strays=True)
        await self._forget(ref)
        return Outcome(doc, site, pre, post, len(steps))

    async def purge(self, ref: model.Ref) -> Purged:
        """Remove whatever there is of the cell, whether or not anything is known of it.

        Goes by the name alone where documents are lost: containers are found by their labels and by their ids. One
        thing that refuses does not keep the others; raises HostError when something of the cell stays in the end.
        """
        async with self.context.lock(ref):
            store, host = self.context.store, self.context.host
            await self._doom(ref)
            doc, known = remains.whatever(store, ref, model.CellDoc)
            realm, _ = remains.whatever(store, model.Ref(ref.realm), model.RealmDoc)
            site = self._site(ref, realm)
            ids = self._ids(doc, site)
            prefix = site.root_id.removesuffix(names.ROOT)
            strays = {id for id in await host.containers.ids(site.namespace, {}) if id.startswith(prefix)}
            pre = await observe.cell(host, site, ids | strays, strays=True)
            troubles = await sweep(plan.remove(site, pre), host)
            post = await observe.cell(host, site, pre.containers, strays=True)
            if left := _pieces(post, site):
                raise errors.HostError(
                    f"cannot purge cell {str(ref)!r}: still there: {', '.join(left)}",
                    hint="; ".join(map(str, troubles)),
                ) from (troubles[0] if troubles else None)
            forgotten = await self._forget(ref)
            return Purged(Outcome(doc, site, pre, post, 0), frozenset(ids), known, forgotten, troubles)

    async def _doom(self, ref: model.Ref) -> None:
        """Store that the cell is to go, if anything can be stored of it: then a crash does not keep it half."""
        await self._end_fetch(ref)
        try:
            doc = self.find(ref)
        except errors.CorruptMetadata:
            return
        if doc is not None and doc.status.desired is not model.DesiredState.DELETED:
            status = msgspec.structs.replace(doc.status, desired=model.DesiredState.DELETED)
            await self._wish(msgspec.structs.replace(doc, status=status))

    async def _forget(self, ref: model.Ref) -> bool:
        self._mend_at.pop(ref, None)
        return await self.context.forget(ref)


def _pieces(seen: observed.Cell, site: wanted.Site) -> list[str]:
    found = [f"container {id!r}" for id in seen.containers]
    found += [f"cgroup {site.cgroup!r}"] if seen.cgroup else []
    found += [f"namespaces pinned at {site.pins!r}"] if seen.pinned else []
    found += ["its network address"] if seen.network_residue else []
    return found + ([f"tmpfs at {site.shm!r}"] if seen.shm else [])
