"""Taking an instance off its host when something is lost, away or in the way, and when it is cut off half-way."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, model
from kukeon_runner import removal, removal_files
from kukeon_runner.host import embedded, mounts, nftables
from kukeon_runner.host.containers import LinuxContainers
from kukeon_runner.testing.containerd import PrivateContainerd, private_containerd
from kukeon_runner.testing.places import Place, a_place, alive, cell, left_on_host, removed, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.host


@pytest.fixture
def host_containerd() -> Iterator[PrivateContainerd]:
    """One that is not kukeon's, as far as kukeon is concerned."""
    with private_containerd() as containerd:
        yield containerd


@pytest.fixture
async def guest(archive: bytes, host_containerd: PrivateContainerd) -> AsyncIterator[Place]:
    """A place for an instance in the containerd of the host."""
    async with a_place(archive, str(host_containerd.socket)) as found:
        yield found


async def inhabited(place: Place) -> list[int]:
    """Have two cells running; their processes."""
    async with place.opened() as found:
        await place.load(found)
        for name in ("one", "two"):
            await found.create_cell(cell(name))
    pids = list(place.tasks().values())
    assert len(pids) == 4
    return pids


def bridges(place: Place) -> set[str]:
    return {place.layout.bridge(model.Ref("default", "default"))}


async def test_a_containerd_of_the_host_is_left_without_a_trace(
    guest: Place, host_containerd: PrivateContainerd
) -> None:
    pids = await inhabited(guest)
    assert await removed(guest) == {}
    assert not any(map(alive, pids))
    assert host_containerd.ctr("namespaces", "ls", "-q").split() == []


@pytest.mark.parametrize("socket", ["stale", "gone"])
async def test_without_the_containerd_of_the_host_all_but_its_own_records_go(
    guest: Place, host_containerd: PrivateContainerd, socket: str
) -> None:
    pids, names, links = await inhabited(guest), guest.names(), bridges(guest)
    host_containerd.kill()
    if socket == "gone":
        host_containerd.socket.unlink()
    rows = {row.label: row.outcome for row in await removal.uninstall(guest.options)}
    assert rows["containerd"].startswith("not checked, ")
    assert str(host_containerd.socket) in rows["containerd"]
    assert left_on_host(names, links) == {}
    assert not any(map(alive, pids))
    assert not (guest.home / "run").exists()


async def test_a_containerd_that_is_there_and_does_not_answer_keeps_everything(
    guest: Place, host_containerd: PrivateContainerd
) -> None:
    pids = await inhabited(guest)
    os.kill(host_containerd.pid, signal.SIGSTOP)
    try:
        with pytest.raises(errors.ConnectContainerd):
            await removal.uninstall(guest.options)
    finally:
        os.kill(host_containerd.pid, signal.SIGCONT)
    assert all(map(alive, pids))
    assert await removed(guest) == {}


async def test_a_namespace_that_stays_keeps_the_files_and_is_told(
    guest: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    await inhabited(guest)
    names, links = guest.names(), bridges(guest)

    async def refuses(self: LinuxContainers, namespace: str) -> None:
        raise errors.Conflict(f"cannot empty namespace {namespace!r}: somebody is at work in it")

    rows: list[removal.Row] = []
    with monkeypatch.context() as patched:
        patched.setattr(LinuxContainers, "delete_namespace", refuses)
        with pytest.raises(errors.DeleteRealm, match="uninstall"):
            await removal.uninstall(guest.options, rows.append)
    told = {row.label: row.outcome for row in rows}
    assert "somebody is at work" in told['realm "default"']
    assert told[f"run path {guest.options.run_path!r}"] == "skipped (realm purge failed)"
    assert (guest.home / "run/data/default/metadata.json").exists()
    await removal.uninstall(guest.options)
    assert left_on_host(names, links) == {}
    assert not (guest.home / "run").exists()


async def test_namespaces_whose_documents_are_lost_are_found_by_label(
    guest: Place, host_containerd: PrivateContainerd
) -> None:
    async with guest.opened() as found:
        await found.create_realm(
            model.RealmDoc(metadata=model.Metadata(name="own"), spec=model.RealmSpec(namespace="kt-chosen"))
        )
    pids = await inhabited(guest)
    host_containerd.ctr("namespaces", "create", "somebodys")
    shutil.rmtree(guest.home / "run/data")
    rows = {row.label for row in await removal.uninstall(guest.options)}
    assert 'realm "own" (namespace "kt-chosen")' in rows
    assert not any(map(alive, pids))
    assert host_containerd.ctr("namespaces", "ls", "-q").split() == ["somebodys"]


def forget(state: Path) -> None:
    """Remove what containerd and its shims have written down of tasks."""
    for bundle in state.glob("io.containerd.runtime.v2.task/*/*"):
        for name in ("address", "config.json", "shim-binary-path"):
            (bundle / name).unlink(missing_ok=True)


@pytest.mark.parametrize("lost", ["root", "root and state"])
async def test_the_files_of_its_own_containerd_may_be_gone(place: Place, lost: str) -> None:
    pids, layout = await inhabited(place), place.layout
    containerd = place.containerd_pid()
    assert containerd is not None
    os.kill(containerd, signal.SIGKILL)
    await until(lambda: not alive(containerd))
    shutil.rmtree(layout.containerd_root)
    if lost == "root and state":
        forget(Path(layout.containerd_state))
    assert await removed(place) == {}
    assert not any(map(alive, pids))


async def test_its_own_containerd_may_not_start_any_more(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    pids = await inhabited(place)
    containerd = place.containerd_pid()
    assert containerd is not None
    os.kill(containerd, signal.SIGKILL)
    # Its lock goes with the last of its threads, which may be after the process is seen to have ended.
    await until(lambda: place.containerd_pid() is None)
    monkeypatch.setattr(embedded, "_search_path", lambda: "/nonexistent")
    names, links = place.names(), bridges(place)
    outcomes = [row.outcome for row in await removal.uninstall(place.options) if row.label == "containerd"]
    assert outcomes == ["not started: cannot start containerd: 'containerd' is not installed", "removed"]
    assert left_on_host(names, links) == {}
    assert not any(map(alive, pids))


class Cut(BaseException):
    """In place of SIGKILL."""


@pytest.mark.parametrize("where", ["realms", "rules", "files", "last file"])
async def test_cut_off_half_way_it_is_finished_by_the_next(
    place: Place, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await inhabited(place)

    def cut(*_: Any) -> Any:
        raise Cut

    names, links = place.names(), bridges(place)
    with monkeypatch.context() as patched:
        match where:
            case "realms":
                patched.setattr(LinuxContainers, "delete_namespace", cut)
            case "rules":
                patched.setattr(nftables, "remove", cut)
            case "files":
                patched.setattr(removal_files, "remove", cut)
            case _:
                true = removal_files._removed
                record = place.layout.instance_file
                patched.setattr(removal_files, "_removed", lambda path: cut() if str(path) == record else true(path))
        with pytest.raises(Cut):
            await removal.uninstall(place.options)
    assert (place.home / "run/.kukeon-instance.json").exists()
    await removal.uninstall(place.options)
    assert left_on_host(names, links) == {}
    assert not (place.home / "run").exists()
    assert [row.outcome for row in await removal.uninstall(place.options)] == ["absent"]


async def test_what_others_mounted_in_the_run_path_keeps_its_files(place: Place, tmp_path: Path) -> None:
    await inhabited(place)
    (tmp_path / "precious").mkdir()
    (place.home / "run/disk").mkdir()
    mounts.bind(tmp_path, place.home / "run/disk")
    rows = {row.label: row.outcome for row in await removal.uninstall(place.options)}
    assert rows[f"mount {str(place.home / 'run/disk')!r}"] == "unmounted"
    assert (tmp_path / "precious").is_dir()
    assert not (place.home / "run").exists()


async def test_a_run_path_that_somebody_removed_leaves_nothing_all_the_same(place: Place) -> None:
    pids = await inhabited(place)
    names, nets = place.names(), bridges(place)
    shutil.rmtree(place.options.run_path)
    rows = await removal.uninstall(place.options)
    assert any("lost" in row.outcome for row in rows)
    assert not any(map(alive, pids))
    assert left_on_host(names, nets) == {}
    again = await removal.uninstall(place.options)
    assert [row.outcome for row in again] == ["absent"]
