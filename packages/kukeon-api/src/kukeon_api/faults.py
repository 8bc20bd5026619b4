"""Find out what is wrong with a message that the codec refused: every problem, with its path on paper."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from kukeon_api import codec, names
from kukeon_api.errors import Problem
from kukeon_api.fields import Field, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    import msgspec


def faults(message: Any, model: type[msgspec.Struct]) -> tuple[Problem, ...]:
    """Return all problems; none when the message is fine."""
    return tuple(_in_model(message, model, ""))


def _in_model(message: Any, model: type[msgspec.Struct], path: str) -> Iterator[Problem]:
    for field in fields_of(model):
        yield from _in_field(message, field, f"{path}.{field.paper}" if path else field.paper)


def _in_field(message: Any, field: Field, path: str) -> Iterator[Problem]:
    value = getattr(message, field.name)
    if field.shape == "map":
        return
    if field.shape == "list":
        if field.nested:
            for index, each in enumerate(value.items if field.optional else value):
                yield from _in_model(each, field.item, f"{path}[{index}]")
        return
    if field.nested:
        if field.required or message.HasField(field.name):
            yield from _in_model(value, field.item, path)
    elif field.choice:
        words = codec.numbers(field.item)
        if value not in words.values() and (value or field.required):
            known = ", ".join(str(member.value) for member in words)
            what = f"unknown value {value}" if value else "is required"
            yield Problem(path=path, message=f"{what}; known are {known}")
    elif field.item is dt.datetime:
        if message.HasField(field.name):
            yield from _in_time(value, path)
    elif field.pattern and not field.pattern.match(value):
        yield Problem(path=path, message=f"{value[:80]!r} is not a name: {names.NAME_RULE}" if value else "is required")


def _in_time(value: Any, path: str) -> Iterator[Problem]:
    try:
        codec.decode_time(value)
    except OverflowError:
        yield Problem(path=path, message="the time is outside the years 1 to 9999")
