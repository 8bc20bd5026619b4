"""Compile a model's encoder and decoder.

The functions are straight-line Python, one statement or argument per field, as `dataclasses` does it: generic loops
over fields cost five times as much, and a list of cells is thousands of fields.  Only names of our own models and
fields enter the source.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kukeon_api import messages
from kukeon_api.fields import EPOCH, Field, fields_of

if TYPE_CHECKING:
    import enum
    import re

    import msgspec


class Fault(ValueError):
    """Something in a message is not what the model allows; `faults` finds out what and where."""


FAULTS = (Fault, KeyError, OverflowError)
"""What a decoder raises on a bad message."""

Encoder = Callable[[Any, Any], None]
Decoder = Callable[[Any], Any]


@functools.cache
def encoder(model: type[msgspec.Struct]) -> Encoder:
    """Return a function that fills a message from a `model`."""
    scope: dict[str, Any] = {"encode_time": encode_time}
    lines = ["def encode(m, p):"]
    for field in fields_of(model):
        lines += _encode_field(field, scope)
    compiled: Encoder = _compiled("encode", lines, scope)
    return compiled


@functools.cache
def decoder(model: type[msgspec.Struct]) -> Decoder:
    """Return a function that builds a `model` from a message and raises one of `FAULTS` when it may not."""
    scope: dict[str, Any] = {"Model": model, "Fault": Fault, "decode_time": decode_time}
    lines = ["def decode(p):"]
    for field in fields_of(model):
        lines += _decode_field(field, scope)
    lines.append(f"    return Model({', '.join(f'{f.name}=v_{f.name}' for f in fields_of(model))})")
    compiled: Decoder = _compiled("decode", lines, scope)
    return compiled


def encode_time(value: dt.datetime, message: Any) -> None:
    """Write a time with a zone; microseconds are kept."""
    delta = value - EPOCH
    message.seconds = delta.days * 86400 + delta.seconds
    message.nanos = delta.microseconds * 1000


def decode_time(message: Any) -> dt.datetime:
    """Read a time; raises OverflowError beyond the years 1 to 9999."""
    return EPOCH + dt.timedelta(0, message.seconds, message.nanos // 1000)


class _Matching(dict[str, bool]):
    """Remembers which texts match a pattern: the same few names stand in every document of a list.

    What does not match is forgotten, so that nobody fills the memory with it.
    """

    def __init__(self, pattern: re.Pattern[str]) -> None:
        super().__init__()
        self.pattern = pattern

    def __missing__(self, text: str) -> bool:
        if not self.pattern.match(text):
            return False
        if len(self) >= _REMEMBERED:
            self.clear()
        self[text] = True
        return True


_REMEMBERED = 4096

_matching = functools.cache(_Matching)


def numbers(choice: type[enum.Enum]) -> dict[Any, int]:
    """Return the wire numbers of an enum: those of its descriptor, whose values are named after ours."""
    values = messages.enum_descriptor(choice.__name__).values_by_name
    return {member: values[f"{enum_prefix(choice)}{member.name}"].number for member in choice}


def enum_prefix(choice: type[enum.Enum]) -> str:
    """`RealmState` -> `REALM_STATE_`."""
    name = choice.__name__
    return "".join(f"_{c}" if c.isupper() and i else c for i, c in enumerate(name)).upper() + "_"


def _compiled(name: str, lines: list[str], scope: dict[str, Any]) -> Any:
    exec("\n".join(lines), scope)  # noqa: S102  (our own field names, nothing from outside)
    return scope[name]


def _encode_field(field: Field, scope: dict[str, Any]) -> list[str]:
    name = field.name
    lines = [f"    v = m.{name}"]
    guard = "    if v is not None:" if field.optional else "    if v:"
    if field.nested:
        scope[f"encode_{name}"] = encoder(field.item)
    if field.shape == "map":
        return [*lines, guard, f"        p.{name}.update(v)"]
    if field.shape == "list":
        target = f"p.{name}"
        if field.optional:
            lines += [guard, f"        p.{name}.SetInParent()", "    if v:"]
            target += ".items"
        else:
            lines += [guard]
        if field.nested:
            return [
                *lines,
                f"        add = {target}.add",
                "        for each in v:",
                f"            encode_{name}(each, add())",
            ]
        return [*lines, f"        {target}.extend(v)"]
    if field.nested:
        if field.optional:
            return [*lines, guard, f"        p.{name}.SetInParent()", f"        encode_{name}(v, p.{name})"]
        return [*lines, f"    encode_{name}(v, p.{name})"]
    if field.choice:
        scope[f"numbers_{name}"] = numbers(field.item)
        return [*lines, "    if v is not None:", f"        p.{name} = numbers_{name}[v]"]
    if field.item is dt.datetime:
        return [*lines, "    if v is not None:", f"        encode_time(v, p.{name})"]
    return [*lines, guard, f"        p.{name} = v"]


def _decode_field(field: Field, scope: dict[str, Any]) -> list[str]:
    name, value = field.name, f"v_{field.name}"
    if field.nested:
        scope[f"decode_{name}"] = decoder(field.item)
    if field.shape == "map":
        # Sorted: a map of the wire comes in another order each time, and what is stored of it should not.
        return [f"    entries = p.{name}", f"    {value} = dict(sorted(entries.items())) if entries else {{}}"]
    if field.shape == "list":
        source = f"p.{name}.items" if field.optional else f"p.{name}"
        made = f"tuple([decode_{name}(each) for each in items])" if field.nested else "tuple(items)"
        if not field.optional:
            return [f"    items = {source}", f"    {value} = {made} if items else ()"]
        made = made.replace("items", source)
    elif field.nested:
        made = f"decode_{name}(p.{name})"
    elif field.choice:
        scope[f"members_{name}"] = _members(field)
        return [f"    {value} = members_{name}[p.{name}]"]
    elif field.item is dt.datetime:
        made = f"decode_time(p.{name})"
    else:
        made = f"p.{name}"
    if field.optional or field.item is dt.datetime or (field.nested and field.shape == "one" and not field.required):
        scope[f"default_{name}"] = field.default
        made = f"{made} if p.HasField({name!r}) else default_{name}"
    lines = [f"    {value} = {made}"]
    if field.pattern and field.shape == "one":
        scope[f"match_{name}"] = _matching(field.pattern)
        condition = f"not match_{name}[{value}]"
        if field.optional:
            condition = f"{value} is not None and {condition}"
        elif field.pattern.match(""):
            condition = f"{value} and {condition}"
        lines += [f"    if {condition}:", f"        raise Fault({name!r})"]
    return lines


def _members(field: Field) -> dict[int, Any]:
    found = {number: member for member, number in numbers(field.item).items()}
    if not field.required:
        found[0] = field.default
    return found
