"""What documents and settings files may contain, for programs (`json_schema`) and for people (`explain`).

Both read the files in `schemas/`, which scripts/gen-schemas makes from the model: neither sources nor protobuf are
needed.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.resources
import json
import re
from typing import Any, cast

from kukeon_api import errors, model, suggest, unsupported

TYPES: dict[str, Any] = {
    **model.DOCS,
    model.CellProfile.kind: model.CellProfile,
    model.ServerConfiguration.kind: model.ServerConfiguration,
    model.ClientConfiguration.kind: model.ClientConfiguration,
}
"""Kind -> type, for everything that has a schema."""

UNSUPPORTED = "x-kukeon-unsupported"
"""The keyword, ours, that marks a field which may not say anything yet."""

_PLURALS = {"string": "strings", "integer": "integers", "boolean": "booleans", "object": "objects", "time": "times"}


@dataclasses.dataclass(frozen=True)
class Explanation:
    """What a kind or a field is.

    `path` begins with the kind (`Cell.spec.containers`).  `type` is "string", "integer", "boolean", "time", "object",
    "list of objects", "map of strings" and so on; `values` are the only ones allowed, if there are such.  `default` is
    "" where there is none or `description` tells it.  `supported` False: may not be used yet.  `set_by_server`: only
    kukeon writes it.  `fields` are those of an object or of a list's objects, each without its own.
    """

    path: str
    type: str
    required: bool
    default: str
    description: str
    supported: bool
    set_by_server: bool
    values: tuple[str, ...]
    fields: tuple[Explanation, ...] = ()

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition(".")[2]


def json_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the documents of a kind; raises `UnknownKind`."""
    return cast("dict[str, Any]", json.loads(_text(_kind(kind, kind))))


def file_name(kind: str) -> str:
    """Return the name of a kind's file: `ServerConfiguration` -> `server-configuration.json`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind).lower() + ".json"


def explain(path: str) -> Explanation:
    """Return what a kind (`cell`) or a field (`cell.spec.containers`) is.

    The kind's case does not count; `[0]`, `[*]` and `[]` behind a list are allowed.  Raises `UnknownKind`, and
    `Invalid` for a field that there is not, with what was probably meant as its hint.
    """
    first, *steps = re.sub(r"\[(?:\d+|\*)?\]", "", path.strip()).split(".")
    kind = _kind(first, path)
    node, here, required, supported, by_server = json_schema(kind), kind, True, True, False
    for step in steps:
        inner = _object(node)
        found = inner.get("properties", {}).get(step)
        if found is None:
            raise _no_field(path, here, step, inner)
        required = step in inner.get("required", ())
        node, here = found, f"{here}.{step}"
        supported = supported and not node.get(UNSUPPORTED)
        by_server = by_server or bool(node.get("readOnly"))
    return _explanation(here, node, required, supported, by_server, depth=1)


def _explanation(
    path: str, node: dict[str, Any], required: bool, supported: bool, by_server: bool, depth: int
) -> Explanation:
    supported = supported and not node.get(UNSUPPORTED)
    by_server = by_server or bool(node.get("readOnly"))
    inner = _object(node)
    return Explanation(
        path=path,
        type=_type(node),
        required=required,
        default=json.dumps(node["default"]).strip('"') if "default" in node else "",
        description=node.get("description", ""),
        supported=supported,
        set_by_server=by_server,
        # What an unsupported field may be is no choice that anybody has.
        values=_values(node) if supported else (),
        fields=tuple(
            _explanation(f"{path}.{name}", each, name in inner.get("required", ()), supported, by_server, depth - 1)
            for name, each in inner.get("properties", {}).items()
        )
        if depth
        else (),
    )


def _plain(node: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a value without that of a reference to a parameter, which may stand in its place."""
    return cast("dict[str, Any]", node["anyOf"][0]) if "anyOf" in node else node


def _type(node: dict[str, Any]) -> str:
    node = _plain(node)
    if "const" in node:
        return "string"
    if node["type"] == "array":
        return f"list of {_PLURALS[_type(node['items'])]}"
    if node["type"] == "object" and "properties" not in node:
        return f"map of {_PLURALS[_type(node['additionalProperties'])]}"
    return "time" if node.get("format") == "date-time" else str(node["type"])


def _values(node: dict[str, Any]) -> tuple[str, ...]:
    node = _plain(node)
    if "const" in node:
        return (str(node["const"]),)
    return tuple(value for value in node.get("enum", ()) if value != "")


def _object(node: dict[str, Any]) -> dict[str, Any]:
    """The schema that has the fields: of a list that of its items."""
    return cast("dict[str, Any]", node.get("items", node))


def _kind(text: str, path: str) -> str:
    known = {kind.lower(): kind for kind in TYPES}
    found = known.get(text.lower())
    if found is None:
        raise errors.UnknownKind(
            f"cannot explain {path[:200]!r}: there is no kind {text[:80]!r}",
            hint=suggest.did_you_mean(text, TYPES) or f"kinds are {', '.join(TYPES)}",
        )
    return found


def _no_field(path: str, here: str, step: str, inner: dict[str, Any]) -> errors.Invalid:
    fields = inner.get("properties", {})
    if not fields:
        return errors.Invalid(
            f"cannot explain {path[:200]!r}: {here} has no fields", hint=f"try kuke explain {_spoken(here)}"
        )
    if step in unsupported.LATER:
        return errors.Invalid(f"cannot explain {path[:200]!r}: {step} of {here} {unsupported.MESSAGE}")
    near = suggest.nearest(step, fields)
    return errors.Invalid(
        f"cannot explain {path[:200]!r}: {here} has no field {step[:80]!r}",
        hint=suggest.question(f"{_spoken(here)}.{near}" if near else "") or f"its fields are {', '.join(fields)}",
    )


def _spoken(here: str) -> str:
    kind, dot, rest = here.partition(".")
    return f"{kind.lower()}{dot}{rest}"


@functools.cache
def _text(kind: str) -> str:
    return importlib.resources.files("kukeon_api").joinpath("schemas", file_name(kind)).read_text("utf-8")
