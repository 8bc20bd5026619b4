"""Cells: where a manifest becomes running containers."""

from __future__ import annotations

from kukeon_runner.runner.cell.containers import Containers
from kukeon_runner.runner.cell.fetching import Fetching
from kukeon_runner.runner.cell.work import Outcome


class Cells(Containers, Fetching):
    """The verbs of cells and of the containers in them.

    Each verb holds the cell's lock, looks at the host, decides, does and stores. Every one can be repeated: what is
    right already is left alone.
    """


__all__ = ["Cells", "Outcome"]
