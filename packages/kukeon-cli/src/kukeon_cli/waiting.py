"""Waiting until cells are ready, and saying at once when one never will be."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kukeon_api import errors, model
from kukeon_cli import columns, failures, interruption, resources, terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_api import manifest
    from kukeon_api.model import Ref
    from kukeon_sdk.client import Client

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.05, 0.5

_WELL = frozenset({model.CellState.READY, model.CellState.EXITED})
_ILL = frozenset({model.CellState.FAILED, model.CellState.ERROR, model.CellState.STOPPED})
"""What does not become well by itself: `Stopped` is somebody's wish."""


def cells_of(result: model.ApplyDocumentsResult, documents: Sequence[manifest.Document]) -> list[Ref]:
    """Return the cells that were applied, or had a container applied, each once; those that failed are told already."""
    by_index = {document.index: document.doc for document in documents}
    found = []
    for resource in result.resources:
        doc = by_index.get(resource.index)
        stays = resource.action not in (model.ApplyAction.FAILED, model.ApplyAction.PRUNED)
        if doc is not None and stays and isinstance(doc, (model.CellDoc, model.ContainerDoc)):
            place = model.ref_of(doc)
            found.append(model.Ref(*place.parts[:4]))
    return list(dict.fromkeys(found))


def until_ready(client: Client, cells: Sequence[Ref], timeout_s: float) -> int:
    """Wait until every cell is ready or has ended well and return 0; else say what is wrong and return its exit code.

    Ends at once when a cell failed, ended badly, was stopped or is gone.
    """
    end = time.monotonic() + timeout_s
    pause = _FIRST_PAUSE_S
    left = list(cells)
    hint = "kukeond goes on with it; see how far it is: kuke get cells"
    with interruption.waiting(hint), terminal.Progress(_doing(left)) as progress:
        while True:
            left, error = _look(client, left)
            if error is not None:
                break
            if not left:
                return 0
            if time.monotonic() >= end:
                error = _late(left, timeout_s, hint)
                break
            progress.update(_doing(left))
            time.sleep(min(pause, max(0.0, end - time.monotonic())))
            pause = min(pause * 2, _LONGEST_PAUSE_S)
    failures.error(error)
    return error.exit_code


def _look(client: Client, cells: Sequence[Ref]) -> tuple[list[Ref], errors.KukeonError | None]:
    """Return which cells are still to be waited for, or the error of the first that never will be ready."""
    left: list[Ref] = []
    for ref in cells:
        found = resources.find(client, ref)
        if found is None:
            return left, errors.CellNotFound(f"cannot wait for cell {str(ref)!r}: it is gone")
        assert isinstance(found, model.CellDoc)
        state = found.status.state
        if state in _ILL:
            said = columns.message(found) or found.status.reason
            return left, errors.HostError(
                f"cell {str(ref)!r} is not ready: it is {state}" + (f": {said}" if said else ""), hint=_hint(ref)
            )
        if state not in _WELL:
            left.append(ref)
    return left, None


def _late(left: Sequence[Ref], timeout_s: float, hint: str) -> errors.TimedOut:
    what = f"cell {str(left[0])!r} is" if len(left) == 1 else f"{len(left)} cells, like {str(left[0])!r}, are"
    return errors.TimedOut(f"{what} not ready after {timeout_s:g} s", hint=hint)


def _doing(left: Sequence[Ref]) -> str:
    if not left:
        return "waiting"
    return f"waiting for {resources.described(left[0])}" + (f" and {len(left) - 1} more" if len(left) > 1 else "")


def _hint(ref: Ref) -> str:
    return f"see why: kuke get cell {ref.name}{resources.scope_flags(ref)}"
