"""A disk that gets full: no more cells are made on it, and those that are there go on."""

from __future__ import annotations

import asyncio
import dataclasses
from typing import TYPE_CHECKING

import msgspec
import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner.options import DiskLimits
from kukeon_runner.runner.room import Room
from kukeon_runner.testing.cells import cell, container, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

REF = model.Ref("default", "default", "default", "hello")


def insisting(doc: model.CellDoc) -> model.CellDoc:
    return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, ignore_disk_pressure=True))


async def test_no_new_cell_is_made_and_nothing_else_suffers(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    await found.create_cell(cell("there"))
    host.kernel.disk_used = 95.0
    before = host.traces()
    with pytest.raises(errors.DiskPressure, match="95 % full") as caught:
        await found.create_cell(cell("hello"))
    assert "kuke image delete" in caught.value.hint
    (told,) = (await found.apply_documents(manifest.dump([cell("hello")]).encode())).resources
    assert told.details["kind"] == "DiskPressure"
    (told,) = (await found.apply_documents(manifest.dump([cell("hello")]).encode(), dry_run=True)).resources
    assert told.details["kind"] == "DiskPressure"
    assert (found.runner.cells.find(REF), host.traces()) == (None, before)
    await found.restart_cell(cell("there"))
    changed = cell("there", container("web", env=("A=1",)), container("more"))
    (told,) = (await found.apply_documents(manifest.dump([changed]).encode())).resources
    assert told.action is model.ApplyAction.UPDATED
    host.kernel.disk_used = 94.9
    assert (await found.create_cell(cell("hello"))).created


async def test_whoever_insists_gets_it_and_the_wish_is_not_kept(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    host.kernel.disk_used = 99.0
    made = (await found.create_cell(insisting(cell("hello")))).cell
    assert made.status.state is model.CellState.READY
    assert not made.spec.ignore_disk_pressure
    assert not found.runner.cells.get(REF).spec.ignore_disk_pressure
    for doc in (insisting(cell("hello")), cell("hello")):
        (again,) = (await found.apply_documents(manifest.dump([doc]).encode())).resources
        assert again.action is model.ApplyAction.UNCHANGED


async def test_limits_can_be_chosen_and_an_unknown_disk_is_none(tmp_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)

    def limited(warn: int, block: int) -> Room:
        options = dataclasses.replace(found.runner.context.options, disk=DiskLimits(warn, block))
        return Room(dataclasses.replace(found.runner.context, options=options))

    host.kernel.disk_used = 50.0
    with pytest.raises(errors.DiskPressure):
        await limited(0, 50).check(cell("hello"))
    host.kernel.disk_used = 100.0
    await limited(0, 0).check(cell("hello"))
    host.kernel.disk_used = None
    await limited(1, 1).check(cell("hello"))


async def test_a_disk_that_fills_is_told_now_and_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = FakeHost()
    found = await prepared(host, tmp_path)
    room, now = Room(found.runner.context), 1000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    host.kernel.disk_used = 84.0
    await room.check(cell("hello"))
    assert caplog.messages == []
    host.kernel.disk_used = 85.0
    for _ in range(3):
        await room.check(cell("hello"))
    assert len(caplog.messages) == 1
    assert "85 % full" in caplog.messages[0]
    now += 300.0
    await room.check(cell("hello"))
    assert len(caplog.messages) == 2
