"""Cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import model
from kukeon_runner.runner.verbs.nouns import Nouns, within

if TYPE_CHECKING:
    from kukeon_runner.verbs import ReconcileOutcome


class CellVerbs(Nouns):
    async def get_cell(self, cell: model.CellDoc) -> model.CellDoc:
        return self.cells.get(model.ref_of(cell))

    async def list_cells(
        self, realm_name: str = "", space_name: str = "", stack_name: str = ""
    ) -> tuple[model.CellDoc, ...]:
        docs = await self.listed(model.CellDoc)
        return tuple(each for each in docs if within(each, realm_name, space_name, stack_name))

    async def create_cell(self, cell: model.CellDoc) -> model.CellDoc:
        _, outcome = await self.cells.create(cell, start=False)
        return outcome.doc

    async def ensure_cell(self, cell: model.CellDoc) -> model.CellDoc:
        ref = model.ref_of(cell)
        if self.cells.get(ref).status.desired is model.DesiredState.RUNNING:
            return (await self.cells.start(ref)).doc
        return (await self.cells.stop(ref)).doc

    async def start_cell(self, cell: model.CellDoc) -> model.CellDoc:
        return (await self.cells.start(model.ref_of(cell))).doc

    async def stop_cell(self, cell: model.CellDoc) -> model.CellDoc:
        return (await self.cells.stop(model.ref_of(cell))).doc

    async def kill_cell(self, cell: model.CellDoc) -> model.CellDoc:
        return (await self.cells.kill(model.ref_of(cell))).doc

    async def update_cell(self, cell: model.CellDoc) -> model.CellDoc:
        _, outcome = await self.cells.change(model.ref_of(cell), lambda _: cell)
        return outcome.doc

    async def update_cell_metadata(self, cell: model.CellDoc) -> model.CellDoc:
        return await self.relabel(cell)

    async def recreate_cell(self, cell: model.CellDoc) -> model.CellDoc:
        return (await self.cells.recreate(cell)).doc

    async def exists_cell_root_container(self, cell: model.CellDoc) -> bool:
        site = self.cells.site(model.ref_of(cell))
        found = await self.context.host.containers.find(site.namespace, site.root_id)
        return found is not None and found.recorded

    async def delete_cell(self, cell: model.CellDoc) -> None:
        await self.cells.delete(model.ref_of(cell))

    async def purge_cell(self, cell: model.CellDoc) -> None:
        await self.cells.purge(model.ref_of(cell))

    async def refresh_cell(self, cell: model.CellDoc) -> tuple[model.CellDoc, int]:
        found = await self.cells.refresh(model.ref_of(cell))
        return found.doc, len(found.containers)

    async def reconcile_cell(self, cell: model.CellDoc) -> tuple[model.CellDoc, ReconcileOutcome]:
        ref = model.ref_of(cell)
        stored = self.cells.get(ref)
        found, outcome = await self.cells.reconcile(ref)
        return found or stored, outcome

    async def populate_and_persist_cell_container_statuses(self, cell: model.CellDoc) -> model.CellDoc:
        return (await self.cells.refresh(model.ref_of(cell))).doc
