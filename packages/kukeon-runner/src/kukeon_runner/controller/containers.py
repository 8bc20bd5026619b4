"""Containers and lists over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, model
from kukeon_runner.controller.base import Base
from kukeon_runner.plan.cell import End

if TYPE_CHECKING:
    from kukeon_runner.runner.cell import Outcome


class Containers(Base):
    async def get_container(self, doc: model.ContainerDoc) -> model.GetContainerResult:
        """The container with its status. Raises CellNotFound or ContainerNotFound."""
        ref = model.ref_of(doc)
        cell, spec = self._find(ref)
        seen, site = await self.runner.cells.seen(cell)
        identity = site.container_id(spec.id, root=spec.root)
        recorded = identity in seen.containers and seen.containers[identity].recorded
        return model.GetContainerResult(
            container=_document(cell, spec), cell_metadata_exists=True, container_exists=recorded
        )

    async def start_container(self, doc: model.ContainerDoc) -> model.StartContainerResult:
        """Start one workload. Raises ContainerNotFound; RootContainerRefused for the root container."""
        ref = self.changeable(model.ref_of(doc))
        outcome = await self.runner.cells.start_container(ref)
        return model.StartContainerResult(container=self._after(ref, outcome), started=outcome.steps > 0)

    async def stop_container(self, doc: model.ContainerDoc) -> model.StopContainerResult:
        """Stop one workload. Raises like start_container."""
        ref = self.changeable(model.ref_of(doc))
        outcome = await self.runner.cells.stop_container(ref, End())
        return model.StopContainerResult(container=self._after(ref, outcome), stopped=outcome.steps > 0)

    async def kill_container(self, doc: model.ContainerDoc) -> model.KillContainerResult:
        """Kill one workload; its ended task stays visible. Raises like start_container."""
        ref = self.changeable(model.ref_of(doc))
        outcome = await self.runner.cells.stop_container(ref, End(signal="SIGKILL", grace_s=0, delete=False))
        return model.KillContainerResult(container=self._after(ref, outcome), killed=outcome.steps > 0)

    async def log_container(self, doc: model.ContainerDoc) -> model.LogContainerResult:
        """Where the container's output is on this host. Raises ContainerNotFound."""
        ref = model.ref_of(doc)
        self._find(ref)
        return model.LogContainerResult(host_log_path=self.runner.context.layout.container_log(ref))

    async def list_realms(self) -> tuple[model.RealmDoc, ...]:
        """All realms, by name."""
        return tuple(self.runner.context.store.docs(model.RealmDoc))

    async def list_spaces(self, realm_name: str = "") -> tuple[model.SpaceDoc, ...]:
        """The spaces of a realm, or of all."""
        docs = self.runner.context.store.docs(model.SpaceDoc)
        return tuple(each for each in docs if _within(each, realm_name))

    async def list_stacks(self, realm_name: str = "", space_name: str = "") -> tuple[model.StackDoc, ...]:
        """The stacks whose parents have these names; an empty name is no filter."""
        docs = self.runner.context.store.docs(model.StackDoc)
        return tuple(each for each in docs if _within(each, realm_name, space_name))

    async def list_cells(
        self, realm_name: str = "", space_name: str = "", stack_name: str = ""
    ) -> tuple[model.CellDoc, ...]:
        """The cells whose parents have these names."""
        docs = self.runner.context.store.docs(model.CellDoc)
        return tuple(each for each in docs if _within(each, realm_name, space_name, stack_name))

    async def list_containers(
        self, realm_name: str = "", space_name: str = "", stack_name: str = "", cell_name: str = ""
    ) -> tuple[model.ContainerSpec, ...]:
        """The containers of the cells that match, in the order of their manifests."""
        cells = await self.list_cells(realm_name, space_name, stack_name)
        chosen = [cell for cell in cells if cell_name in ("", cell.metadata.name)]
        return tuple(each for cell in chosen for each in cell.spec.containers)

    def _find(self, ref: model.Ref) -> tuple[model.CellDoc, model.ContainerSpec]:
        assert ref.parent is not None
        cell = self.runner.cells.get(ref.parent)
        for each in cell.spec.containers:
            if each.id == ref.container:
                return cell, each
        raise errors.ContainerNotFound(f"cannot find container {ref.container!r} in cell {str(ref.parent)!r}")

    def _after(self, ref: model.Ref, outcome: Outcome) -> model.ContainerDoc:
        return next(_document(outcome.doc, each) for each in outcome.doc.spec.containers if each.id == ref.container)


def _document(cell: model.CellDoc, spec: model.ContainerSpec) -> model.ContainerDoc:
    parents = msgspec.structs.replace(
        spec,
        realm_id=cell.spec.realm_id,
        space_id=cell.spec.space_id,
        stack_id=cell.spec.stack_id,
        cell_id=cell.metadata.name,
    )
    status = next((each for each in cell.status.containers if each.name == spec.id), None)
    return model.ContainerDoc(metadata=model.Metadata(name=spec.id), spec=parents, status=status)


def _within(doc: model.Doc, *names: str) -> bool:
    return all(name in ("", part) for name, part in zip(names, model.ref_of(doc).parts, strict=False))
