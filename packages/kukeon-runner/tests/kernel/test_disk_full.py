"""A run path on a disk that is full: told in words, and what was stored before is intact."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner.host import mounts
from kukeon_runner.testing.cells import cell, controller, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.kernel

GHCR = model.RegistryCredentials(username="me", password="one", server_address="ghcr.io")


@pytest.fixture
def run_path(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounts.tmpfs(disk, size_bytes=512 * 1024, mode=0o755)
    yield disk / "run"
    mounts.unmount(disk, lazy=True)


def fill(run_path: Path) -> Path:
    """Leave not a byte free; the file that takes them."""
    ballast = run_path.parent / "ballast"
    block = bytes(4096)
    with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        file.writelines(itertools.repeat(block))
    return ballast


def files(run_path: Path) -> dict[str, bytes]:
    """Everything stored; empty directories are nothing."""
    return {str(path): path.read_bytes() for path in run_path.rglob("*") if path.is_file()}


def realm(name: str, password: str, **labels: str) -> model.RealmDoc:
    entry = model.RegistryCredentials(username="me", password=password, server_address="ghcr.io")
    spec = model.RealmSpec(registry_credentials=(entry,))
    return model.RealmDoc(metadata=model.Metadata(name=name, labels=labels), spec=spec)


def space(name: str) -> model.SpaceDoc:
    return model.SpaceDoc(metadata=model.Metadata(name=name), spec=model.SpaceSpec(realm_id="default"))


def stack(name: str, **labels: str) -> model.StackDoc:
    spec = model.StackSpec(realm_id="default", space_id="default")
    return model.StackDoc(metadata=model.Metadata(name=name, labels=labels), spec=spec)


async def test_nothing_is_lost_and_everything_goes_on_when_there_is_room_again(run_path: Path) -> None:
    host = FakeHost()
    found = await prepared(host, run_path)
    await found.runner.realms.update(realm("default", "one"))
    await found.create_cell(cell("hello"))
    before, ballast = files(run_path), fill(run_path)
    changes: list[Any] = [
        lambda: found.create_realm(realm("new", "x")),
        lambda: found.create_space(space("new")),
        lambda: found.create_stack(stack("new")),
        lambda: found.create_cell(cell("new")),
        lambda: found.runner.realms.update(realm("default", "two", team="a")),
        lambda: found.runner.stacks.update(stack("default", team="a")),
    ]
    for change in changes:
        with pytest.raises(errors.HostError, match="no space left on device") as caught:
            await change()
        assert "free some space" in caught.value.hint
    (result,) = (await found.apply_documents(manifest.dump([stack("default", team="a")]).encode())).resources
    assert (result.action, "no space left" in result.error) == (model.ApplyAction.FAILED, True)
    assert files(run_path) == before
    # Who opens it now sees the same, and can still end and remove things.
    fresh = controller(host, run_path)
    assert [each.metadata.name for each in await fresh.list_cells()] == ["hello"]
    assert await fresh.runner.realms.logins("default") == (GHCR,)
    with pytest.raises(errors.HostError, match="no space left"):
        await fresh.stop_cell(cell("hello"))
    assert not host.containers.tasks
    ballast.unlink()
    last = controller(host, run_path)
    assert (await last.start_cell(cell("hello"))).cell.status.state is model.CellState.READY
    for change in (last.create_space(space("new")), last.runner.realms.update(realm("default", "two", team="a"))):
        await change
    assert [each.password for each in await last.runner.realms.logins("default")] == ["two"]


async def test_what_is_there_can_be_deleted_from_a_full_disk(run_path: Path) -> None:
    host = FakeHost()
    before = host.traces() | host.networks()
    found = await prepared(host, run_path)
    host.images.present.clear()
    fill(run_path)
    gone = await found.delete_realm(model.RealmDoc(metadata=model.Metadata(name="default")), False, True)
    assert gone.metadata_deleted
    host.kernel.cgroups.discard("/kukeon")
    assert host.traces() | host.networks() == before
    assert not list((run_path / "data").iterdir())
