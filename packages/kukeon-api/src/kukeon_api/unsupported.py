"""What the documents can say and nothing makes work yet.

This is the one table of it.  Such a field is refused when it says something, never accepted and ignored; a line leaves
the table with the change that makes its field work.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from kukeon_api.errors import Problem
from kukeon_api.fields import fields_on_paper

if TYPE_CHECKING:
    from collections.abc import Iterator

    import msgspec

    from kukeon_api import model


@dataclasses.dataclass(frozen=True)
class Refused:
    """A field that may only have its default or one of the `harmless` values; `[*]` in the path is every item.

    `instead` says what there is in its place.
    """

    path: str
    harmless: tuple[Any, ...] = ()
    instead: str = ""


_CONTAINER = (
    Refused("networks", instead="a cell is in the network of its space; put it into another space"),
    Refused("networksAliases", instead="cells of a space know each other by their names"),
    Refused("tty.logFile", instead="see what the terminal showed: kuke log"),
    Refused("cniConfigPath", instead="a container is in the network of its cell's space"),
)

FIELDS: dict[str, tuple[Refused, ...]] = {
    "Realm": (),
    "Space": (),
    "Stack": (),
    "Cell": tuple(dataclasses.replace(each, path=f"spec.containers[*].{each.path}") for each in _CONTAINER),
    "Container": tuple(dataclasses.replace(each, path=f"spec.{each.path}") for each in _CONTAINER),
    "ServerConfiguration": (Refused("spec.kukeondImage", harmless=("",)),),
    "ClientConfiguration": (),
}
"""Kind -> fields of the model that are refused."""

KINDS = frozenset({"Secret", "CellBlueprint", "CellConfig", "Volume"})
"""Kinds that are refused as such; others are unknown."""

LATER = frozenset({"repos", "git", "annotations", "volumeRef", "secretRef", "ensure", "runOn"})
"""Names of fields that the model does not have yet: known for what they are, not for typing errors."""

MESSAGE = "is not supported yet"


def problems(doc: model.Doc | model.ServerConfiguration | model.ClientConfiguration) -> Iterator[Problem]:
    """Yield a problem for every field of `doc` that says something that nothing makes work yet."""
    for refused in FIELDS[doc.kind]:
        for path, value, default in _values(doc, refused.path.split("."), ""):
            if value is not None and value != default and value not in refused.harmless:
                yield Problem(path=path, message=MESSAGE, suggestion=refused.instead)


def _values(holder: msgspec.Struct, steps: list[str], path: str) -> Iterator[tuple[str, Any, Any]]:
    """Yield path, value and default of every field that the steps lead to."""
    step, *rest = steps
    paper, every, _ = step.partition("[*]")
    field = fields_on_paper(type(holder))[paper]
    value = getattr(holder, field.name)
    path = f"{path}.{paper}" if path else paper
    if not rest:
        yield path, value, field.default
    elif every:
        for index, item in enumerate(value):
            yield from _values(item, rest, f"{path}[{index}]")
    elif value is not None:
        yield from _values(value, rest, path)
