"""Where something is, as people write it in a command. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import names

if TYPE_CHECKING:
    from kukeon_api.model import Ref

_LEVELS = ("realm", "space", "stack")


def flags(ref: Ref) -> str:
    """Return what a command needs beside names to find `ref`, ` --space blue`; a container's cell is such a name."""
    parents = ref.parts[:3] if ref.cell else ref.parts[:-1]
    pairs = zip(_LEVELS, parents, strict=False)
    return "".join(f" --{level} {name}" for level, name in pairs if name != names.DEFAULT_REALM)
