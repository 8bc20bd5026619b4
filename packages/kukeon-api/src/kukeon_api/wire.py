"""Convert between models and protobuf messages.

A model has the fields of its message, under the same names; nothing is written down a third time.  For each model one
pair of functions is compiled when first used (`codec`), because lists of a thousand cells are ordinary.  What comes off
the wire is checked like what comes out of YAML: names, closed choices, times, with the path of every problem.
`agreement.check` lists every difference between a model and its message; a test asserts that there is none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from kukeon_api import codec, errors, faults, messages

if TYPE_CHECKING:
    from google.protobuf.message import Message

M = TypeVar("M", bound=msgspec.Struct)

message_class = messages.message_class


def to_proto(model: msgspec.Struct, message: Message | None = None) -> Any:
    """Fill `message` (a new one of the model's type when None) from `model` and return it.

    Raises `Invalid` when a value cannot be sent: a number out of range, text that is no Unicode.
    """
    if message is None:
        message = messages.message_class(type(model))()
    try:
        codec.encoder(type(model))(model, message)
    except ValueError as exc:
        raise errors.Invalid(f"cannot send {type(model).__name__}: {exc}") from exc
    return message


def from_proto(message: Message, model: type[M]) -> M:
    """Build the `model` that `message` carries; raises `Invalid` with every problem and its path."""
    try:
        decoded: M = codec.decoder(model)(message)
    except codec.FAULTS as exc:
        problems = faults.faults(message, model)
        if not problems:
            raise
        raise errors.Invalid(
            f"invalid {model.__name__}: " + "; ".join(f"{p.path}: {p.message}" for p in problems[:3]),
            problems=problems,
        ) from exc
    return decoded
