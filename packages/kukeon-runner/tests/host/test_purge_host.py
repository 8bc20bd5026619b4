"""Purge on a real host: whatever is lost, nothing of the names is left, and the rest goes on."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_api import model
from kukeon_runner import open_controller
from kukeon_runner.host import mounts
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.testing.places import IMAGE, Place, alive, cell, cgroups, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kukeon_runner.controller import Controller

pytestmark = pytest.mark.host

REALM = model.RealmDoc(metadata=model.Metadata(name="default"))
SPACE = model.SpaceDoc(metadata=model.Metadata(name="default"), spec=model.SpaceSpec(realm_id="default"))
STACK = model.StackDoc(
    metadata=model.Metadata(name="default"), spec=model.StackSpec(realm_id="default", space_id="default")
)


def left(place: Place, ref: model.Ref) -> dict[str, list[str]]:
    """What the host has of `ref` and what is inside, looked at without kukeon."""
    layout, space = place.layout, model.Ref(*(*ref.parts, *["default"] * 2)[:2])
    links = {each["ifname"] for each in json.loads(subprocess.check_output(["ip", "-j", "link"]))}
    rules = subprocess.check_output(["nft", "list", "ruleset"], text=True)
    network = ref.kind != "Stack"
    found = {
        "tasks": [id for id in place.tasks() if "_" in id],
        "mounts": [
            path
            for top in ("ns", "shm")
            for path in mounts.mounts_below("/".join((layout.runtime_dir, top, *ref.parts)))
        ],
        "runtime": [
            path
            for path in (
                f"{layout.runtime_dir}/ns/{'/'.join(ref.parts)}",
                f"{layout.runtime_dir}/shm/{'/'.join(ref.parts)}",
            )
            if Path(path).exists()
        ],
        "cgroups": [path for path in cgroups() if path.endswith(layout.cgroup(ref))],
        "bridge": sorted(links & {layout.bridge(space)}) if network else [],
        "rules": [layout.bridge(space)] if network and layout.bridge(space) in rules else [],
        "addresses": [layout.ipam(space)] if network and Path(layout.ipam(space)).exists() else [],
        "results": [
            str(path)
            for path in Path(layout.cni_cache).glob(f"{layout.network(space)}/*")
            if network or "_root@" in path.name
        ],
        "files": [layout.directory(ref)] if Path(layout.directory(ref)).exists() else [],
    }
    return {what: things for what, things in found.items() if things}


@pytest.fixture
def squatter() -> Iterator[subprocess.Popen[bytes]]:
    """A process that somebody moves into a cgroup of ours."""
    process = subprocess.Popen(["sleep", "1000"])
    yield process
    process.kill()
    process.wait()


async def inhabited(place: Place, found: Controller) -> list[int]:
    await place.load(found)
    for name in ("one", "two"):
        await found.create_cell(cell(name))
    return list(place.tasks().values())


def lose(lost: str, directory: Path) -> None:
    """Have the disk lose something."""
    match lost:
        case "directories":
            shutil.rmtree(directory)
        case "documents":
            for path in directory.rglob("metadata.json"):
                if path.parent == directory or path.parent.name == "one":
                    path.unlink()
                else:
                    path.write_text("{")
        case _:
            pass


@pytest.mark.parametrize("lost", ["nothing", "documents", "directories"])
@pytest.mark.parametrize("kind", ["realm", "space", "stack"])
async def test_nothing_is_left(place: Place, kind: str, lost: str, squatter: subprocess.Popen[bytes]) -> None:
    doc = {"realm": REALM, "space": SPACE, "stack": STACK}[kind]
    ref, groups = model.ref_of(doc), Cgroups.detect()
    async with place.opened() as found:
        pids = await inhabited(place, found)
        assert set(left(place, ref)) >= {"tasks", "mounts", "cgroups", "results", "files"}
    groups.ensure(f"{place.layout.cgroup(ref)}/squatted", leaf=True)
    groups.attach(f"{place.layout.cgroup(ref)}/squatted", squatter.pid)
    lose(lost, Path(place.layout.directory(ref)))
    async with open_controller(place.options) as found:
        verb = getattr(found, f"purge_{kind}")
        gone = await verb(doc, False, True)
        assert (gone.purge_succeeded, gone.warnings) == (True, ())
        assert ("orphaned-containers" in gone.purged) == (lost != "nothing")
        assert left(place, ref) == {}
        assert not any(map(alive, pids))
        await until(lambda: squatter.poll() is not None)
        if kind == "realm":
            assert gone.namespace_removed
            assert not await found.runner.context.host.containers.namespace_exists(place.layout.namespace("default"))
        again = await verb(doc, False, False)
        assert (again.purge_succeeded, again.deleted, again.purged, again.warnings) == (True, (), (), ())
        # And all of it can be made again at once.
        await found.bootstrap()
        if kind == "realm":
            await place.load(found)
        assert (await found.create_cell(cell("one"))).cell.status.state is model.CellState.READY


def namespaces(socket: str) -> list[str]:
    return subprocess.check_output(["ctr", "-a", socket, "namespaces", "ls", "-q"], text=True).split()


async def test_a_realm_goes_with_what_others_put_into_its_namespace(place: Place) -> None:
    async with place.opened() as found:
        await inhabited(place, found)
        namespace, socket = place.layout.namespace("default"), place.layout.containerd_socket

        def ctr(*words: str) -> None:
            subprocess.run(["ctr", "-a", socket, "-n", namespace, *words], check=True, capture_output=True, timeout=60)

        ctr("run", "-d", "--snapshotter", "native", "--null-io", IMAGE, "foreign", "sleep", "1000")
        ctr("leases", "create", "--id", "kept", "--expires", "24h")
        ctr("images", "tag", IMAGE, "other/name:1")
        ctr("snapshots", "--snapshotter", "native", "prepare", "pinned")
        ctr("snapshots", "--snapshotter", "native", "label", "pinned", "containerd.io/gc.root=yes")
        assert "foreign" in place.tasks()
        gone = await found.purge_realm(REALM, False, True)
        assert (gone.namespace_removed, gone.purge_succeeded, gone.warnings) == (True, True, ())
        assert gone.deleted == ("space:default", "cgroup", "namespace", "metadata")
        assert namespace not in namespaces(socket)
