"""Applying documents to a host in memory, with what each of them says it took."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import manifest, model
from kukeon_runner.testing.cells import cell, container, prepared

if TYPE_CHECKING:
    from pathlib import Path

    from kukeon_runner.controller import Controller
    from kukeon_runner.testing.host import FakeHost

REF = model.Ref("default", "default", "default", "hello")
CELL = cell("hello", container("web", env=("A=1",)), container("db"))
UNCHANGED = ("unchanged", ())


def replaced(value: Any, **fields: object) -> Any:
    return msgspec.structs.replace(value, **fields)


def space(name: str = "default", **defaults: Any) -> model.SpaceDoc:
    filled = model.SpaceDefaults(container=model.ContainerDefaults(**defaults)) if defaults else None
    return model.SpaceDoc(metadata=model.Metadata(name=name), spec=model.SpaceSpec(realm_id="default", defaults=filled))


def single(id: str, labels: dict[str, str] | None = None, **fields: object) -> model.ContainerDoc:
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}
    spec = container(id, **place | fields)
    return model.ContainerDoc(metadata=model.Metadata(name=id, labels=labels or {}), spec=spec)


async def results(found: Controller, *docs: model.Doc | str, **how: Any) -> list[model.ApplyResourceResult]:
    text = "---\n".join(each if isinstance(each, str) else manifest.dump(each) for each in docs)
    return list((await found.apply_documents(text.encode(), **how)).resources)


async def apply(found: Controller, *docs: model.Doc | str, **how: Any) -> list[tuple[str, tuple[str, ...]]]:
    told = await results(found, *docs, **how)
    return [(each.action.value, each.changes if not each.error else (each.error,)) for each in told]


async def running(host: FakeHost, run_path: Path, *docs: model.Doc) -> Controller:
    found = await prepared(host, run_path)
    told = await apply(found, *(docs or (CELL,)))
    assert {action for action, _ in told} <= {"created", "unchanged", "updated"}, told
    host.faults.log.clear()
    return found


def status(found: Controller) -> model.CellStatus:
    return found.runner.cells.get(REF).status


def alive(host: FakeHost) -> set[str]:
    return {id.rpartition("_")[2] for (_, id), task in host.containers.tasks.items() if task.status == "running"}
