"""Pack and unpack what goes along a stream both ways: a part at a time, each a name and its value.

A part is a tuple like `("stdout", b"...")` or `("exit", ExitStatus(code=0))`, so that it can be matched.  Client:
`pack_start`, then `pack_asked`; `unpack_told`.  Daemon: `unpack_start`, then `unpack_asked`; `pack_told`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import calls, errors, wire

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kukeon_api.methods import Method

Part = tuple[str, Any]

START = "start"
STARTED = "started"

PIECE_BYTES = 256 * 1024
"""The most bytes that one part should have: more is no faster through a unix socket, and makes others wait."""

WINDOW_BYTES = 2 * PIECE_BYTES
"""How much input may be under way to a program that has not taken it yet."""


def pack_start(method: Method, values: Mapping[str, Any]) -> Any:
    """Return the first request; `values` is keyed by parameter name, what has a default may be missing."""
    message: Any = calls.args_class(method)()
    message.start.SetInParent()
    calls.fill_args(method, values, message.start)
    return message


def unpack_start(method: Method, message: Any) -> dict[str, Any]:
    """Return the arguments that the first request carries; raises `Invalid`, `NotSupportedYet`."""
    calls.check_known(method, message)
    if message.WhichOneof("part") != START:
        raise errors.InvalidRequest(f"cannot do {method.name}: the first request does not tell what to start")
    return calls.unpack_args(method, message.start)


def pack_asked(method: Method, name: str, value: Any) -> Any:
    """Return a later request; raises `Invalid` when the value cannot be sent."""
    return _pack(calls.args_class(method)(), method.asks[name], name, value)


def pack_told(method: Method, name: str, value: Any) -> Any:
    """Return a reply."""
    return _pack(calls.reply_class(method)(), method.tells[name], name, value)


def unpack_asked(method: Method, message: Any) -> Part:
    """Return the part that a later request carries; raises `Invalid`, `NotSupportedYet`."""
    name = message.WhichOneof("part")
    if name not in method.asks:
        calls.check_known(method, message)
        raise errors.InvalidRequest(f"cannot go on with {method.name}: the request is {name or 'empty'}")
    return _unpack(message, method.asks[name], name)


def unpack_told(method: Method, message: Any) -> Part | None:
    """Return the part that a reply carries, None for one that a newer daemon sends beyond what is known here."""
    name = message.WhichOneof("part")
    return _unpack(message, method.tells[name], name) if name in method.tells else None


def _pack(message: Any, kind: type, name: str, value: Any) -> Any:
    if issubclass(kind, msgspec.Struct):
        part = getattr(message, name)
        part.SetInParent()
        wire.to_proto(value, part)
        return message
    try:
        setattr(message, name, value)
    except (TypeError, ValueError) as exc:
        raise errors.Invalid(f"cannot send {name}: {exc}") from exc
    return message


def _unpack(message: Any, kind: type, name: str) -> Part:
    value = getattr(message, name)
    return name, wire.from_proto(value, kind) if issubclass(kind, msgspec.Struct) else value
