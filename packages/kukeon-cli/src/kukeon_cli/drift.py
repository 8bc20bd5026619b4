"""In which fields a cell that is there differs from the one that a file describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import diff, normalise

if TYPE_CHECKING:
    from kukeon_api import model


def differences(wanted: model.CellDoc, found: model.CellDoc, space: model.SpaceSpec) -> list[str]:
    """Return paths like `spec.containers[web].image`; both sides with the defaults of their space filled in.

    Labels are no reason to call it another cell.
    """
    before, after = (normalise.effective(normalise.normalise(doc), space) for doc in (found, wanted))
    return [change.path for change in diff.cell(before, after) if change.path.startswith("spec.")]
