"""Who looks after cells is told when one wants it, by whoever stores or sees that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kukeon_api import model, restarts

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable

    from kukeon_runner.documents import StoredDoc


class Carer(Protocol):
    """Looks after cells; must not fail, nor wait for anything."""

    def due(self, ref: model.Ref, at: dt.datetime | None) -> None:
        """The next thing to do for a cell is due at this time; None: there is none."""

    def lacks(self, ref: model.Ref) -> None:
        """A cell could come up now, if it had its images."""


def tell(carers: Iterable[Carer], before: StoredDoc | None, after: StoredDoc) -> None:
    """Tell of what is due at another time than `before`."""
    if not isinstance(after, model.CellDoc):
        return
    at = restarts.next_due(after.status)
    if at != (restarts.next_due(before.status) if isinstance(before, model.CellDoc) else None):
        for each in carers:
            each.due(model.ref_of(after), at)
