"""Containers and lists over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, model
from kukeon_runner.controller.base import Base
from kukeon_runner.plan.cell import KILL, End

if TYPE_CHECKING:
    from kukeon_runner import observed
    from kukeon_runner.runner.cell import Outcome


class Containers(Base):
    async def create_container(self, doc: model.ContainerDoc) -> model.CreateContainerResult:
        """Add the container to its cell and start it; one that exists keeps its spec.

        Raises CellNotFound, RootContainerRefused, ImageNotFound.
        """
        doc = self.accepted(doc)
        ref = self.changeable(model.ref_of(doc), "create")
        _, outcome = await self.runner.cells.create_container(doc)
        before, after = _recorded(outcome.pre, ref, outcome), _recorded(outcome.post, ref, outcome)
        return model.CreateContainerResult(
            container=self._after(ref, outcome),
            cell_metadata_exists_pre=True,
            cell_metadata_exists_post=True,
            container_exists_pre=before,
            container_exists_post=after,
            container_created=after and not before,
            started=outcome.steps > 0,
        )

    async def get_container(self, doc: model.ContainerDoc) -> model.GetContainerResult:
        """The container with its status. Raises CellNotFound or ContainerNotFound.

        `container_exists` is False, too, when containerd cannot be asked.
        """
        ref = model.ref_of(doc)
        cell, spec = self._find(ref)
        seen, site = await self.runner.cells.glimpse(cell)
        identity = site.container_id(spec.id, root=spec.root)
        recorded = identity in seen.containers and seen.containers[identity].recorded
        return model.GetContainerResult(
            container=_document(cell, spec), cell_metadata_exists=True, container_exists=recorded
        )

    async def start_container(self, doc: model.ContainerDoc) -> model.StartContainerResult:
        """Start one workload. Raises ContainerNotFound; RootContainerRefused for the root container."""
        ref = self.changeable(model.ref_of(doc), "start")
        outcome = await self.runner.cells.start_container(ref)
        return model.StartContainerResult(container=self._after(ref, outcome), started=outcome.steps > 0)

    async def stop_container(self, doc: model.ContainerDoc) -> model.StopContainerResult:
        """Stop one workload. Raises like start_container."""
        ref = self.changeable(model.ref_of(doc), "stop")
        outcome = await self.runner.cells.stop_container(ref, End())
        return model.StopContainerResult(container=self._after(ref, outcome), stopped=outcome.ended)

    async def kill_container(self, doc: model.ContainerDoc) -> model.KillContainerResult:
        """Kill one workload; its ended task stays visible. Raises like start_container."""
        ref = self.changeable(model.ref_of(doc), "kill")
        outcome = await self.runner.cells.stop_container(ref, KILL)
        return model.KillContainerResult(container=self._after(ref, outcome), killed=outcome.ended)

    async def restart_container(self, doc: model.ContainerDoc) -> model.RestartContainerResult:
        """End one workload and start it again. Raises like start_container."""
        ref = self.changeable(model.ref_of(doc), "restart")
        ended, outcome = await self.runner.cells.restart_container(ref, End())
        return model.RestartContainerResult(container=self._after(ref, outcome), restarted=ended)

    async def delete_container(self, doc: model.ContainerDoc) -> model.DeleteContainerResult:
        """Remove one workload from the host and from its cell. Raises like start_container."""
        ref = self.changeable(model.ref_of(doc), "delete")
        cell, outcome = await self.runner.cells.delete_container(ref)
        found = _container(outcome.pre, ref, outcome)
        deleted = ["task"] if found and found.task else []
        deleted += ["container"] if found and found.recorded else []
        return model.DeleteContainerResult(
            container=_document(cell, next(each for each in cell.spec.containers if each.id == ref.container)),
            cell_metadata_exists=True,
            container_exists=found is not None and found.recorded,
            deleted=tuple(deleted),
        )

    async def purge_container(self, doc: model.ContainerDoc) -> model.PurgeContainerResult:
        """Remove whatever there is of one workload, whether or not its cell is known.

        Raises RootContainerRefused; HostError when it stays.
        """
        ref = self.changeable(model.ref_of(doc), "purge")
        purged = await self.runner.cells.purge_container(ref)
        found = _container(purged.outcome.pre, ref, purged.outcome)
        gone = ["task"] if found and found.task else []
        gone += ["container"] if found else []
        named = bool(purged.ids)
        left = ["orphaned-containers"] if found and not named else []
        left += ["all-metadata"] if purged.forgotten and not named else []
        return model.PurgeContainerResult(
            container=doc,
            cell_metadata_exists=purged.known,
            container_exists=found is not None and found.recorded,
            deleted=tuple(gone) if named else (),
            purged=tuple(left),
            warnings=tuple(map(str, purged.troubles)),
        )

    async def log_container(self, doc: model.ContainerDoc) -> model.LogContainerResult:
        """Where the container's output, or what its terminal showed, is on this host. Raises ContainerNotFound."""
        ref = model.ref_of(doc)
        _, spec = self._find(ref)
        layout = self.runner.context.layout
        if spec.attachable:
            return model.LogContainerResult(host_capture_path=layout.container_capture(ref))
        return model.LogContainerResult(host_log_path=layout.container_log(ref))

    async def list_realms(self) -> tuple[model.RealmDoc, ...]:
        """All realms, by name."""
        return await self.runner.list_realms()

    async def list_spaces(self, realm_name: str = "") -> tuple[model.SpaceDoc, ...]:
        """The spaces of a realm, or of all."""
        return await self.runner.list_spaces(realm_name)

    async def list_stacks(self, realm_name: str = "", space_name: str = "") -> tuple[model.StackDoc, ...]:
        """The stacks whose parents have these names; an empty name is no filter."""
        return await self.runner.list_stacks(realm_name, space_name)

    async def list_cells(
        self, realm_name: str = "", space_name: str = "", stack_name: str = ""
    ) -> tuple[model.CellDoc, ...]:
        """The cells whose parents have these names."""
        return await self.runner.list_cells(realm_name, space_name, stack_name)

    async def list_containers(
        self, realm_name: str = "", space_name: str = "", stack_name: str = "", cell_name: str = ""
    ) -> tuple[model.ContainerSpec, ...]:
        """The containers of the cells that match, in the order of their manifests."""
        return await self.runner.list_containers(realm_name, space_name, stack_name, cell_name)

    def _find(self, ref: model.Ref) -> tuple[model.CellDoc, model.ContainerSpec]:
        cell = self.runner.cells.get(_cell(ref))
        for each in cell.spec.containers:
            if each.id == ref.container:
                return cell, each
        raise errors.ContainerNotFound(f"cannot find container {ref.container!r} in cell {str(_cell(ref))!r}")

    def _after(self, ref: model.Ref, outcome: Outcome) -> model.ContainerDoc:
        return next(_document(outcome.doc, each) for each in outcome.doc.spec.containers if each.id == ref.container)


def _cell(ref: model.Ref) -> model.Ref:
    assert ref.parent is not None
    return ref.parent


def _container(seen: observed.Cell, ref: model.Ref, outcome: Outcome) -> observed.Container | None:
    root = any(each.id == ref.container and each.root for each in outcome.doc.spec.containers)
    return seen.containers.get(outcome.site.container_id(ref.container, root=root))


def _recorded(seen: observed.Cell, ref: model.Ref, outcome: Outcome) -> bool:
    found = _container(seen, ref, outcome)
    return found is not None and found.recorded


def _document(cell: model.CellDoc, spec: model.ContainerSpec) -> model.ContainerDoc:
    parents = msgspec.structs.replace(
        spec,
        realm_id=cell.spec.realm_id,
        space_id=cell.spec.space_id,
        stack_id=cell.spec.stack_id,
        cell_id=cell.metadata.name,
    )
    status = next((each for each in cell.status.containers if each.name == spec.id), None)
    return model.ContainerDoc(metadata=model.Metadata(name=spec.id, labels=spec.labels), spec=parents, status=status)
