"""Single containers of a cell: workloads, since the root container lives and ends with its cell."""

from __future__ import annotations

import dataclasses

import msgspec

from kukeon_api import errors, model, names
from kukeon_runner import derive, observe, observed, wanted
from kukeon_runner.execute import execute, sweep
from kukeon_runner.plan import cell as plan
from kukeon_runner.runner import needs, remains
from kukeon_runner.runner.cell import wishes
from kukeon_runner.runner.cell.transitions import Transitions, exits
from kukeon_runner.runner.cell.work import Outcome, Purged


class Containers(Transitions):
    async def create_container(self, doc: model.ContainerDoc) -> tuple[bool, Outcome]:
        """Add the container to its cell and start it; True when it is new. One that exists keeps its spec.

        In a cell that an operator stopped, it starts with the cell. Raises CellNotFound; RootContainerRefused for a
        root container, which is chosen with the cell; ImageNotFound and VolumeSourceNotFound, and then nothing is
        stored.
        """
        ref = model.ref_of(doc)
        async with self.context.lock(_cell(ref)):
            stored = self.get(_cell(ref))
            found = _spec(stored, ref.container)
            if found is None:
                site = self.site(_cell(ref))
                site.container_id(ref.container, root=False)
                if doc.spec.root or ref.container == names.ROOT:
                    raise _refused("add", ref)
                changed = self.changed_container(stored, doc)
                if stored.status.desired is model.DesiredState.RUNNING:
                    pre, site = await self._observe(changed)
                    await needs.cell(self.context, changed, site, pre)
                    changed = wishes.begun_alone(stored, changed, ref.container)
                stored = await self.context.save(changed)
            if stored.status.desired is not model.DesiredState.RUNNING:
                seen, site = await self._observe(stored)
                return found is None, Outcome(await self._store(stored, site, seen, {}), site, seen, seen, 0)
            return found is None, await self._start(
                stored, None if found and found.root else {ref.container}, spare=True
            )

    async def start_container(self, ref: model.Ref) -> Outcome:
        """Start one workload and, when it is gone, the root container. Raises like `stop_container`.

        When it does not start, the whole cell is Failed and ended, as with `start`.
        """
        async with self.context.lock(_cell(ref)):
            doc = self.get(_cell(ref))
            self.workload(doc, ref, self.site(_cell(ref)), "start")
            return await self._start(doc, {ref.container}, reason=derive.START_FAILED)

    async def stop_container(self, ref: model.Ref, end: plan.End) -> Outcome:
        """End one workload. Raises ContainerNotFound; RootContainerRefused for the root container."""
        async with self.context.lock(_cell(ref)):
            doc = self.get(_cell(ref))
            pre, site = await self._observe(doc)
            identity = self.workload(doc, ref, site, "kill" if end == plan.KILL else "stop")
            awaited = any(each.next_restart for each in doc.status.containers if each.name == ref.container)
            doc = await self._wish(wishes.asked_to_end(doc, {identity}))
            outcome = await self._down(doc, site, pre, plan.stop_container(site, pre, identity, end))
            return dataclasses.replace(outcome, awaited=awaited)

    async def restart_container(self, ref: model.Ref, end: plan.End) -> tuple[bool, Outcome]:
        """End one workload and start it again; True when there was something to end. Raises like `start_container`."""
        async with self.context.lock(_cell(ref)):
            doc = self.get(_cell(ref))
            pre, site = await self._observe(doc)
            identity = self.workload(doc, ref, site, "restart")
            await needs.cell(self.context, doc, site, pre)
            found = pre.containers.get(identity)
            # Killed in between, it comes up again.
            doc = await self.context.save(wishes.begun(doc, {ref.container, *self._unfinished(doc, site, pre)}))
            ended = await self._down(doc, site, pre, plan.stop_container(site, pre, identity, end))
            again = await self._start(ended.doc, {ref.container}, reason=derive.START_FAILED)
            return found is not None and found.alive, again

    async def delete_container(self, ref: model.Ref) -> tuple[model.CellDoc, Outcome]:
        """Remove one workload from host and cell, and its log; with the cell as it was. Raises like the others."""
        async with self.context.lock(_cell(ref)):
            doc = self.get(_cell(ref))
            pre, site = await self._observe(doc)
            identity = self.workload(doc, ref, site, "delete")
            steps = plan.remove_container(site, pre, identity)
            results = await execute(steps, self.context.host)
            return doc, await self._without(doc, ref, site, pre, exits(results), len(steps))

    async def purge_container(self, ref: model.Ref) -> Purged:
        """Remove whatever there is of one workload, whether or not its cell is known. See `purge`."""
        async with self.context.lock(_cell(ref)):
            store, host = self.context.store, self.context.host
            doc, known = remains.whatever(store, _cell(ref), model.CellDoc)
            realm, _ = remains.whatever(store, model.Ref(ref.realm), model.RealmDoc)
            found = _spec(doc, ref.container)
            if ref.container == names.ROOT or (found is not None and found.root):
                raise _refused("purge", ref)
            site = self._site(_cell(ref), realm)
            identity = site.container_id(ref.container, root=False)
            pre = await observe.cell(host, site, {identity}, strays=False)
            troubles = await sweep(plan.remove_container(site, pre, identity), host)
            post = await observe.cell(host, site, {identity}, strays=False)
            if identity in post.containers:
                raise errors.HostError(
                    f"cannot purge container {str(ref)!r}: it is still there", hint="; ".join(map(str, troubles))
                ) from (troubles[0] if troubles else None)
            if found is None:
                outcome = Outcome(doc, site, pre, post, 0)
                forgotten = await self.context.forget(ref)
            else:
                outcome = await self._without(doc, ref, site, pre, {}, 0)
                forgotten = True
            return Purged(outcome, frozenset({identity} if found else ()), known, forgotten, troubles)

    async def _without(
        self,
        doc: model.CellDoc,
        ref: model.Ref,
        site: wanted.Site,
        pre: observed.Cell,
        ended: dict[str, observed.Exit],
        steps: int,
    ) -> Outcome:
        """Store the cell without the container `ref`, which is gone from the host."""
        left = tuple(each for each in doc.spec.containers if each.id != ref.container)
        status = tuple(each for each in doc.status.containers if each.name != ref.container)
        doc = _replaced(doc, spec=_replaced(doc.spec, containers=left), status=_replaced(doc.status, containers=status))
        post, _ = await self._observe(doc, strays=True)
        stored = await self._store(doc, site, post, ended)
        await self.context.forget(ref)
        return Outcome(stored, site, pre, post, steps)

    def workload(self, doc: model.CellDoc, ref: model.Ref, site: wanted.Site, verb: str) -> str:
        """The containerd id of the workload `ref`. Raises ContainerNotFound, RootContainerRefused."""
        found = _spec(doc, ref.container)
        if ref.container == names.ROOT or (found is not None and found.root):
            raise _refused(verb, ref)
        if found is None:
            raise absent(ref)
        return site.container_id(found.id, root=False)


def absent(ref: model.Ref) -> errors.ContainerNotFound:
    """Return the error for a container that its cell does not have."""
    return errors.ContainerNotFound(f"cannot find container {ref.container!r} in cell {str(_cell(ref))!r}")


def _cell(ref: model.Ref) -> model.Ref:
    assert ref.parent is not None
    return ref.parent


def _spec(doc: model.CellDoc, name: str) -> model.ContainerSpec | None:
    return next((each for each in doc.spec.containers if each.id == name), None)


def _refused(verb: str, ref: model.Ref) -> errors.RootContainerRefused:
    if verb == "add":
        return errors.RootContainerRefused(
            f"cannot add container {str(ref)!r}: a cell's root container is chosen with the cell",
            hint="delete the cell and apply it with that root container",
        )
    return errors.RootContainerRefused(
        f"cannot {verb} container {str(ref)!r}: it is the root container, which lives and ends with its cell",
        hint=f"{verb} the cell: kuke {verb} cell {ref.cell}",
    )


_replaced = msgspec.structs.replace
