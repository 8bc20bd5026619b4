"""What people are told about a container that does not run: how to start it, and what it wrote. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors, model, scope

if TYPE_CHECKING:
    from kukeon_api.model import Ref


def not_running(cell: model.CellDoc, ref: Ref, doing: str) -> errors.TaskNotRunning:
    """Return the error that says that nobody can be `doing` ("attach to") container `ref` of `cell`.

    Alone is started what runs beside others, else the whole cell: nothing works without what it was made with.
    """
    states = {each.name: each.state for each in cell.status.containers}
    state, ready = states.get(ref.name, model.ContainerState.UNKNOWN), model.ContainerState.READY
    root = any(each.root for each in cell.spec.containers if each.id == ref.name)
    alone = not root and any(found is ready for name, found in states.items() if name != ref.name)
    where = scope.flags(ref)
    start = f"container {ref.name} --cell {ref.cell}" if alone else f"cell {ref.cell}"
    # What is stored may be a moment old.
    now = "" if state is ready else f" (it is {state})"
    return errors.TaskNotRunning(
        f"cannot {doing} container {str(ref)!r}: it does not run{now}",
        hint=f"start it: kuke start {start}{where}; what it wrote: kuke log {ref.cell}{where} --container {ref.name}",
    )
