"""A whole instance on this machine, with a containerd of its own: opened, reopened, hurt, and taken away."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, manifest, model
from kukeon_runner import Options, instance, open_controller, opening, removal
from kukeon_runner.host import mounts
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.layout import Layout
from kukeon_runner.testing.archives import chunks_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from kukeon_runner.controller import Controller

pytestmark = pytest.mark.host

PATIENCE_S = 60.0
IMAGE = "docker.io/library/busybox:latest"
SERVES = ("-c", "trap 'exit 0' TERM; echo started; while :; do sleep 1000 & wait; done")
ENDS = ("-c", "exit 7")


def cell(name: str, args: tuple[str, ...] = SERVES, stack: str = "default") -> model.CellDoc:
    spec = model.ContainerSpec(id="main", image=IMAGE, command="/bin/sh", args=args)
    place = model.CellSpec(realm_id="default", space_id="default", stack_id=stack, containers=(spec,))
    return model.CellDoc(metadata=model.Metadata(name=name), spec=place)


@dataclasses.dataclass
class Place:
    """An instance under test, and what it has on the host, seen without its help."""

    home: Path
    options: Options
    archive: bytes = dataclasses.field(repr=False)

    @property
    def layout(self) -> Layout:
        found = instance.find_instance(self.options.run_path)
        assert found is not None
        return Layout(found)

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[Controller]:
        """As kukeond does it: the events of containerd are followed, also after it was away."""
        async with open_controller(self.options) as found:
            await found.bootstrap()

            async def follow() -> None:
                while True:
                    with contextlib.suppress(errors.KukeonError):
                        await found.watch_events()
                    await asyncio.sleep(0.05)

            following = asyncio.create_task(follow())
            try:
                yield found
            finally:
                following.cancel()
                await asyncio.wait({following})

    async def load(self, found: Controller) -> None:
        await found.load_image("default", chunks_of(self.archive))

    def containerd_pid(self) -> int | None:
        return opening.embedded(self.layout).pid()

    def tasks(self) -> dict[str, int]:
        """The process of each running task, as containerd's own client says it."""
        command = ["ctr", "-a", self.layout.containerd_socket, "-n", self.layout.namespace("default"), "tasks", "ls"]
        shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout
        rows = [line.split() for line in shown.splitlines()[1:]]
        return {id: int(pid) for id, pid, status in rows if status == "RUNNING"}

    def names(self) -> set[str]:
        """What everything of the instance has in it."""
        return {self.home.name, self.layout.instance.id}


def left_on_host(names: set[str], bridges: set[str]) -> dict[str, list[str]]:
    """Everything on this machine that has one of the names in it, by kind."""

    def ours(text: str) -> bool:
        return any(name in text for name in names)

    def output(*command: str) -> list[str]:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

    links = {link["ifname"] for link in json.loads("".join(output("ip", "-j", "link")) or "[]")}
    found = {
        "processes": [text for text in map(_words, Path("/proc").glob("[0-9]*")) if ours(text)],
        "mounts": [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if ours(line)],
        "cgroups": [str(path) for path in Path("/sys/fs/cgroup").glob("**/kt-*") if ours(str(path))],
        "links": sorted(links & bridges),
        "nft": [line for line in output("nft", "list", "ruleset") if ours(line) or any(map(line.count, bridges))],
        "files": [str(path) for path in (*Path("/run").glob("*/*"), *Path("/run").glob("*/*/*")) if ours(str(path))],
    }
    return {what: left for what, left in found.items() if left}


def cgroups_below(pattern: str) -> list[Path]:
    return list(Path("/sys/fs/cgroup").glob(f"**{pattern}"))


def _words(process: Path) -> str:
    """The command line and cgroups of a process that runs and is not this one."""
    if process.name != str(os.getpid()) and alive(int(process.name)):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            return f"{process.name} {command} {(process / 'cgroup').read_text()}"
    return ""


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what other processes do
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture(scope="session")
def archive(busybox_archive: Path) -> bytes:
    return busybox_archive.read_bytes()


@pytest.fixture
async def place(archive: bytes) -> AsyncIterator[Place]:
    name = f"kt-{secrets.token_hex(4)}"
    home = Path(tempfile.mkdtemp(prefix=f"{name}-", dir="/tmp"))
    options = Options(
        run_path=str(home / "run"),
        containerd="embedded",
        namespace_suffix=f"{name}.local",
        cgroup_root=f"/{home.name}",
        pod_subnet=f"10.{secrets.choice(range(90, 120))}.0.0/16",
    )
    found = Place(home, options, archive)
    yield found
    await removal.uninstall(options)
    mounts.unmount_below(home)
    shutil.rmtree(home)


async def removed(place: Place) -> dict[str, list[str]]:
    """Uninstall, and return what is left on the host."""
    names = place.names()
    bridges = {place.layout.bridge(model.Ref("default", "default"))}
    assert left_on_host(names, bridges).keys() >= {"processes", "cgroups", "links", "nft", "files"}
    await removal.uninstall(place.options)
    return left_on_host(names, bridges) | (
        {"run path": [place.options.run_path]} if (place.home / "run").exists() else {}
    )


async def test_a_life_with_restarts_and_a_containerd_that_is_killed(place: Place) -> None:
    doc = cell("web")
    async with place.opened() as found:
        await place.load(found)
        made = await found.create_cell(doc)
        assert made.cell.status.state is model.CellState.READY
        network = made.cell.status.network
        assert network is not None
        assert network.address
    containerd, tasks = place.containerd_pid(), place.tasks()
    assert containerd is not None
    assert set(tasks) == {"default_default_web_root", "default_default_web_main"}

    # Nobody is there, and the cell goes on; whoever comes next finds all of it as it was.
    async with place.opened() as found:
        assert (place.containerd_pid(), place.tasks()) == (containerd, tasks)
        assert (await found.bootstrap()).created is False
        assert (await found.get_cell(doc)).cell == made.cell
        (result,) = (await found.apply_documents(manifest.dump([doc]).encode())).resources
        assert (result.action, result.changes) == (model.ApplyAction.UNCHANGED, ())

        os.kill(containerd, signal.SIGKILL)
        await until(lambda: place.containerd_pid() not in (None, containerd))
        async with asyncio.timeout(PATIENCE_S):
            while True:
                with contextlib.suppress(errors.Unavailable):
                    assert (await found.start_cell(doc)).started is False
                    break
                await asyncio.sleep(0.05)
        assert place.tasks() == tasks
        assert (await found.get_cell(doc)).cell.status.state is model.CellState.READY

        # Its events are followed again.
        os.kill(tasks["default_default_web_main"], signal.SIGKILL)
        await until(lambda: found.runner.cells.get(model.ref_of(doc)).status.state is model.CellState.ERROR)
        (status,) = found.runner.cells.get(model.ref_of(doc)).status.containers
        assert (status.exit_code, status.exit_signal) == (137, "SIGKILL")
        assert (await found.start_cell(doc)).cell.status.state is model.CellState.READY
        stopped = (await found.stop_cell(doc)).cell.status
        assert (stopped.state, stopped.containers[0].exit_code) == (model.CellState.STOPPED, 0)
        assert place.tasks() == {}
        assert (await found.start_cell(doc)).cell.status.state is model.CellState.READY
        log = Path((await found.log_container(_container("web"))).host_log_path)
        assert log.read_text().count("stdout F started") == 3  # noqa: ASYNC240 - a few lines
    assert await removed(place) == {}
    assert [row.outcome for row in await removal.uninstall(place.options)] == ["absent"]


def _container(name: str) -> model.ContainerDoc:
    spec = model.ContainerSpec(realm_id="default", space_id="default", stack_id="default", cell_id=name, image=IMAGE)
    return model.ContainerDoc(metadata=model.Metadata(name="main"), spec=spec)


async def test_many_cells_come_and_go_at_once(place: Place) -> None:
    cells = [cell(f"c{number}", stack=f"s{number % 3}") for number in range(12)]
    async with place.opened() as found:
        await place.load(found)
        (*results,) = (await found.apply_documents(manifest.dump(cells).encode())).resources
        assert {each.action for each in results} == {model.ApplyAction.CREATED}, results
        addresses = {each.status.network.address for each in await found.list_cells() if each.status.network}
        assert len(addresses) == 12
        # Some go by name while their stack goes with all that is in it.
        stacks = [
            model.StackDoc(
                metadata=model.Metadata(name=f"s{number}"),
                spec=model.StackSpec(realm_id="default", space_id="default"),
            )
            for number in range(3)
        ]
        gone = await asyncio.gather(
            *(found.delete_cell(each) for each in cells[:4]),
            *(found.delete_stack(each, False, True) for each in stacks),
            return_exceptions=True,
        )
        assert all(isinstance(each, errors.CellNotFound) for each in gone if isinstance(each, BaseException))
        assert await found.list_cells() == ()
        assert place.tasks() == {}
        assert not cgroups_below(f"{place.layout.cgroup_root}/default/default/s*")
        assert not any("/ns/" in path or "/shm/" in path for path in mounts.mounts_below(place.layout.runtime_dir))
    assert await removed(place) == {}


async def test_a_workload_that_ends_is_stored_with_its_code(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        await found.create_cell(cell("ends", ENDS))
        ref = model.ref_of(cell("ends"))
        await until(lambda: found.runner.cells.get(ref).status.state is model.CellState.ERROR)
        status = found.runner.cells.get(ref).status
        assert status.message == "container 'main' exited with code 7"


async def test_an_instance_whose_containerd_and_documents_were_lost_is_taken_away(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        for name in ("torn", "lost", "whole"):
            await found.create_cell(cell(name))
    pids = place.tasks().values()
    containerd = place.containerd_pid()
    assert containerd is not None
    os.kill(containerd, signal.SIGKILL)
    await until(lambda: not alive(containerd))
    realm = place.home / "run/data/default"
    (realm / "default/default/torn/metadata.json").write_text("{")
    (realm / "default/default/lost/metadata.json").unlink()
    (realm / "metadata.json").write_text("")
    assert await removed(place) == {}
    assert not any(map(alive, pids))


async def test_only_one_may_change_an_instance(place: Place) -> None:
    async with place.opened() as found:
        await place.load(found)
        await found.create_cell(cell("web"))
        with pytest.raises(errors.Conflict):
            async with open_controller(place.options):
                pytest.fail("two at once")
        with pytest.raises(errors.Conflict):
            await removal.uninstall(place.options)
        async with open_controller(place.options, exclusive=False) as reader:
            assert [each.metadata.name for each in await reader.list_cells()] == ["web"]
        assert (await found.get_cell(cell("web"))).cell.status.state is model.CellState.READY


async def test_an_instance_that_was_only_begun_is_taken_away_without_starting_anything(place: Place) -> None:
    instance.ensure_instance(place.options)
    names = place.names()
    rows = await removal.uninstall(place.options)
    assert "containerd" not in {row.label for row in rows}
    assert not (place.home / "run").exists()
    assert left_on_host(names, set()) == {}


async def test_an_instance_that_never_was_is_absent(place: Place) -> None:
    assert [row.outcome for row in await removal.uninstall(place.options)] == ["absent"]
    assert Cgroups.detect().exists(place.options.cgroup_root) is False
