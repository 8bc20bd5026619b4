"""Make the JSON Schemas of documents and settings files from the model.

Only scripts/gen-schemas and the tests need this; what it makes is in `schemas/` and read by `schema`.
"""

from __future__ import annotations

import ast
import datetime as dt
import functools
import inspect
import itertools
import sys
from typing import TYPE_CHECKING, Any

from kukeon_api import model, names, plain, scalars, schema, schema_rules, substitution, unsupported
from kukeon_api.fields import Field, fields_of

if TYPE_CHECKING:
    import msgspec

DIALECT = "https://json-schema.org/draft/2020-12/schema"

_SERVER_SETS = ((model.ContainerSpec, "containerdId"), (model.ContainerSpec, "cniConfigPath"))
_LEFT_OUT: dict[tuple[str, type], tuple[str, ...]] = {
    (model.CellProfile.kind, model.CellSpec): ("id", "realmId", "spaceId", "stackId")
}
"""Fields that the documents of a kind may not have, although their type has them."""

_LITERAL = ("metadata.name", "metadata.generation", "spec.parameters")
"""Where in a profile nothing is put in the place of references."""

_OPTIONAL_KIND = (model.ServerConfiguration, model.ClientConfiguration)
_NAME = names.NAME_PATTERN
_REFERENCE = substitution.REFERENCE.pattern
_OPTIONAL_NAME = names.OPTIONAL_NAME_PATTERN


def build(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of the documents of a kind.

    It says what `manifest.parse` says where that can be told without looking at another field, and two things more
    strictly: text has to be text, and nothing is not a value.
    """
    doc = schema.TYPES[kind]
    made = _Builder(kind).model(doc, "")
    head = {
        "apiVersion": {
            "const": doc.api_version,
            "description": f"Version of the format: {doc.api_version}, also when it is left out.",
        },
        "kind": {"const": kind, "description": f"What the document is: {kind}."},
    }
    made["properties"] = head | made["properties"]
    if doc not in _OPTIONAL_KIND:
        made["required"] = ["kind", *made.get("required", ())]
    about = inspect.cleandoc(doc.__doc__ or "")
    return {"$schema": DIALECT, "title": kind, "description": about, **made}


class _Builder:
    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.template = kind == model.CellProfile.kind
        fields = unsupported.FIELDS["Cell" if self.template else kind]
        self.refused = {
            self._place(each.path.replace("[*]", "")): tuple(plain.to_builtins(value) for value in each.harmless)
            for each in fields
        }

    def _place(self, path: str) -> str:
        """Return where in the documents of this kind a path of a Cell is."""
        return f"spec.cell.{path.removeprefix('spec.')}" if self.template else path

    def model(self, wanted: type[msgspec.Struct], path: str) -> dict[str, Any]:
        """Return the schema of a model that stands at `path`."""
        told = descriptions(wanted)
        properties = {}
        left_out = _LEFT_OUT.get((self.kind, wanted), ())
        for field in fields_of(wanted):
            if field.paper in left_out:
                continue
            here = f"{path}.{field.paper}" if path else field.paper
            properties[field.paper] = self._field(wanted, field, here) | {"description": told[field.name]}
        required = [each for each in schema_rules.required(self.kind, wanted) if each not in left_out]
        made: dict[str, Any] = {"type": "object"}
        made["properties"] = properties
        if path.partition(".")[0] != "status":  # which is passed over, whatever is in it
            made["additionalProperties"] = False
            if required:
                made["required"] = required
        return made

    def _field(self, wanted: type, field: Field, path: str) -> dict[str, Any]:
        made = self._shape(wanted, field, path)
        if path in self.refused:
            made = _only_harmless(made, field, self.refused[path]) | {schema.UNSUPPORTED: True}
        elif self.template and not path.startswith(_LITERAL):
            made = _or_reference(made)
        if path == "status" or (wanted, field.paper) in _SERVER_SETS:
            made["readOnly"] = True
        if isinstance(field.default, (bool, int)) or (field.choice and not field.required):
            made["default"] = plain.to_builtins(field.default)
        return made

    def _shape(self, wanted: type, field: Field, path: str) -> dict[str, Any]:
        item = self.model(field.item, path) if field.nested else _scalar(field)
        extra = schema_rules.constraints(wanted, field.name)
        if field.shape == "list":
            return {"type": "array", "items": item | extra.get("items", {})} | {
                key: value for key, value in extra.items() if key != "items"
            }
        if field.shape == "map":
            return {"type": "object", "additionalProperties": item} | extra
        return item | extra


def _scalar(field: Field) -> dict[str, Any]:
    if field.choice:
        return {"type": "string", "enum": [str(member.value) for member in field.choices]}
    if field.item is dt.datetime:
        return {"type": "string", "format": "date-time"}
    if field.item is bool:
        return {"type": "boolean"}
    if field.item is int:
        return {"type": "integer", "minimum": scalars.INT_MIN, "maximum": scalars.INT_MAX}
    made: dict[str, Any] = {"type": "string"}
    if field.pattern:
        made["pattern"] = _OPTIONAL_NAME if field.pattern.match("") else _NAME
    return made


def _or_reference(made: dict[str, Any]) -> dict[str, Any]:
    """Return the schema `made` with references to parameters allowed for its values."""
    if made["type"] == "array":
        return made | {"items": _or_reference(made["items"])}
    if made["type"] == "object" or made == {"type": "string"}:
        return made
    return {"anyOf": [made, {"type": "string", "pattern": _REFERENCE}]}


def _only_harmless(made: dict[str, Any], field: Field, harmless: tuple[Any, ...]) -> dict[str, Any]:
    """Return the schema `made` narrowed down to values that say nothing."""
    if "anyOf" in made:
        made = made["anyOf"][0] | {key: value for key, value in made.items() if key != "anyOf"}
    if made["type"] == "array":
        return made | {"maxItems": 0}
    if made["type"] == "object":
        for name, part in made["properties"].items():
            inner = next(each for each in fields_of(field.item) if each.paper == name)
            made["properties"][name] = _only_harmless(part, inner, tuple(h[name] for h in harmless if name in h))
        return made
    values = [field.default, *harmless]
    return made | {"enum": [value for value in values if value is not None]}


def descriptions(wanted: type[msgspec.Struct]) -> dict[str, str]:
    """Return the texts below the fields of a model, by the fields' names; paragraphs become one.

    Raises LookupError when a field has none.
    """
    found: dict[str, str] = {}
    for cls in reversed(wanted.__mro__):
        if cls.__module__.startswith("kukeon_api."):
            found |= _of_class(cls.__module__, cls.__name__)
    missing = [field.name for field in fields_of(wanted) if field.name not in found]
    if missing:
        raise LookupError(f"{wanted.__name__}: no text below {', '.join(missing)}")
    return found


@functools.cache
def _of_class(module: str, name: str) -> dict[str, str]:
    body = next((node.body for node in _tree(module).body if isinstance(node, ast.ClassDef) and node.name == name), [])
    return {
        field.target.id: " ".join(text.value.value.split())
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


@functools.cache
def _tree(module: str) -> ast.Module:
    return ast.parse(inspect.getsource(sys.modules[module]))
