"""Requests come from anybody who may open the socket: each becomes arguments, or an error of ours, and nothing else."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kukeon_api import calls, errors, labels, methods, model, names, normalise, parts, plain, rules, status, wire
from kukeon_api.methods import METHODS

REFUSALS = (errors.Invalid, errors.NotSupportedYet)
NAMES = (errors.InvalidName, errors.InvalidRealmName, errors.RealmNameRequired)
every_method = st.sampled_from(sorted(METHODS))

_text = st.sampled_from(
    ["", "a", "web", "..", ".", "/", "../../etc", "a/b", "a\0", "A_b", "-", "root", "kuke-system", "a" * 64, "ü"]
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
_scalars: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_STRING: _text,
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1) | st.integers(-1, 3),
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_ENUM: st.integers(-2, 12),
}


def fill(data: st.DataObject, message: Any) -> None:
    """Put anything that the format allows into some of the fields of `message`."""
    descriptor: Descriptor = message.DESCRIPTOR
    for field in data.draw(
        st.lists(st.sampled_from(list(descriptor.fields)), max_size=4) if descriptor.fields else st.just([])
    ):
        here = getattr(message, field.name)
        if hasattr(here, "extend") and hasattr(here, "add"):
            fill(data, here.add())
        elif hasattr(here, "extend"):
            here.extend(data.draw(st.lists(_item(field), max_size=3)))
        elif hasattr(here, "items") and not hasattr(here, "DESCRIPTOR"):
            here.update(data.draw(st.dictionaries(_text, _text, max_size=2)))
        elif field.message_type:
            here.SetInParent()
            fill(data, here)
        else:
            setattr(message, field.name, data.draw(_item(field)))


def _item(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=10)
    return _scalars[field.cpp_type]


def used(doc: model.Doc) -> None:
    """Do with a document what the daemon does before it touches anything."""
    with contextlib.suppress(errors.Invalid):
        rules.check(doc)
    with contextlib.suppress(errors.Invalid):
        normalise.normalise(doc)
    with contextlib.suppress(errors.Invalid):
        assert all(names.is_name(part) for part in model.ref_of(doc).parts)
    plain.to_builtins(doc)
    labels.authored(doc.metadata.labels)
    assert wire.from_proto(wire.to_proto(doc), type(doc)) == doc


@settings(max_examples=300)
@given(name=every_method, content=st.binary(max_size=60))
@example("GetRealm", b"\x0a\x02\x0a\x00")
@example("GetRealm", b"\xff")
def test_any_bytes_are_a_request_or_refused(name: str, content: bytes) -> None:
    method = METHODS[name]
    with contextlib.suppress(*REFUSALS):
        arguments = unpacked(method, content)
        assert arguments.keys() == {param for param, _ in method.params if param != method.upload}


@settings(max_examples=300)
@given(name=every_method, data=st.data())
def test_any_message_is_a_request_or_refused(name: str, data: st.DataObject) -> None:
    method = METHODS[name]
    message: Any = calls.args_class(method)()
    fill(data, message)
    content = message.SerializeToString()
    try:
        arguments = unpacked(method, content)
    except errors.Invalid as error:
        refusal = error
    else:
        taken(method, arguments)
        return
    assert refusal.problems or isinstance(refusal, (*NAMES, errors.InvalidRequest))
    code, text, detail = status.to_status(refusal)
    assert type(status.from_status(code, text, detail)) is type(refusal)


def unpacked(method: methods.Method, content: bytes) -> dict[str, Any]:
    """Read a request as the daemon reads the first one of a call."""
    message = calls.parse_args(method, content)
    return parts.unpack_start(method, message) if method.stream == "both" else calls.unpack_args(method, message)


def taken(method: methods.Method, arguments: dict[str, Any]) -> None:
    for param, kind in method.params:
        if param != method.upload:
            assert isinstance(arguments[param], kind)
    if "doc" in arguments:
        used(arguments["doc"])


@settings(max_examples=200)
@given(name=every_method, data=st.data())
def test_a_spoilt_request_is_a_request_or_refused(name: str, data: st.DataObject) -> None:
    method = METHODS[name]
    message: Any = calls.args_class(method)()
    fill(data, message)
    content = bytearray(message.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(*REFUSALS):
        unpacked(method, bytes(content))


def test_messages_in_messages_without_end_are_refused() -> None:
    # No message of ours contains itself, so this is unknown fields in unknown fields.
    deep = b""
    for _ in range(200):
        if len(deep) > 120:
            break
        deep = b"\x7a" + bytes([len(deep)]) + deep
    method = METHODS["GetCell"]
    with pytest.raises(REFUSALS):
        calls.unpack_args(method, calls.parse_args(method, deep))


@settings(max_examples=100)
@given(st.sampled_from([method for method in METHODS.values() if method.stream == "both"]), st.binary(max_size=60))
def test_any_later_request_is_a_part_or_refused(method: methods.Method, content: bytes) -> None:
    with contextlib.suppress(*REFUSALS):
        name, _ = parts.unpack_asked(method, calls.parse_args(method, content))
        assert name in method.asks


@settings(max_examples=100)
@given(st.sampled_from([method for method in METHODS.values() if not method.paged]), st.binary(max_size=60))
def test_any_reply_is_a_result_or_an_error_of_ours(method: methods.Method, content: bytes) -> None:
    message: Any = calls.reply_class(method)()
    with contextlib.suppress(DecodeError, errors.KukeonError):
        message.ParseFromString(content)
        if method.stream == "both":
            parts.unpack_told(method, message)
        else:
            calls.unpack_reply(method, message)
