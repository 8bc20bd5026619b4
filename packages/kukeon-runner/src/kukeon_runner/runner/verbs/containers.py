"""Containers of a cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kukeon_api import model
from kukeon_runner.plan.cell import KILL, End
from kukeon_runner.runner.cell.containers import absent
from kukeon_runner.runner.verbs.cells import CellVerbs

if TYPE_CHECKING:
    from collections.abc import Iterable


class ContainerVerbs(CellVerbs):
    async def list_containers(
        self, realm_name: str = "", space_name: str = "", stack_name: str = "", cell_name: str = ""
    ) -> tuple[model.ContainerSpec, ...]:
        cells = await self.list_cells(realm_name, space_name, stack_name)
        return self.extract_containers_from_cells(each for each in cells if cell_name in ("", each.metadata.name))

    def extract_containers_from_cells(self, cells: Iterable[model.CellDoc]) -> tuple[model.ContainerSpec, ...]:
        return tuple(container for cell in cells for container in cell.spec.containers)

    async def create_container(self, cell: model.CellDoc, container: model.ContainerSpec) -> model.CellDoc:
        _, outcome = await self.cells.create_container(_document(cell, container))
        return outcome.doc

    async def ensure_container(self, cell: model.CellDoc, container: model.ContainerSpec) -> model.CellDoc:
        return await self.create_container(cell, container)

    async def update_container(self, cell: model.CellDoc, container: model.ContainerSpec) -> model.CellDoc:
        def change(stored: model.CellDoc) -> model.CellDoc:
            if all(each.id != container.id for each in stored.spec.containers):
                raise absent(_ref(cell, container.id))
            containers = tuple(container if each.id == container.id else each for each in stored.spec.containers)
            return msgspec.structs.replace(stored, spec=msgspec.structs.replace(stored.spec, containers=containers))

        _, outcome = await self.cells.change(model.ref_of(cell), change)
        return outcome.doc

    async def start_container(self, cell: model.CellDoc, container_id: str) -> model.CellDoc:
        return (await self.cells.start_container(_ref(cell, container_id))).doc

    async def stop_container(self, cell: model.CellDoc, container_id: str) -> None:
        await self.cells.stop_container(_ref(cell, container_id), End())

    async def kill_container(self, cell: model.CellDoc, container_id: str) -> None:
        await self.cells.stop_container(_ref(cell, container_id), KILL)

    async def delete_container(self, cell: model.CellDoc, container_id: str) -> None:
        await self.cells.delete_container(_ref(cell, container_id))

    async def purge_container(self, cell: model.CellDoc, container_id: str) -> None:
        await self.cells.purge_container(_ref(cell, container_id))

    async def get_container_state(self, cell: model.CellDoc, container_id: str) -> model.ContainerState:
        doc = (await self.cells.refresh(model.ref_of(cell))).doc
        for each in doc.status.containers:
            if each.name == container_id:
                return each.state
        raise absent(_ref(cell, container_id))


def _ref(cell: model.CellDoc, container_id: str) -> model.Ref:
    return model.ref_of(cell).child(container_id)


def _document(cell: model.CellDoc, container: model.ContainerSpec) -> model.ContainerDoc:
    ref = _ref(cell, container.id)
    place = {"realm_id": ref.realm, "space_id": ref.space, "stack_id": ref.stack, "cell_id": ref.cell}
    return model.ContainerDoc(
        metadata=model.Metadata(name=ref.container), spec=msgspec.structs.replace(container, **place)
    )
