"""JSON from files and programs nobody vouches for: bounded, and never an exception of the parser."""

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from kukeon_cni.errors import CniError, ErrorCode

__all__ = ["Json", "JsonObject", "dump_object", "load_object"]

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | bool | None"
JsonObject: TypeAlias = Mapping[str, Json]


def load_object(data: bytes, what: str) -> JsonObject:
    """Return the JSON object in `data`; raise `CniError` (undecodable), naming `what`, for anything else."""
    try:
        value: Json = json.loads(data)
    except (ValueError, RecursionError) as error:  # ValueError: not UTF-8, not JSON, an absurdly long number
        raise CniError(ErrorCode.UNDECODABLE, f"cannot read {what}: not JSON", str(error)[:200]) from error
    if not isinstance(value, dict):
        raise CniError(ErrorCode.UNDECODABLE, f"cannot read {what}: not a JSON object")
    return value


def dump_object(value: JsonObject, *, indent: int | None = None) -> bytes:
    """Return `value` as UTF-8 JSON text."""
    return json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False).encode()
