"""Looking at an instance without its lock, without containerd, and where nothing was ever set up."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, manifest, methods, model
from kukeon_runner import Options, controller, flock, instance, open_controller, readonly
from kukeon_runner.testing.cells import cell
from kukeon_runner.testing.cells import prepared as prepare
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from pathlib import Path

    from kukeon_runner.controller import Controller

PLACE = {"realm_id": "default", "space_id": "default", "stack_id": "default"}
REALM = model.RealmDoc(metadata=model.Metadata(name="default"))
SPACE = model.SpaceDoc(metadata=model.Metadata(name="default"), spec=model.SpaceSpec(realm_id="default"))
STACK = model.StackDoc(
    metadata=model.Metadata(name="default"), spec=model.StackSpec(realm_id="default", space_id="default")
)
CONTAINER = model.ContainerDoc(
    metadata=model.Metadata(name="web"), spec=model.ContainerSpec(id="web", image="web:1", cell_id="hello", **PLACE)
)


def files(directory: Path) -> dict[Path, bytes]:
    """Content by path; not of the lock, which is the tests' own here."""
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file() and path.name != ".kukeon.lock"}


def arguments(method: methods.Method) -> list[Any]:
    docs = {"Realm": REALM, "Space": SPACE, "Stack": STACK, "Cell": cell("hello"), "Container": CONTAINER}
    given = {bytes: manifest.dump([REALM]).encode(), str: "", bool: False, int: 0, tuple: ()}
    given[model.RegistryLogin] = model.RegistryLogin()
    return [docs[kind.kind] if hasattr(kind, "kind") else given[kind] for _, kind in method.params]


async def looks(found: Controller, *, there: bool) -> None:
    """Every list and get, as far as no containerd is needed."""
    assert len(await found.list_realms()) == len(await found.list_spaces()) == len(await found.list_stacks()) == there
    assert len(await found.list_cells()) == len(await found.list_containers()) == there
    realm = await found.get_realm(REALM)
    assert (realm.metadata_exists, realm.containerd_namespace_exists) == (there, False)
    space = await found.get_space(SPACE)
    assert (space.metadata_exists, space.cni_network_exists) == (there, False)
    assert (await found.get_stack(STACK)).metadata_exists is there
    hello = await found.get_cell(cell("hello"))
    assert (hello.metadata_exists, hello.root_container_exists) == (there, False)
    ping = await found.ping()
    assert (ping.ok, ping.containerd_version) == (True, "")
    assert any("containerd" in each for each in ping.warnings)


async def test_where_nothing_was_ever_set_up_everything_is_empty(tmp_path: Path) -> None:
    options = Options(run_path=str(tmp_path / "never"))
    async with open_controller(options, exclusive=False) as found:
        await looks(found, there=False)
        with pytest.raises(errors.CellNotFound):
            await found.get_container(CONTAINER)
        with pytest.raises(errors.RealmNotFound):
            await found.list_images("default")
    assert not (tmp_path / "never").exists()


@pytest.fixture
async def run_path(tmp_path: Path) -> Path:
    """A run path with the default hierarchy and a cell, whose containerd is gone."""
    path = tmp_path / "run"
    instance.ensure_instance(Options(run_path=str(path)))
    found = await prepare(FakeHost(), path)
    await found.create_cell(cell("hello"))
    return path


async def test_what_is_stored_is_shown_without_containerd(run_path: Path) -> None:
    before = files(run_path)
    async with open_controller(Options(run_path=str(run_path)), exclusive=False) as found:
        await looks(found, there=True)
        assert (await found.get_container(CONTAINER)).container_exists is False
        with pytest.raises(errors.ConnectContainerd, match="no such socket"):
            await found.list_images("default")
        with pytest.raises(errors.ConnectContainerd):
            await found.get_image("default", "web:1")
    assert files(run_path) == before


CHANGING = sorted(
    name for name, each in methods.METHODS.items() if each.writes and hasattr(controller.Controller, each.python)
)


@pytest.mark.parametrize("name", CHANGING)
async def test_what_changes_something_is_refused(run_path: Path, name: str) -> None:
    before, method = files(run_path), methods.METHODS[name]

    async def ask(found: Any) -> None:
        asked = getattr(found, method.python)(*arguments(method))
        await (anext(asked) if method.stream else asked)

    async with open_controller(Options(run_path=str(run_path)), exclusive=False) as found:
        with pytest.raises(errors.Denied, match="opened for reading"):
            await ask(found)
        for keeps in readonly.KEEPS:
            with pytest.raises(errors.Denied):
                await getattr(found, keeps)()
        with flock.hold_run_path(str(run_path)), pytest.raises(errors.RunPathLocked, match=r"process \d+"):
            await ask(found)
    assert files(run_path) == before


async def test_the_lock_of_another_keeps_nobody_from_looking(run_path: Path) -> None:
    with flock.hold_run_path(str(run_path)):
        async with open_controller(Options(run_path=str(run_path)), exclusive=False) as found:
            await looks(found, there=True)


async def test_a_damaged_document_is_told_and_hides_no_other(run_path: Path) -> None:
    torn = run_path / "data/default/default/metadata.json"
    torn.write_text("{")
    async with open_controller(Options(run_path=str(run_path)), exclusive=False) as found:
        assert (len(await found.list_spaces()), len(await found.list_cells())) == (0, 1)
        with pytest.raises(errors.CorruptMetadata, match=re.escape(str(torn))):
            await found.get_space(SPACE)
        assert any(str(torn) in each for each in (await found.ping()).warnings)


async def test_a_run_path_that_was_moved_is_refused(run_path: Path) -> None:
    moved = run_path.with_name("moved")
    os.rename(run_path, moved)  # noqa: PTH104 - of a test that waits for nobody
    with pytest.raises(errors.InstanceMismatch, match="this place is instance"):
        async with open_controller(Options(run_path=str(moved)), exclusive=False):
            pytest.fail("it was opened")
