"""Cells: running and stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from kukeon_api import model


class Cells(Protocol):
    """Verbs of cells; create, delete and purge are like those of `Levels`."""

    def create_cell(
        self, doc: model.CellDoc, no_start: bool = False, *, timeout: float | None = None
    ) -> model.CreateCellResult:
        """Make the cell and start it (not so with `no_start`), or complete it when it exists.

        Raises `RealmNotFound`, `SpaceNotFound`, `StackNotFound`, and `ImageNotFound` when the realm lacks an image.
        """
        ...

    def get_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.GetCellResult:
        """Return the cell; when there is none, `metadata_exists` is False and `cell` is `doc`."""
        ...

    def list_cells(
        self, realm_name: str = "", space_name: str = "", stack_name: str = "", *, timeout: float | None = None
    ) -> tuple[model.CellDoc, ...]:
        """Return the cells within, with their states; an empty name means any."""
        ...

    def start_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.StartCellResult:
        """Start every container of the cell that does not run. Raises `CellNotFound`."""
        ...

    def stop_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.StopCellResult:
        """Ask the cell's programs to end (SIGTERM), and make them after their grace period. Raises `CellNotFound`."""
        ...

    def kill_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.KillCellResult:
        """End the cell's programs at once (SIGKILL). Raises `CellNotFound`."""
        ...

    def restart_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.RestartCellResult:
        """Stop what runs of the cell, and start all of it. Raises `CellNotFound`."""
        ...

    def delete_cell(self, doc: model.CellDoc, *, timeout: float | None = None) -> model.DeleteCellResult:
        """Delete the cell: end its programs, give its address back, remove what it wrote. Raises `CellNotFound`."""
        ...

    def purge_cell(
        self, doc: model.CellDoc, force: bool = False, cascade: bool = False, *, timeout: float | None = None
    ) -> model.PurgeCellResult:
        """Delete the cell and sweep up what is left of it; the switches change nothing. See `purge_realm`."""
        ...
