"""Compare a model with its message: the proof that codec and documentation may trust either."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2

from kukeon_api import codec
from kukeon_api.fields import Field, fields_of, zero

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterator

    import msgspec
    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

_Proto = descriptor_pb2.FieldDescriptorProto

SCALARS: dict[int, type] = {
    _Proto.TYPE_STRING: str,
    _Proto.TYPE_BYTES: bytes,
    _Proto.TYPE_BOOL: bool,
    _Proto.TYPE_INT32: int,
    _Proto.TYPE_INT64: int,
    _Proto.TYPE_UINT32: int,
    _Proto.TYPE_UINT64: int,
    _Proto.TYPE_DOUBLE: float,
}


def check(model: type[msgspec.Struct], descriptor: Descriptor) -> list[str]:
    """Describe every difference between a model and its message, and between what they contain."""
    ours = {field.name: field for field in fields_of(model)}
    theirs = {field.name: field for field in descriptor.fields}
    # Cardinality and presence are read from the descriptor's own message: the attributes for them changed between
    # protobuf 4 and 7.
    proto = descriptor_pb2.DescriptorProto()
    descriptor.CopyToProto(proto)
    plain = {field.name: field for field in proto.field}
    found = [f"{model.__name__}.{name}: only in the model" for name in sorted(ours.keys() - theirs)]
    found += [f"{model.__name__}.{name}: only in the proto" for name in sorted(theirs.keys() - ours)]
    for name in sorted(ours.keys() & theirs):
        found += (
            what if what.startswith(" ") else f"{model.__name__}.{name}: {what}"
            for what in _field(ours[name], theirs[name], plain[name])
        )
    return [what.strip() for what in found]


def _field(ours: Field, theirs: FieldDescriptor, proto: _Proto) -> Iterator[str]:
    if ours.paper != theirs.json_name:
        yield f"paper says {ours.paper}, proto says {theirs.json_name}"
    repeated = proto.label == _Proto.LABEL_REPEATED
    item, is_map = theirs, False
    if theirs.message_type and theirs.message_type.GetOptions().map_entry:
        is_map, item = True, theirs.message_type.fields_by_name["value"]
    if ours.shape == "list" and ours.optional:
        wrapper = theirs.message_type
        if repeated or wrapper is None or [f.name for f in wrapper.fields] != ["items"]:
            yield "a list that may be absent needs a message with the one field `items`"
            return
        item = wrapper.fields_by_name["items"]
    elif (ours.shape == "list") != (repeated and not is_map) or (ours.shape == "map") != is_map:
        yield f"is a {ours.shape} in the model"
        return
    yield from _item(ours, item)
    if ours.shape == "one" and item.type in SCALARS:
        if proto.proto3_optional != ours.optional:
            yield "`| None` and `optional` go together"
        elif not ours.optional and not ours.required and ours.default != zero(ours.item):
            yield "a default other than zero needs `| None` and `optional`"


def _item(ours: Field, item: FieldDescriptor) -> Iterator[str]:
    if item.enum_type:
        if not ours.choice:
            yield "is an enum in the proto"
        else:
            yield from _enum(ours.item, item.enum_type)
    elif item.message_type:
        if item.message_type.full_name == "google.protobuf.Timestamp":
            if ours.item is not dt.datetime:
                yield f"is {ours.item.__name__}, not a time"
        elif not ours.nested or item.message_type.name != ours.item.__name__:
            yield f"is {ours.item.__name__}, not {item.message_type.name}"
        else:
            yield from (f" {what}" for what in check(ours.item, item.message_type))
    elif ours.item is not SCALARS.get(item.type):
        yield f"is {ours.item.__name__}, not {SCALARS[item.type].__name__ if item.type in SCALARS else item.type}"


def _enum(choice: type[enum.Enum], theirs: EnumDescriptor) -> Iterator[str]:
    prefix = codec.enum_prefix(choice)
    names = {f"{prefix}{member.name}" for member in choice}
    if theirs.name != choice.__name__ or {value.name for value in theirs.values if value.number} != names:
        yield "the values differ"
    if theirs.values_by_number[0].name != f"{prefix}UNSPECIFIED":
        yield f"zero must be {prefix}UNSPECIFIED"
