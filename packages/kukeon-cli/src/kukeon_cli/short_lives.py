"""Programs that failed as soon as they were started: whoever started them is told, though the start went well."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kukeon_api import model


def tell(result: Any) -> None:
    """Print a warning for each container of a result that is in error: of one cell, or of one container."""
    from kukeon_cli import resources

    for cell, container, status in _found(result):
        how = f"by {status.exit_signal}" if status.exit_signal else f"with code {status.exit_code}"
        print(f"warning: container {container!r} of cell {cell.cell!r} ended at once {how}", file=sys.stderr)
        print(
            f"hint: see what it wrote: kuke log {cell.cell}{resources.scope_flags(cell)} --container {container}",
            file=sys.stderr,
        )


def _found(result: Any) -> Iterator[tuple[model.Ref, str, model.ContainerStatus]]:
    from kukeon_api import model

    if isinstance(getattr(result, "cell", None), model.CellDoc):
        named = [(model.ref_of(result.cell), each.name, each) for each in result.cell.status.containers]
    elif isinstance(getattr(result, "container", None), model.ContainerDoc) and result.container.status is not None:
        ref = model.ref_of(result.container)
        assert ref.parent is not None
        named = [(ref.parent, ref.name, result.container.status)]
    else:
        return
    yield from (each for each in named if each[2].state is model.ContainerState.ERROR)
