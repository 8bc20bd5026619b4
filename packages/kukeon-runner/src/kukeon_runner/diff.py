"""What differs between a stored document and a wanted one, as the paths and lines that people read. Pure.

Both sides are effective: defaults are filled in on both, so what a server added never reads as a difference.
"""

from __future__ import annotations

import msgspec

from kukeon_api import labels, model

Level = model.RealmDoc | model.SpaceDoc | model.StackDoc


def level(stored: Level, wanted: Level) -> list[str]:
    """Paths like `spec.defaults.container.user` in which the two differ."""
    return _labels(stored, wanted) + _paths(stored.spec, wanted.spec, "spec")


def cell(stored: model.CellDoc, wanted: model.CellDoc) -> list[str]:
    """Paths, then a line for each container: `container "web" updated: image, env`."""
    before, after = ({each.id: each for each in doc.spec.containers} for doc in (stored, wanted))
    lines = _labels(stored, wanted)
    lines += _paths(_without_containers(stored.spec), _without_containers(wanted.spec), "spec")
    lines += [f'container "{id}" added' for id in after if id not in before]
    for id, each in after.items():
        if id in before and (fields := _paths(before[id], each, "")):
            lines.append(f'container "{id}" updated: {", ".join(fields)}')
    lines += [f'container "{id}" removed' for id in before if id not in after]
    return lines


def _without_containers(spec: model.CellSpec) -> model.CellSpec:
    return msgspec.structs.replace(spec, containers=())


def _labels(stored: model.Doc, wanted: model.Doc) -> list[str]:
    same = labels.authored(stored.metadata.labels) == labels.authored(wanted.metadata.labels)
    return [] if same else ["metadata.labels"]


def _paths(before: msgspec.Struct, after: msgspec.Struct, prefix: str) -> list[str]:
    found: list[str] = []
    for each in msgspec.structs.fields(type(after)):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if old == new:
            continue
        path = f"{prefix}.{each.encode_name}" if prefix else each.encode_name
        nested = isinstance(old, msgspec.Struct) and isinstance(new, msgspec.Struct)
        found += _paths(old, new, path) if nested else [path]
    return found
