"""Errors as gRPC statuses: code name, message and the bytes of one trailing metadata value.

gRPC itself is not imported: the daemon and the client translate the code's name.
"""

from __future__ import annotations

import logging

from google.protobuf.message import DecodeError

from kukeon_api import errors, wire
from kukeon_api._pb.kukeon.v1 import results_pb2
from kukeon_api.errors import APIError

TRAILER = "kukeon-error-bin"
"""The trailing metadata key; gRPC carries bytes under keys that end in -bin."""

MAX_DETAIL_BYTES = 4096
"""gRPC breaks a call whose metadata exceeds 8 KiB in all."""

MAX_MESSAGE_BYTES = 1024
"""The status's own message travels beside the detail and counts too, percent-encoded: up to three bytes for one."""

_log = logging.getLogger(__name__)


def to_status(exc: BaseException) -> tuple[str, str, bytes]:
    """Return the gRPC code name, the message and the detail of `exc`.

    Problems that do not fit are dropped from the end, then the message is cut; the hint says so.
    """
    error = errors.to_api_error(exc)
    found = errors.find(exc)
    code = found.code if found else errors.KukeonError.code
    return code, _cut(error.message, MAX_MESSAGE_BYTES), _detail(error)


def from_status(code_name: str, message: str, detail: bytes | None) -> errors.KukeonError:
    """Return the exception of a failed call; without a usable detail, the branch that the code stands for."""
    if detail:
        parsed = results_pb2.APIError()
        try:
            parsed.ParseFromString(detail)
            return errors.from_api_error(wire.from_proto(parsed, APIError), code_name)
        except DecodeError:
            _log.warning("the detail of a %s status is not an APIError", code_name)
    return errors.CODES.get(code_name, errors.KukeonError)(message)


def _detail(error: APIError) -> bytes:
    message = _encoded(error)
    if len(message) <= MAX_DETAIL_BYTES:
        return message
    kept = list(error.problems)
    text = error.message
    hint = _cut(error.hint, 512)
    while kept and len(message) > MAX_DETAIL_BYTES:
        kept = kept[: len(kept) // 2]
        note = f"{len(error.problems) - len(kept)} more problems did not fit"
        message = _encoded(
            APIError(
                kind=error.kind,
                message=_cut(text, 2048),
                hint=f"{hint}; {note}" if hint else note,
                problems=tuple(kept),
            )
        )
    if len(message) > MAX_DETAIL_BYTES:
        message = _encoded(APIError(kind=_cut(error.kind, 64), message=_cut(text, 2048), hint=hint))
    return message


def _encoded(error: APIError) -> bytes:
    encoded: bytes = wire.to_proto(error).SerializeToString()
    return encoded


def _cut(text: str, limit: int) -> str:
    """Return `text`, made encodable, of at most `limit` bytes."""
    encoded = text.encode("utf-8", "backslashreplace")
    if len(encoded) <= limit:
        return encoded.decode()
    return encoded[: limit - 3].decode("utf-8", "ignore") + "..."
