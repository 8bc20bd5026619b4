"""Apply on this machine: what it touches, what it says beforehand, what it makes anew and what it takes away."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import manifest, model
from kukeon_runner.testing.places import IMAGE, PATIENCE_S, SERVES

if TYPE_CHECKING:
    from kukeon_runner.controller import Controller
    from kukeon_runner.testing.places import Place

pytestmark = pytest.mark.host

WEB = {"app": "web"}
ROOT, ONE, TWO = (f"default_default_hello_{id}" for id in ("root", "one", "two"))


def container(id: str, **fields: Any) -> model.ContainerSpec:
    return model.ContainerSpec(**{"id": id, "image": IMAGE, "command": "/bin/sh", "args": SERVES} | fields)


def cell(*containers: model.ContainerSpec, name: str = "hello") -> model.CellDoc:
    place = model.CellSpec(realm_id="default", space_id="default", stack_id="default", containers=containers)
    return model.CellDoc(metadata=model.Metadata(name=name, labels=WEB), spec=place)


def stack(name: str) -> model.StackDoc:
    spec = model.StackSpec(realm_id="default", space_id="default")
    return model.StackDoc(metadata=model.Metadata(name=name, labels=WEB), spec=spec)


def space(name: str) -> model.SpaceDoc:
    return model.SpaceDoc(metadata=model.Metadata(name=name, labels=WEB), spec=model.SpaceSpec(realm_id="default"))


def text(*docs: model.Doc) -> bytes:
    return "---\n".join(manifest.dump(each) for each in docs).encode()


def files(place: Place) -> dict[str, object]:
    """Every file of the run path: of documents what was asked for, of others inode and time of change.

    What a document says of its status is not asked for: kukeon writes it whenever something happens.
    """
    found: dict[str, object] = {}
    for path in Path(place.layout.data).rglob("*"):
        if path.name == "metadata.json":
            found[str(path)] = {**json.loads(path.read_bytes()), "status": None}
        elif path.is_file():
            seen = path.stat()
            found[str(path)] = (seen.st_ino, seen.st_mtime_ns)
    return found


def environment(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/environ").read_text().split("\0")


async def agreed(found: Controller, place: Place, *docs: model.Doc, prune: str = "") -> list[tuple[str, str]]:
    """Apply dry and in earnest; what both tell."""
    before = (files(place), place.tasks())
    dry = await found.apply_documents(text(*docs), dry_run=True, prune=prune)
    assert (files(place), place.tasks()) == before
    done = await found.apply_documents(text(*docs), prune=prune)
    assert done == dry
    return [(each.action.value, each.error or ", ".join(each.changes)) for each in done.resources]


@pytest.mark.exercises("ApplyDocuments", "DeleteDocuments")
async def test_a_cell_through_all_its_changes(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        assert await agreed(found, place, cell(container("one"), container("two"))) == [("created", "")]
        pids = place.tasks()
        assert set(pids) == {ROOT, ONE, TWO}
        assert await agreed(found, place, cell(container("one"), container("two"))) == [("unchanged", "")]

        # Only what differs is touched.
        changed = cell(container("one", env=("A=1",)), container("two", labels=WEB))
        assert await agreed(found, place, changed) == [
            ("updated", 'container "one" updated: env, container "two" updated: labels.app')
        ]
        after = place.tasks()
        assert {id for id in after if after[id] != pids[id]} == {ONE}
        assert "A=1" in environment(after[ONE])

        # What is missing is found before anything is touched.
        lacking = container("one", image="none:1", image_pull_policy="Never")
        (result,) = (await found.apply_documents(text(cell(lacking, container("two"))))).resources
        assert result.details["kind"] == "ImageNotFound"
        assert place.tasks() == after

        # A program that is not there concerns its own container only.
        broken = cell(container("one", env=("A=1",)), container("two", command="/no/such/program"))
        (result,) = (await found.apply_documents(text(broken))).resources
        assert (result.action, result.details["kind"]) == ("failed", "StartContainer"), result
        assert {ROOT: after[ROOT], ONE: after[ONE]} == place.tasks()

        # A root container of its own: everything is made anew. This one keeps the cell when all others have ended.
        rooted = cell(container("one", env=("A=1",), root=True, restart_policy="always"), container("two"))
        ((action, changes),) = await agreed(found, place, rooted)
        assert (action, changes.split(", ")[0]) == ("recreated", "root container recreated")
        anew = place.tasks()
        assert set(anew) == {ROOT, TWO}
        assert not set(anew.values()) & set(after.values())
        stored = (await found.get_cell(rooted)).cell
        assert stored.status.state is model.CellState.READY
        assert stored.status.network is not None
        assert stored.status.network.address

        # What ended is started again, and nothing else.
        os.kill(anew[TWO], signal.SIGKILL)
        async with asyncio.timeout(PATIENCE_S):
            # What a program's end becomes is told to nobody here.
            while (await found.get_cell(rooted)).cell.status.state is not model.CellState.ERROR:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert await agreed(found, place, rooted) == [("updated", 'container "two" started')]
        assert place.tasks()[ROOT] == anew[ROOT]
        assert await agreed(found, place, rooted) == [("unchanged", "")]

        results = (await found.delete_documents(text(rooted))).resources
        assert [(each.action.value, each.details) for each in results] == [("deleted", {"containers": "2 deleted"})]
        assert place.tasks() == {}


@pytest.mark.exercises("ApplyDocuments")
async def test_many_documents_and_what_is_pruned_of_them(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        docs = [space("edge"), stack("app"), *(cell(container("one"), name=f"c{number}") for number in range(5))]
        assert {action for action, _ in await agreed(found, place, *docs)} == {"created"}
        pids = place.tasks()
        assert {action for action, _ in await agreed(found, place, *docs)} == {"unchanged"}
        assert await agreed(found, place, *docs[2:4], prune="app=web") == [
            *[("unchanged", "")] * 2,
            *[("pruned", "")] * 5,
        ]
        assert place.tasks() == {id: pid for id, pid in pids.items() if "_c0_" in id or "_c1_" in id}
        assert found.runner.context.store.children(model.Ref("default")) == ["default"]
