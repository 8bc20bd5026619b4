"""What all verbs of cells are made of: look at the host, and store what is there."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import errors, model, normalise, restarts
from kukeon_runner import derive, observe, observed, wanted
from kukeon_runner.runner.cell import wishes
from kukeon_runner.runner.room import Room

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Mapping

    from kukeon_runner.runner.context import Context

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """A cell after a verb, what was seen before and after it, and how many steps it took."""

    doc: model.CellDoc
    site: wanted.Site
    pre: observed.Cell
    post: observed.Cell
    steps: int
    awaited: bool = False
    """Whether something that was ended waited to be started again."""

    @property
    def ended(self) -> bool:
        """Whether a verb that ends things made a difference."""
        return self.steps > 0 or self.awaited


@dataclass(frozen=True)
class Purged:
    """What a purge found and removed. `outcome.pre` is what was there, `outcome.post` what is left."""

    outcome: Outcome
    ids: frozenset[str]
    """containerd ids that the document accounts for; what else was there are leftovers."""
    known: bool
    """Whether the cell has, or had, a readable document."""
    forgotten: bool
    """Whether the store had anything: a document, or the directory of one that is lost."""
    troubles: tuple[errors.KukeonError, ...]
    """What went wrong on the way without keeping anything from being removed."""


class Work:
    """Where the parts of `Cells` meet."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.room = Room(context)
        self._mend_at: dict[model.Ref, float] = {}
        """When a cell whose repair failed may be repaired again, by the loop's clock."""
        self._fetches: dict[model.Ref, asyncio.Task[Any]] = {}
        """Pulls that go on for cells beside their locks."""

    async def _end_fetch(self, ref: model.Ref) -> None:
        """End the pull that goes on for the cell, if one does."""
        if (work := self._fetches.pop(ref, None)) is not None:
            work.cancel()
            await asyncio.wait({work})

    def find(self, ref: model.Ref) -> model.CellDoc | None:
        return self.context.store.find(ref, model.CellDoc)

    def get(self, ref: model.Ref) -> model.CellDoc:
        """Raises CellNotFound."""
        return self.context.store.load(ref, model.CellDoc)

    def effective(self, doc: model.CellDoc) -> model.CellDoc:
        """`doc` with its space's defaults. Raises SpaceNotFound or StackNotFound when it has no place to be."""
        ref = model.ref_of(doc)
        space = self.context.store.load(model.Ref(ref.realm, ref.space), model.SpaceDoc)
        self.context.store.load(model.Ref(ref.realm, ref.space, ref.stack))
        return normalise.effective(normalise.normalise(doc), space.spec)

    def effective_container(self, doc: model.ContainerDoc) -> model.ContainerSpec:
        """The spec of `doc` with its space's defaults. Raises SpaceNotFound."""
        ref = model.ref_of(doc)
        space = self.context.store.load(model.Ref(ref.realm, ref.space), model.SpaceDoc)
        own = msgspec.structs.replace(normalise.normalise(doc).spec, id=ref.container)
        return normalise.effective_container(own, space.spec)

    def changed_container(self, stored: model.CellDoc, doc: model.ContainerDoc) -> model.CellDoc:
        """`stored` with the container `doc`; the others keep the defaults that they were made with.

        Raises SpaceNotFound, MultipleRootContainers.
        """
        own = self.effective_container(doc)
        containers = list(stored.spec.containers)
        place = [each.id for each in containers]
        at = place.index(own.id) if own.id in place else len(containers)
        containers[at : at + 1] = [own]
        root = stored.spec.root_container_id or (own.id if own.root else "")
        spec = msgspec.structs.replace(stored.spec, containers=tuple(containers), root_container_id=root)
        return msgspec.structs.replace(stored, spec=normalise.cell_spec(stored.metadata.name, spec))

    def site(self, ref: model.Ref) -> wanted.Site:
        """Where the cell `ref` lives. Raises RealmNotFound, or Invalid for names that do not fit together."""
        return self._site(ref, self.context.store.load(model.Ref(ref.realm), model.RealmDoc))

    def _site(self, ref: model.Ref, realm: model.RealmDoc) -> wanted.Site:
        host = self.context.host
        return wanted.Site.of(
            self.context.layout,
            ref,
            self.context.layout.namespace(ref.realm, realm.spec.namespace),
            cgroup_files=host.kernel.cgroup_mode == "v2",
            nofile=host.kernel.nofile,
            host=host.kernel.abilities,
            memory_limit_bytes=self.context.options.default_memory_limit_bytes,
        )

    async def glimpse(self, doc: model.CellDoc) -> tuple[observed.Cell, wanted.Site]:
        """What the host has of `doc` now, without its containers where containerd cannot be asked."""
        try:
            return await self._observe(doc, strays=False)
        except (errors.Unavailable, errors.Denied):
            site = self.site(model.ref_of(doc))
            return observed.Cell(cgroup=await self.context.host.kernel.cgroup_exists(site.cgroup)), site

    async def _observe(self, doc: model.CellDoc, *, strays: bool = True) -> tuple[observed.Cell, wanted.Site]:
        site = self.site(model.ref_of(doc))
        return await observe.cell(self.context.host, site, self._ids(doc, site), strays=strays), site

    def _ids_of(self, doc: model.CellDoc, site: wanted.Site, names: Collection[str]) -> set[str]:
        """The containerd ids of the containers called `names`."""
        return {site.container_id(each.id, root=each.root) for each in doc.spec.containers if each.id in names}

    def _workloads(self, doc: model.CellDoc, site: wanted.Site) -> set[str]:
        """The containerd ids of what a cell is run for: its root container only where there is nothing else."""
        return {id for id in self._ids(doc, site) if id != site.root_id} or {site.root_id}

    def _ids(self, doc: model.CellDoc, site: wanted.Site) -> set[str]:
        return {site.root_id, *(site.container_id(each.id, root=each.root) for each in doc.spec.containers)}

    def _unfinished(self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell) -> frozenset[str]:
        """What somebody began to bring up, unless that waits for an image."""
        waits = restarts.pulled_later(doc.status, self.context.now())
        return frozenset() if waits else wishes.unfinished(doc, site, seen)

    def _alive(self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell) -> bool:
        """Whether any of what the cell is run for lives."""
        return any(found.alive for id, found in seen.containers.items() if id in self._workloads(doc, site))

    async def _tell(self, doc: model.CellDoc, site: wanted.Site) -> None:
        """Store what a verb that failed left; trouble with that is logged, since it is not why the verb failed."""
        try:
            await self._store(doc, site, (await self._observe(doc))[0], {})
        except errors.KukeonError as error:
            log.warning("cannot store what is left of cell %s: %s", site.ref, error)

    async def _wish(self, doc: model.CellDoc) -> model.CellDoc:
        """Store the wish to end something: after a crash, it is what decides.

        A store that cannot be written keeps nothing from being ended.
        """
        try:
            return await self.context.save(doc)
        except errors.HostError as error:
            log.warning("ending what is in cell %s although that cannot be stored: %s", model.ref_of(doc), error)
            return doc

    async def _store(
        self,
        doc: model.CellDoc,
        site: wanted.Site,
        seen: observed.Cell,
        ended: Mapping[str, observed.Exit],
        began: Mapping[str, dt.datetime] = derive.NO_STARTS,
    ) -> model.CellDoc:
        status = await self._status(doc, site, seen, ended, began)
        return await self.context.save(msgspec.structs.replace(doc, status=status))

    async def _status(
        self,
        doc: model.CellDoc,
        site: wanted.Site,
        seen: observed.Cell,
        ended: Mapping[str, observed.Exit],
        began: Mapping[str, dt.datetime] = derive.NO_STARTS,
    ) -> model.CellStatus:
        now = self.context.now()
        status = restarts.scheduled(doc, derive.cell(doc, site, seen, ended, now, began), now, random.random)
        if seen.cgroup and not status.subtree_controllers:
            controllers = await self.context.host.kernel.controllers(site.cgroup)
            status = msgspec.structs.replace(status, subtree_controllers=controllers)
        return status
