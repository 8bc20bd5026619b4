"""What differs between a stored document and a wanted one, as the paths and lines that people read.  Pure.

Both sides are effective (normalised, a space's defaults filled in), so what a server added never reads as a difference.
Labels of kukeon's own, generations and status are no difference either; every other field is.
"""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from kukeon_api import labels, model, plain
from kukeon_api.fields import Field, fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Level: TypeAlias = model.RealmDoc | model.SpaceDoc | model.StackDoc

UNSET = "unset"
"""How a value reads that is not there."""

REDACTED = "***"

MAX_SHOWN = 1000
"""Characters of one side of a change: a page; longer values are shown from shortly before where they differ."""

_AROUND = 40
"""Characters shown of what two long values have in common, so that the place is recognised."""

_SECRET = frozenset({"password"})
"""Fields whose values are never shown, wherever they are."""

_DERIVED = frozenset({"containerd_id"})
"""Fields that follow from others, which are told."""

_KEYED: dict[type, str] = {model.ContainerSpec: "id", model.RegistryCredentials: "server_address"}
"""Models that stand in lists by a key of theirs: they are compared by it, and their order on its own."""


@dataclasses.dataclass(frozen=True)
class Change:
    """One field that differs: `path` as in `spec.containers[web].env`, both values as text, secrets hidden.

    `line` tells it in a list of changes; all fields of one container share a line.
    """

    path: str
    before: str
    after: str
    line: str

    def __str__(self) -> str:
        return f"{self.before} -> {self.after}"


Changes: TypeAlias = tuple[Change, ...]


def level(stored: Level, wanted: Level) -> Changes:
    """Return what differs between two realms, spaces or stacks, in the order of their fields; () when nothing does."""
    return (*_labels(stored, wanted), *_told(_fields(stored.spec, wanted.spec, "spec")))


def cell(stored: model.CellDoc, wanted: model.CellDoc) -> Changes:
    """Return what differs between two cells: first the cell's own fields, then container after container.

    Containers have lines: `container "web" added`, `container "web" updated: image, env`, `container "web" removed`.
    """
    before, after = ({each.id: each for each in doc.spec.containers} for doc in (stored, wanted))
    changes = [*_labels(stored, wanted), *_told(_fields(_bare(stored.spec), _bare(wanted.spec), "spec"))]
    changes += [_whole(id, UNSET, "added") for id in after if id not in before]
    for id, each in after.items():
        if id in before:
            changes += _container(before[id], each)
    changes += [_whole(id, _container_text(each), "removed") for id, each in before.items() if id not in after]
    return (*changes, *_order("spec.containers", list(before), list(after), "containers reordered"))


def lines(changes: Changes) -> tuple[str, ...]:
    """Return the lines of `changes`, each once, in order."""
    return tuple(dict.fromkeys(each.line for each in changes))


def details(changes: Changes) -> dict[str, str]:
    """Return each path with what it was and what it is to be: `"a" -> "b"`."""
    return {each.path: str(each) for each in changes}


Found: TypeAlias = tuple[str, str, str]
"""Path, before, after."""


def _told(found: list[Found]) -> list[Change]:
    return [Change(path, before, after, path) for path, before, after in found]


def _bare(spec: model.CellSpec) -> model.CellSpec:
    return msgspec.structs.replace(spec, containers=())


def _whole(id: str, before: str, word: str) -> Change:
    return Change(f"spec.containers[{id}]", before, word, f'container "{id}" {word}')


def _container_text(each: model.ContainerSpec) -> str:
    return _text(each.image)


def _container(before: model.ContainerSpec, after: model.ContainerSpec) -> list[Change]:
    found = _fields(before, after, "")
    line = f'container "{after.id}" updated: {", ".join(path for path, _, _ in found)}'
    return [Change(f"spec.containers[{after.id}].{path}", old, new, line) for path, old, new in found]


def _order(path: str, before: Sequence[str], after: Sequence[str], line: str) -> list[Change]:
    """The change of order among those that are on both sides."""
    old, new = [each for each in before if each in after], [each for each in after if each in before]
    return [] if old == new else [Change(path, _text(old), _text(new), line)]


def _labels(stored: model.Doc, wanted: model.Doc) -> list[Change]:
    before, after = (labels.authored(doc.metadata.labels) for doc in (stored, wanted))
    found = _map(before, after, "metadata.labels")
    return [Change(path, old, new, "metadata.labels") for path, old, new in found]


def _map(before: Mapping[str, str], after: Mapping[str, str], path: str) -> list[Found]:
    keys = [key for key in sorted({*before, *after}) if before.get(key) != after.get(key)]
    return [(f"{path}.{key}", *_both(before.get(key), after.get(key))) for key in keys]


def _fields(before: msgspec.Struct, after: msgspec.Struct, prefix: str) -> list[Found]:
    found: list[Found] = []
    for field in fields_of(type(after)):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new and field.name not in _DERIVED:
            found += _field(field, old, new, f"{prefix}.{field.paper}" if prefix else field.paper)
    return found


def _field(field: Field, old: Any, new: Any, path: str) -> list[Found]:
    if field.name in _SECRET:
        return [(path, REDACTED if old else UNSET, REDACTED if new else UNSET)]
    if field.shape == "map":
        return _map(old or {}, new or {}, path)
    if field.shape == "one" and isinstance(old, msgspec.Struct) and isinstance(new, msgspec.Struct):
        return _fields(old, new, path)
    key = _KEYED.get(field.item)
    if key and all(_unique(side, key) for side in (old, new)):
        return _keyed(field, old, new, path, key)
    return [(path, *_both(old, new))]


def _unique(items: Sequence[Any], key: str) -> bool:
    return len({getattr(each, key) for each in items}) == len(items)


def _keyed(field: Field, old: Sequence[Any], new: Sequence[Any], path: str, key: str) -> list[Found]:
    before, after = ({getattr(each, key): each for each in side} for side in (old, new))
    found: list[Found] = []
    for name in dict.fromkeys((*after, *before)):
        here = f"{path}[{name}]"
        if name in before and name in after:
            found += _fields(before[name], after[name], here)
        else:
            found.append((here, *_both(before.get(name), after.get(name))))
    found += [(each.path, each.before, each.after) for each in _order(path, list(before), list(after), path)]
    return found


def _both(old: Any, new: Any) -> tuple[str, str]:
    before, after = _text(old), _text(new)
    if max(len(before), len(after)) <= MAX_SHOWN:
        return before, after
    at = next((at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    return _from(before, at), _from(after, at)


def _from(text: str, at: int) -> str:
    first = max(0, at - _AROUND)
    shown = text[first : first + MAX_SHOWN]
    return ("..." if first else "") + shown + ("..." if len(text) > first + MAX_SHOWN else "")


def _text(value: Any) -> str:
    """A value as JSON on one line, with nothing in it that a terminal obeys."""
    if value is None:
        return UNSET
    text = json.dumps(_hidden(value), ensure_ascii=False)
    return "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in text)


def _hidden(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        return {
            each.paper: REDACTED if each.name in _SECRET else _hidden(getattr(value, each.name))
            for each in fields_of(type(value))
            if getattr(value, each.name) != each.default
        }
    if isinstance(value, tuple | list):
        return [_hidden(each) for each in value]
    return plain.to_builtins(value)
