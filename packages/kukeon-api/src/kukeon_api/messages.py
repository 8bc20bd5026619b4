"""The generated messages of kukeon.v1, found by name."""

from __future__ import annotations

import functools
import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.message import Message

_MODULES = ("resources_pb2", "results_pb2", "streams_pb2", "service_pb2")


@functools.cache
def message_class(model: type | str) -> type[Message]:
    """Return the message type of a model, or the one called so (`CreateCellArgs`)."""
    found: type[Message] = _find(model if isinstance(model, str) else model.__name__)
    return found


@functools.cache
def enum_descriptor(name: str) -> EnumDescriptor:
    """Return the descriptor of the enum called `name`."""
    found: EnumDescriptor = _find(name).DESCRIPTOR
    return found


def _find(name: str) -> Any:
    for module in _MODULES:
        found = getattr(importlib.import_module(f"kukeon_api._pb.kukeon.v1.{module}"), name, None)
        if found is not None:
            return found
    raise LookupError(f"no {name!r} in kukeon.v1")
