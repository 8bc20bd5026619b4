"""In which fields a cell that is there differs from the one that a file describes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from kukeon_api import model, normalise

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLACE = frozenset({"realm_id", "space_id", "stack_id", "cell_id", "containerd_id", "cni_config_path"})
"""Set by the server, or the same on both sides because that is how the cell was found."""


def differences(wanted: model.CellDoc, found: model.CellDoc, space: model.SpaceSpec) -> list[str]:
    """Return paths like `containers[web].image`; both sides with the defaults of their space filled in."""
    before = normalise.effective(normalise.normalise(found), space).spec
    after = normalise.effective(normalise.normalise(wanted), space).spec
    paths = [path for path in _paths(before, after, "") if path != "containers"]
    old = {container.id: container for container in before.containers}
    new = {container.id: container for container in after.containers}
    for name in {**old, **new}:
        if name not in old or name not in new:
            paths.append(f"containers[{name}]")
        else:
            paths += _paths(old[name], new[name], f"containers[{name}].")
    return paths


def _paths(before: msgspec.Struct, after: msgspec.Struct, prefix: str) -> Iterator[str]:
    for field in msgspec.structs.fields(type(after)):
        if field.name not in _PLACE and getattr(before, field.name) != getattr(after, field.name):
            yield f"{prefix}{field.encode_name}"
