"""Pack and unpack the messages of a method: the same four functions serve every method, on both sides.

Client: `pack_args` -> call -> `unpack_reply`.  Daemon: `parse_args` -> `unpack_args` -> controller -> `pack_reply`.
An upload sends `first_chunk`, then `chunk`s; `parts` has what streams both ways carry.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec
from google.protobuf.message import DecodeError

from kukeon_api import codec, errors, messages, name_faults, wire
from kukeon_api.errors import APIError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from google.protobuf.message import Message

    from kukeon_api.methods import Method

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
"""What both sides accept in one message; paged lists stay below it."""

CHUNK_BYTES = 64 * 1024
"""The size of an upload's chunks: larger ones are no faster through a unix socket."""


def args_class(method: Method) -> type[Message]:
    """Return the request message type."""
    return messages.message_class(f"{method.name}Args")


def reply_class(method: Method) -> type[Message]:
    """Return the reply message type."""
    return messages.message_class(f"{method.name}Reply")


def pack_args(method: Method, values: Mapping[str, Any], page_token: str = "") -> Any:
    """Return the request of a method that does not upload; `values` is keyed by parameter name.

    What has a default may be missing.
    """
    message: Any = args_class(method)()
    fill_args(method, values, message)
    if page_token:
        message.page_token = page_token
    return message


def fill_args(method: Method, values: Mapping[str, Any], message: Any) -> None:
    """Put the arguments into the fields of `message`."""
    for name, kind in method.params:
        if name in method.defaults and values.get(name) is None:
            continue
        _set(message, name, kind, values[name])


def parse_args(method: Method, content: bytes) -> Any:
    """Return the request that `content` is; raises `InvalidRequest` when it is none.

    Left to gRPC, such a request would end as UNKNOWN, with a traceback in the daemon's log.
    """
    try:
        return args_class(method).FromString(content)
    except DecodeError as exc:
        raise errors.InvalidRequest(
            f"cannot do {method.name}: the request is no {method.name}Args",
            hint="client and kukeond may have different versions: kuke version shows them",
        ) from exc


def unpack_args(method: Method, message: Any) -> dict[str, Any]:
    """Return the arguments by parameter name (without those of an upload).

    Raises `Invalid`, and `NotSupportedYet` when a newer client asks for something that is unknown here: what is passed
    over in silence could be the one word that keeps the rest from being done (`dry_run`).
    """
    check_known(method, message)
    values = {name: _get(method, message, name, kind) for name, kind in method.params if name != method.upload}
    method.check_names(values)
    return values


def check_known(method: Method, message: Any) -> None:
    """Raise `NotSupportedYet` when there is anything in a request that this version does not know."""
    size = message.ByteSize()
    message.DiscardUnknownFields()
    if message.ByteSize() != size:
        raise errors.NotSupportedYet(
            f"cannot do {method.name}: the request has fields that this version does not know",
            hint="upgrade kukeond, or use the kuke that came with it",
        )


def _get(method: Method, message: Any, name: str, kind: type) -> Any:
    if issubclass(kind, msgspec.Struct):
        try:
            return wire.from_proto(getattr(message, name), kind)
        except errors.Invalid as exc:
            raise name_faults.told(exc, kind) from exc
    if kind is tuple:
        return tuple(getattr(message, name))
    default = method.defaults.get(name)
    if default and not message.HasField(name):  # only what may be absent can have such a default
        return default
    return getattr(message, name)


def first_chunk(method: Method, values: Mapping[str, Any]) -> Any:
    """Return the message that opens an upload: every parameter but the data."""
    message = args_class(method)()
    for name, kind in method.params:
        if name != method.upload and (name in values or name not in method.defaults):
            _set(message, name, kind, values[name])
    return message


def chunk(method: Method, data: bytes) -> Any:
    """Return a message with a piece of an upload's data."""
    message: Any = args_class(method)()
    message.chunk = data
    return message


def pack_reply(method: Method, result: Any, next_page_token: str = "") -> Any:
    """Return the reply that carries `result`: a model, or for a list the items of this page."""
    message: Any = reply_class(method)()
    if not method.listed:
        wire.to_proto(result, message.result)
        return message
    add, encode = getattr(message, method.listed).add, codec.encoder(method.returns)
    for item in result:
        encode(item, add())
    if next_page_token:
        message.next_page_token = next_page_token
    return message


def pack_error(method: Method, error: errors.Invalid) -> Any:
    """Return the reply that carries an error, for a method with `error_in_reply`."""
    message: Any = reply_class(method)()
    wire.to_proto(errors.to_api_error(error), message.error)
    return message


def unpack_reply(method: Method, message: Any) -> Any:
    """Return the result, for a list the tuple of this page's items; raises the error that the reply carries."""
    if method.error_in_reply and message.HasField("error"):
        raise errors.from_api_error(wire.from_proto(message.error, APIError), errors.Invalid.code)
    if not method.listed:
        return wire.from_proto(message.result, method.returns)
    return tuple([wire.from_proto(item, method.returns) for item in getattr(message, method.listed)])


def next_page_token(message: Any) -> str:
    """Return what the next request of a paged list must carry; empty after the last page."""
    token: str = message.next_page_token
    return token


def _set(message: Any, name: str, kind: type, value: Any) -> None:
    """Put an argument of a method into its field; its caller is told in the words of Python what cannot be sent."""
    if kind is tuple:
        _check_texts(name, value)
    elif not isinstance(value, kind):
        raise errors.Invalid(f"cannot send {name}: expected {kind.__name__}, got {type(value).__name__}")
    try:
        if kind is tuple:
            getattr(message, name).extend(value)
        elif issubclass(kind, msgspec.Struct):
            wire.to_proto(value, getattr(message, name))
        else:
            setattr(message, name, value)
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise errors.Invalid(f"cannot send {name}: {_misfit(value) or exc}") from exc


def _check_texts(name: str, value: Any) -> None:
    expected = f"cannot send {name}: expected a list of texts"
    if not isinstance(value, Sequence) or isinstance(value, (str, bytes, bytearray)):
        raise errors.Invalid(f"{expected}, got {type(value).__name__}", hint='write it like ["ls", "-l"]')
    for each in value:
        if not isinstance(each, str):
            raise errors.Invalid(f"{expected}, got one with {type(each).__name__}")


def _misfit(value: Any) -> msgspec.ValidationError | None:
    """Return what in a model is not what its types say, when something is."""
    try:
        msgspec.convert(msgspec.to_builtins(value, builtin_types=(bytes, dt.datetime)), type(value))
    except msgspec.ValidationError as exc:
        return exc
    except TypeError:  # something that no model holds
        return None
    return None
