"""What is there of a cell, and nothing of its neighbours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import model
from kukeon_runner import observe, observed
from kukeon_runner.testing.cells import NAMESPACE, cell, container, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

DOC = cell("hello", container("a"), container("b"))
IDS = {f"default_default_hello_{name}" for name in ("root", "a", "b")}


async def test_nothing_is_seen_of_a_cell_that_was_never_made(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    site = found.runner.cells.site(model.ref_of(DOC))
    assert await observe.cell(host, site, IDS, strays=True) == observed.Cell()


async def test_everything_of_a_running_cell_is_seen_and_looking_changes_nothing(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(DOC)
    await found.create_cell(cell("other"))
    before = host.traces()
    host.faults.log.clear()
    site = found.runner.cells.site(model.ref_of(DOC))
    seen = await observe.cell(host, site, IDS, strays=True)
    assert (seen.cgroup, seen.pinned, seen.shm, seen.network_residue) == (True, True, True, True)
    assert seen.address == observed.Address("10.88.0.2/24", "10.88.0.1")
    assert set(seen.containers) == IDS
    assert all(each.alive for each in seen.containers.values())
    assert (host.traces(), host.faults.log) == (before, [])


async def test_strays_are_seen_when_asked_for(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(DOC)
    site = found.runner.cells.site(model.ref_of(DOC))
    known = IDS - {"default_default_hello_b"}
    assert set((await observe.cell(host, site, known, strays=False)).containers) == known
    assert set((await observe.cell(host, site, known, strays=True)).containers) == IDS


async def test_cells_of_the_same_name_elsewhere_are_no_strays(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(DOC)
    await found.apply_documents(
        b"kind: Cell\nmetadata: {name: hello}\nspec:\n  realmId: default\n  spaceId: default\n  stackId: other\n"
        b"  containers: [{id: c, image: web:1}]\n"
    )
    site = found.runner.cells.site(model.ref_of(DOC))
    assert set((await observe.cell(host, site, (), strays=True)).containers) == IDS


async def test_a_snapshot_without_a_record_is_seen_by_its_id(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    host.containers.snapshots.add((NAMESPACE, "default_default_hello_a"))
    site = found.runner.cells.site(model.ref_of(DOC))
    seen = await observe.cell(host, site, IDS, strays=True)
    assert seen.containers == {"default_default_hello_a": observed.Container(recorded=False, snapshot=True)}
