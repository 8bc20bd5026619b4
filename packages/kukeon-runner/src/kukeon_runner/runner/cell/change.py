"""How cells come to be, and how they change."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, labels, model, normalise, restarts
from kukeon_runner import derive, manifest_hash, observe, observed, wanted
from kukeon_runner.execute import execute
from kukeon_runner.plan import cell as plan
from kukeon_runner.plan import reuse
from kukeon_runner.runner import needs, ports
from kukeon_runner.runner.cell import wishes
from kukeon_runner.runner.cell.transitions import Transitions, exits, starts
from kukeon_runner.runner.cell.work import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Collection, Mapping

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Applied:
    """What an apply came upon and did: the document that was stored (None for a new cell), and whether all was made
    anew."""

    before: model.CellDoc | None
    outcome: Outcome
    recreated: bool = False


@dataclasses.dataclass(frozen=True)
class Survey:
    """What there is in a containerd namespace, by containerd id, and how many containers each cell has."""

    containers: Mapping[str, observed.Container]
    counts: Counter[str]

    @classmethod
    def of(cls, containers: Mapping[str, observed.Container]) -> Survey:
        # No name has an underscore, so what is before the last one is the cell.
        return cls(containers, Counter(id.rpartition("_")[0] for id in containers))


class Change(Transitions):
    async def create(self, doc: model.CellDoc, *, start: bool = True) -> tuple[bool, Outcome]:
        """Have the cell running, by its stored spec if there is one; True when it is new.

        Without `start` a new one is only stored, as one that an operator stopped, and one that exists is left alone.
        Raises RealmNotFound, SpaceNotFound, StackNotFound, Invalid for names that do not fit, and what `start` raises.
        """
        desired = model.DesiredState.RUNNING if start else model.DesiredState.STOPPED
        async with self._registered(doc, desired) as (stored, new):
            if start:
                return new, await self._start(stored)
            seen, site = await self._observe(stored)
            return new, Outcome(await self._store(stored, site, seen, {}), site, seen, seen, 0)

    async def apply(self, doc: model.CellDoc, keep: Collection[str] = ()) -> Applied:
        """Have the cell running as `doc` says, but leave the containers called `keep` as they are, if they exist.

        Only containers that differ are touched; when the cell's own root container does, all are made anew. Nothing is
        touched when something that the new spec needs is missing while the cell runs. Raises like `create`, and
        StaleResource, BreakingChange.
        """
        async with self._registered(doc) as (stored, new):
            if new:
                return Applied(None, await self._start(stored))
            _check_generation(doc, stored)
            return await self._become(stored, self._merged(stored, _keeping(self.effective(doc), stored, keep)))

    async def apply_container(self, doc: model.ContainerDoc) -> Applied:
        """Have the cell running with this container as `doc` says, and the others as they are stored.

        Raises CellNotFound, MultipleRootContainers, and what `apply` raises.
        """
        ref = model.ref_of(doc)
        assert ref.parent is not None
        async with self.context.lock(ref.parent):
            stored = self.get(ref.parent)
            _check_generation(doc, stored)
            changed = self.changed_container(stored, doc)
            return await self._become(stored, self._merged(stored, changed))

    async def change(
        self, ref: model.Ref, change: Callable[[model.CellDoc], model.CellDoc]
    ) -> tuple[model.CellDoc, Outcome]:
        """Have the cell running as `change` of the stored one says; with what was stored before.

        Raises CellNotFound, StaleResource; BreakingChange for another root container, which `recreate` is for.
        """
        async with self.context.lock(ref):
            stored = self.get(ref)
            changed = change(stored)
            _check_generation(changed, stored)
            wanted_doc = self._merged(stored, self.effective(changed))
            if why := _new_root(stored, wanted_doc):
                raise errors.BreakingChange(
                    f"cannot update cell {str(ref)!r} in place: {why}", hint="apply it: the cell is then made anew"
                )
            return stored, (await self._become(stored, wanted_doc)).outcome

    async def recreate(self, doc: model.CellDoc) -> Outcome:
        """Make the stored cell anew as `doc` says and start it; it keeps its age and its labels of kukeon's own.

        Nothing is touched when something is missing that the new spec needs. Raises CellNotFound, StaleResource,
        ImageNotFound, VolumeSourceNotFound, BreakingChange for a root container that is left out.
        """
        async with self.context.lock(model.ref_of(doc)):
            stored = self.get(model.ref_of(doc))
            _check_generation(doc, stored)
            wanted_doc = self._merged(stored, self.effective(doc))
            _new_root(stored, wanted_doc)
            return await self._recreate(wanted_doc)

    async def as_wanted(self, doc: model.CellDoc, survey: Survey, keep: Collection[str] = ()) -> bool:
        """Whether `apply` would find nothing to do, going by a `survey` of the realm's namespace; takes no lock.

        Raises SpaceNotFound, StackNotFound, RealmNotFound. A no may be wrong; a yes was true since the survey began.
        """
        stored = self.find(model.ref_of(doc))
        if stored is None or doc.metadata.generation:
            return False
        running = stored.status.desired is model.DesiredState.RUNNING
        if not running or self._merged(stored, _keeping(self.effective(doc), stored, keep)) != stored:
            return False
        site = self.site(model.ref_of(doc))
        hashes = wanted.spec_hashes(site, stored)
        found = survey.containers
        if not all(id in found and reuse.intact(digest, found[id]) for id, digest in hashes.items()):
            return False
        if survey.counts[site.root_id.rpartition("_")[0]] != len(hashes):
            return False  # strays
        seen = await observe.cell(self.context.host, site, hashes, strays=False, survey=found)
        whole = seen.cgroup and seen.pinned and seen.shm and (seen.address is not None or seen.networkless)
        return whole and await self._status(stored, site, seen, {}) == stored.status

    @contextlib.asynccontextmanager
    async def _registered(
        self, doc: model.CellDoc, desired: model.DesiredState = model.DesiredState.RUNNING
    ) -> AsyncIterator[tuple[model.CellDoc, bool]]:
        """Hold the lock of the cell, which is stored; True when it is new. Nothing is made on the host."""
        ref = model.ref_of(doc)
        site = self.site(ref)
        for each in doc.spec.containers:
            site.container_id(each.id, root=each.root)
        for above in ref.ancestors:
            if self.context.store.load(above).status.ready_at is None:
                async with self.context.lock(above):
                    pass  # somebody is making it: a cell needs the network, the cgroup and the namespace
        async with self.context.placed(ref, model.CellDoc, lambda: self._register(ref, doc, desired)) as found:
            yield found

    async def _register(self, ref: model.Ref, doc: model.CellDoc, desired: model.DesiredState) -> model.CellDoc:
        await self.room.check(doc)
        effective = self.effective(doc)
        if desired is model.DesiredState.RUNNING:
            await ports.check(self.context, effective)
        managed = {
            labels.REALM: ref.realm,
            labels.SPACE: ref.space,
            labels.STACK: ref.stack,
            labels.CELL: ref.cell,
        }
        metadata = model.Metadata(name=ref.cell, labels=labels.authored(effective.metadata.labels) | managed)
        bridge = self.context.layout.bridge(model.Ref(ref.realm, ref.space))
        status = model.CellStatus(desired=desired, network=model.CellNetworkStatus(bridge_name=bridge))
        return await self.context.save(model.CellDoc(metadata=metadata, spec=effective.spec, status=status))

    def _merged(self, stored: model.CellDoc, doc: model.CellDoc) -> model.CellDoc:
        """The stored cell with the effective spec and the user's labels of `doc`."""
        managed = {key: value for key, value in stored.metadata.labels.items() if labels.is_managed(key)}
        own = labels.authored(doc.metadata.labels)
        metadata = msgspec.structs.replace(stored.metadata, labels=managed | own)
        return msgspec.structs.replace(stored, metadata=metadata, spec=doc.spec)

    async def _become(self, stored: model.CellDoc, doc: model.CellDoc, *, asked: bool = True) -> Applied:
        """Store `doc` in place of `stored` and have it running as it says; `asked`: somebody wants it now, so that
        images are pulled.

        Until that is done, its status tells about the generation before, so that whoever comes after a crash goes on.
        """
        if _new_root(stored, doc):
            return Applied(stored, await self._recreate(doc), recreated=True)
        pre, site = await self._observe(doc)
        if not any(each.alive for each in pre.containers.values()):
            doc = await self.context.save(wishes.under_way(doc))
            return Applied(stored, await self._start(doc, asked=asked))
        cell = await needs.cell(self.context, doc, site, pre, pull=asked)
        steps = plan.start(cell, pre)
        status = restarts.forgiven(msgspec.structs.replace(doc.status, desired=model.DesiredState.RUNNING))
        doc = await self.context.save(self._wished(msgspec.structs.replace(doc, status=status), site, pre, None))
        try:
            results = await execute(steps, self.context.host, now=self.context.now)
        except errors.KukeonError as error:
            await self._salvage(doc, cell, error)
            raise
        post = await observe.cell(self.context.host, site, self._ids(doc, site), strays=False)
        after = await self._store(_over(doc), site, post, exits(results), starts(results))
        return Applied(stored, Outcome(after, site, pre, post, len(steps)))

    async def _recreate(self, doc: model.CellDoc) -> Outcome:
        pre, site = await self._observe(doc)
        # Nothing that exists will be used again.
        await needs.cell(self.context, doc, site, observed.Cell())
        doc = await self.context.save(wishes.under_way(doc))
        steps = plan.remove(site, dataclasses.replace(pre, cgroup=False))
        try:
            await execute(steps, self.context.host)
        except errors.KukeonError:
            await self._tell(doc, site)
            raise
        made = await self._start(doc, reason="RecreateCellFailed")
        return Outcome(made.doc, site, pre, made.post, len(steps) + made.steps)

    async def _salvage(self, doc: model.CellDoc, cell: wanted.Cell, error: errors.KukeonError) -> None:
        """After a change failed half-way: have running what can run, and store why the rest does not."""
        site, host = cell.site, self.context.host
        failed: set[str] = set()
        try:
            for each in cell.containers:
                seen, _ = await self._observe(doc)
                try:
                    await execute(plan.start(cell, seen, {site.root_id, each.id}), host)
                except errors.KukeonError as second:
                    failed.add(each.name)
                    log.warning("cannot start container %r of cell %s: %s", each.name, site.ref, second)
            seen, _ = await self._observe(doc)
            after = await self._store(_over(doc), site, seen, {})
            down = {"reason": derive.START_FAILED, "message": derive.one_line(error)}
            told = tuple(
                msgspec.structs.replace(each, **down)
                if each.state in derive.NOT_STARTED or (each.name in failed and each.state not in derive.ACTIVE)
                else each
                for each in after.status.containers
            )
            status = msgspec.structs.replace(after.status, containers=told)
            if any(each.state in derive.ACTIVE for each in told):
                status = msgspec.structs.replace(status, state=derive.cell_state(after, site, seen, told))
            else:
                status = msgspec.structs.replace(status, state=model.CellState.FAILED, **down)
            await self.context.save(msgspec.structs.replace(after, status=status))
        except errors.KukeonError as second:
            log.warning("cannot store what is left of cell %s: %s", site.ref, second)


def _over(doc: model.CellDoc) -> model.CellDoc:
    """`doc` with nobody at work on it any more: what was made of it is to be seen."""
    calm = msgspec.structs.replace(doc, status=msgspec.structs.replace(doc.status, state=model.CellState.READY))
    return wishes.done(calm)


def _check_generation(doc: model.CellDoc | model.ContainerDoc, stored: model.CellDoc) -> None:
    """Raise StaleResource for a document that says it was made of an older one than the stored."""
    told, now = doc.metadata.generation, stored.metadata.generation
    if 0 < told < now:
        raise errors.StaleResource(
            f"cannot change {doc.kind.lower()} {str(model.ref_of(doc))!r}: it is at generation {now}, this document is"
            f" of generation {told}",
            hint="get it again and repeat the change, or leave metadata.generation out",
        )


def _new_root(stored: model.CellDoc, doc: model.CellDoc) -> str:
    """Why all containers have to be made anew, "" when they need not. Raises BreakingChange where that is no way."""
    old, new = (next((each for each in found.spec.containers if each.root), None) for found in (stored, doc))
    if old is None:
        return "" if new is None else f"it gets a root container of its own, {new.id!r}"
    if new is None:
        raise errors.BreakingChange(
            f"cannot change cell {str(model.ref_of(stored))!r}: spec.rootContainerId: its root container {old.id!r}"
            " cannot be taken away",
            hint="keep it, or delete the cell and apply it again",
        )
    same = manifest_hash.spec_hash(old, nested=False) == manifest_hash.spec_hash(new, nested=False)
    return "" if same else f"its root container {old.id!r} changes"


def _keeping(doc: model.CellDoc, stored: model.CellDoc, keep: Collection[str]) -> model.CellDoc:
    """`doc` with those of the stored containers that are called `keep`. Raises MultipleRootContainers."""
    kept = {each.id: each for each in stored.spec.containers if each.id in keep}
    if not kept:
        return doc
    own = [kept.pop(each.id, each) for each in doc.spec.containers]
    spec = msgspec.structs.replace(doc.spec, containers=(*own, *kept.values()))
    return msgspec.structs.replace(doc, spec=normalise.cell_spec(doc.metadata.name, spec))
