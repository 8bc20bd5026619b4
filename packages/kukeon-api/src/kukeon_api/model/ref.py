"""Ref: where a resource is, as one value."""

from __future__ import annotations

import dataclasses
from typing import Literal

from kukeon_api import errors, names

Kind = Literal["Realm", "Space", "Stack", "Cell", "Container"]

KINDS: tuple[Kind, ...] = ("Realm", "Space", "Stack", "Cell", "Container")
"""The levels, outermost first: also the order of creation."""


@dataclasses.dataclass(frozen=True, order=True)
class Ref:
    """The path realm/space/stack/cell/container, as deep as the resource is.

    Each part is a name (`names.is_name`) and no level is skipped, else `Invalid` is raised: whoever holds a Ref may
    build paths from it.
    """

    realm: str
    space: str = ""
    stack: str = ""
    cell: str = ""
    container: str = ""

    def __post_init__(self) -> None:
        parts = self._fields()
        depth = 5
        while depth > 1 and not parts[depth - 1]:
            depth -= 1
        for kind, part in zip(KINDS[:depth], parts[:depth], strict=True):
            names.check_name(part, kind)

    def _fields(self) -> tuple[str, str, str, str, str]:
        return (self.realm, self.space, self.stack, self.cell, self.container)

    @property
    def parts(self) -> tuple[str, ...]:
        """The names from the realm down."""
        return tuple(part for part in self._fields() if part)

    @property
    def kind(self) -> Kind:
        """What it is: "Realm" to "Container"."""
        return KINDS[len(self.parts) - 1]

    @property
    def name(self) -> str:
        """Its own name, the last part."""
        return self.parts[-1]

    @property
    def parent(self) -> Ref | None:
        """The Ref one level up; None for a realm."""
        return Ref(*self.parts[:-1]) if self.space else None

    @property
    def ancestors(self) -> tuple[Ref, ...]:
        """All Refs above, the realm first."""
        return tuple(Ref(*self.parts[:depth]) for depth in range(1, len(self.parts)))

    def child(self, name: str) -> Ref:
        """Return the Ref of `name` one level down."""
        if self.container:
            raise errors.InvalidRef(f"cannot look inside container {str(self)!r}: containers have no children")
        return Ref(*(*self.parts, name))

    def contains(self, other: Ref) -> bool:
        """Tell whether `other` is this resource or inside it."""
        return other.parts[: len(self.parts)] == self.parts

    def __str__(self) -> str:
        return "/".join(self.parts)

    @classmethod
    def parse(cls, text: str) -> Ref:
        """Return the Ref that `str()` printed; raises `Invalid`."""
        parts = text.split("/")
        if len(parts) > len(KINDS):
            raise errors.InvalidRef(
                f"cannot read {text[:200]!r} as a reference: more than {len(KINDS)} parts",
                hint="write realm/space/stack/cell/container, as deep as needed",
            )
        for kind, part in zip(KINDS, parts, strict=False):
            names.check_name(part, kind)
        return cls(*parts[:5])
