"""What a field of a model is, seen once for the codec, the agreement check, manifests and dumps."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import functools
import inspect
import re
import types
import typing
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

Shape = Literal["one", "list", "map"]


@dataclasses.dataclass(frozen=True)
class Field:
    """One field: `item` is its type, or that of a list's items or a map's values.

    `optional`: `X | None`, unset differs from empty.  `required`: has no default.  `pattern` constrains text.
    `stated`: must stand on paper, where leaving it out would hardly be meant, although empty is a value of it.
    """

    name: str
    paper: str
    shape: Shape
    item: type
    optional: bool
    required: bool
    default: Any
    pattern: re.Pattern[str] | None = None
    stated: bool = False

    @functools.cached_property
    def nested(self) -> bool:
        """Whether the items are models."""
        return issubclass(self.item, msgspec.Struct)

    @functools.cached_property
    def choice(self) -> bool:
        """Whether the items are one of a closed set of words."""
        return bool(self.choices)

    @functools.cached_property
    def choices(self) -> tuple[enum.Enum, ...]:
        """That set; empty where any are fine."""
        return tuple(self.item) if issubclass(self.item, enum.Enum) else ()


@functools.cache
def fields_of(model: type[msgspec.Struct]) -> tuple[Field, ...]:
    """Return the fields of `model`: inherited ones first, each where it was first declared."""
    order = {name: None for cls in reversed(model.__mro__) for name in inspect.get_annotations(cls)}
    infos = {info.name: info for info in msgspec.structs.fields(model)}
    return tuple(_field(infos[name]) for name in order if name in infos)


@functools.cache
def fields_on_paper(model: type[msgspec.Struct]) -> Mapping[str, Field]:
    """Return the fields of `model` by their names in YAML and JSON."""
    return {field.paper: field for field in fields_of(model)}


def _field(info: msgspec.structs.FieldInfo) -> Field:
    hint = info.type
    stated = typing.get_origin(hint) is typing.Annotated and any(
        "stated" in (meta.extra or {}) for meta in typing.get_args(hint)[1:]
    )
    if stated:
        hint = typing.get_args(hint)[0]
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        [hint] = [arg for arg in typing.get_args(hint) if arg is not type(None)]
        optional = True
    shape: Shape = "one"
    origin = typing.get_origin(hint)
    if origin is tuple:
        shape, hint = "list", typing.get_args(hint)[0]
    elif origin is dict:
        shape, hint = "map", typing.get_args(hint)[1]
    pattern = None
    if typing.get_origin(hint) is typing.Annotated:
        hint, *constraints = typing.get_args(hint)
        pattern = next((re.compile(meta.pattern.replace("$", r"\Z")) for meta in constraints if meta.pattern), None)
    default = info.default
    if info.default_factory is not msgspec.NODEFAULT:
        default = info.default_factory()
    required = default is msgspec.NODEFAULT
    return Field(info.name, info.encode_name, shape, hint, optional, required, default, pattern, stated)


def zero(item: type) -> Any:
    """Return the value of type `item` that the wire does not send."""
    return item() if item in (str, bytes, bool, int, float) else None


EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
