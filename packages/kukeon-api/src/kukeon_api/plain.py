"""Models as plain data: what `-o yaml` and `-o json` print, camelCase and without what is unset."""

from __future__ import annotations

import datetime as dt
import enum
from typing import Any

import msgspec

from kukeon_api import model
from kukeon_api.fields import Field, fields_of


def to_builtins(value: Any) -> Any:
    """Return `value` (a model, or a list or tuple of them) as dicts, lists and scalars, ready for JSON and YAML.

    A document begins with apiVersion and kind; labels of a container document stand in its metadata only.  Unset
    and default values are left out; values that may be unset are there when set, even if empty.  Words of closed
    sets are always there.  Maps like labels are in the order of their keys.
    """
    if isinstance(value, msgspec.Struct):
        head = {}
        if hasattr(value, "api_version") and hasattr(value, "kind"):
            head = {"apiVersion": value.api_version, "kind": value.kind}
            value = _labelled_once(value)
        return head | _fields(value)
    if isinstance(value, tuple | list):
        return [to_builtins(item) for item in value]
    if isinstance(value, dict):
        # A map of the wire has no order of its own, and must not look changed each time it is shown.
        return {key: to_builtins(value[key]) for key in sorted(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dt.datetime):
        return format_time(value)
    return value


def format_time(value: dt.datetime) -> str:
    """Return a time as RFC 3339 in UTC: `2026-11-21T10:00:00.123456Z`, the fraction only where there is one."""
    return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"


def _labelled_once(doc: Any) -> Any:
    if not isinstance(doc, model.ContainerDoc) or not doc.spec.labels or doc.spec.labels != doc.metadata.labels:
        return doc
    return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, labels={}))


def _fields(value: msgspec.Struct) -> dict[str, Any]:
    return {
        field.paper: to_builtins(content)
        for field in fields_of(type(value))
        if _told(field, content := getattr(value, field.name))
    }


def _told(field: Field, value: Any) -> bool:
    if value is None:
        return False
    return field.required or field.stated or field.optional or field.choice or bool(value != field.default)
