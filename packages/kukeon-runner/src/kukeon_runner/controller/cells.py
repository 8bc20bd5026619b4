"""Cells over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import model
from kukeon_runner.controller.base import Base

if TYPE_CHECKING:
    from kukeon_runner import observed
    from kukeon_runner.runner.cell import Outcome
    from kukeon_runner.wanted import Site


class Cells(Base):
    async def create_cell(self, doc: model.CellDoc, no_start: bool = False) -> model.CreateCellResult:
        """Have the cell and start it. One that exists keeps its spec. Raises StackNotFound and its parents' kin.

        With `no_start` a new one waits to be started, and one that exists is left as it is.
        """
        doc = self.accepted(doc)
        self.changeable(model.ref_of(doc), "create")
        new, outcome = await self.runner.cells.create(doc, start=not no_start)
        pre, post, site = outcome.pre, outcome.post, outcome.site
        return model.CreateCellResult(
            cell=outcome.doc,
            metadata_exists_pre=not new,
            metadata_exists_post=True,
            cgroup_exists_pre=pre.cgroup,
            cgroup_exists_post=post.cgroup,
            cgroup_created=post.cgroup and not pre.cgroup,
            root_container_exists_pre=_recorded(pre, site.root_id),
            root_container_exists_post=_recorded(post, site.root_id),
            root_container_created=_recorded(post, site.root_id) and not _recorded(pre, site.root_id),
            started_pre=_all_alive(outcome.doc, site, pre),
            started_post=_all_alive(outcome.doc, site, post),
            started=outcome.steps > 0,
            created=new,
            containers=_containers(outcome),
        )

    async def get_cell(self, doc: model.CellDoc) -> model.GetCellResult:
        """The cell as last stored, or `metadata_exists` False.

        `root_container_exists` is False, too, when containerd cannot be asked.
        """
        found = self.runner.cells.find(model.ref_of(doc))
        if found is None:
            return model.GetCellResult(cell=doc)
        seen, site = await self.runner.cells.glimpse(found)
        return model.GetCellResult(
            cell=found,
            metadata_exists=True,
            cgroup_exists=seen.cgroup,
            root_container_exists=_recorded(seen, site.root_id),
        )

    async def start_cell(self, doc: model.CellDoc) -> model.StartCellResult:
        """Start every container that does not run. Raises CellNotFound."""
        outcome = await self.runner.cells.start(self.changeable(model.ref_of(doc), "start"))
        return model.StartCellResult(cell=outcome.doc, started=outcome.steps > 0)

    async def stop_cell(self, doc: model.CellDoc) -> model.StopCellResult:
        """Stop every container, keeping what they wrote. Raises CellNotFound."""
        outcome = await self.runner.cells.stop(self.changeable(model.ref_of(doc), "stop"))
        return model.StopCellResult(cell=outcome.doc, stopped=outcome.ended)

    async def kill_cell(self, doc: model.CellDoc) -> model.KillCellResult:
        """Kill every container. Raises CellNotFound."""
        outcome = await self.runner.cells.kill(self.changeable(model.ref_of(doc), "kill"))
        return model.KillCellResult(cell=outcome.doc, killed=outcome.ended)

    async def restart_cell(self, doc: model.CellDoc) -> model.RestartCellResult:
        """End what runs and start every container. Raises CellNotFound; ImageNotFound and its kin before any end."""
        ended, outcome = await self.runner.cells.restart(self.changeable(model.ref_of(doc), "restart"))
        return model.RestartCellResult(cell=outcome.doc, restarted=ended)

    async def delete_cell(self, doc: model.CellDoc) -> model.DeleteCellResult:
        """Delete the cell with all its containers. Raises CellNotFound."""
        outcome = await self.runner.cells.delete(self.changeable(model.ref_of(doc), "delete"))
        return model.DeleteCellResult(
            cell=outcome.doc,
            containers_deleted=bool(outcome.pre.containers) and not outcome.post.containers,
            cgroup_deleted=outcome.pre.cgroup and not outcome.post.cgroup,
            metadata_deleted=True,
        )

    async def purge_cell(self, doc: model.CellDoc, force: bool = False, cascade: bool = False) -> model.PurgeCellResult:
        """Remove whatever there is of the cell, known or not. Raises HostError when something of it stays.

        `force` and `cascade` make no difference: all that is in a cell goes with it.
        """
        ref = self.changeable(model.ref_of(doc), "purge")
        found = await self.runner.cells.purge(ref)
        pre = found.outcome.pre
        known = [id for id in pre.containers if id in found.ids and found.known]
        deleted = [f"container:{id.rpartition('_')[2]}" for id in known]
        deleted += ["cgroup"] if pre.cgroup else []
        deleted += ["metadata"] if found.known else []
        purged = ["orphaned-containers"] if len(known) < len(pre.containers) else []
        purged += ["cni-resources"] if pre.network_residue and not found.known else []
        purged += ["all-metadata"] if found.forgotten and not found.known else []
        return model.PurgeCellResult(
            cell=found.outcome.doc,
            containers_deleted=bool(pre.containers),
            cgroup_deleted=pre.cgroup,
            metadata_deleted=found.forgotten,
            purge_succeeded=True,
            force=force,
            cascade=cascade,
            deleted=tuple(deleted),
            purged=tuple(purged),
            warnings=tuple(map(str, found.troubles)),
        )


def _containers(outcome: Outcome) -> tuple[model.ContainerCreationOutcome, ...]:
    found = []
    for each in outcome.doc.spec.containers:
        identity = outcome.site.container_id(each.id, root=each.root)
        before, after = _recorded(outcome.pre, identity), _recorded(outcome.post, identity)
        found.append(
            model.ContainerCreationOutcome(
                name=each.id, exists_pre=before, exists_post=after, created=after and not before
            )
        )
    return tuple(found)


def _recorded(seen: observed.Cell, identity: str) -> bool:
    return identity in seen.containers and seen.containers[identity].recorded


def _all_alive(doc: model.CellDoc, site: Site, seen: observed.Cell) -> bool:
    ids = [site.root_id, *(site.container_id(each.id, root=each.root) for each in doc.spec.containers)]
    return all(id in seen.containers and seen.containers[id].alive for id in ids)
