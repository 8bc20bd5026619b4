"""Whole instances on this machine, for tests, and what they have on the host, seen without their help."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import fnmatch
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors, model
from kukeon_runner import Options, instance, open_controller, opening, removal
from kukeon_runner.host import mounts
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.layout import Layout
from kukeon_runner.testing.archives import chunks_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from kukeon_runner.controller import Controller

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
        decided = self.layout.instance.containerd
        assert decided is not None
        command = ["ctr", "-a", decided.socket, "-n", self.layout.namespace("default"), "tasks", "ls"]
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
        "cgroups": [path for path in cgroups() if ours(path)],
        "links": sorted(links & bridges),
        "nft": [line for line in output("nft", "list", "ruleset") if ours(line) or any(map(line.count, bridges))],
        "files": [str(path) for path in (*Path("/run").glob("*/*"), *Path("/run").glob("*/*/*")) if ours(str(path))],
    }
    return {what: left for what, left in found.items() if left}


def cgroups_below(pattern: str) -> list[Path]:
    return [Path(path) for path in cgroups() if fnmatch.fnmatch(path, f"*{pattern}")]


def cgroups() -> list[str]:
    """Every cgroup in every hierarchy; of others that come and go meanwhile, some."""
    return [directory for directory, _, _ in os.walk("/sys/fs/cgroup")]


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


async def removed(place: Place) -> dict[str, list[str]]:
    """Uninstall, and return what is left on the host."""
    names = place.names()
    bridges = {place.layout.bridge(model.Ref("default", "default"))}
    assert left_on_host(names, bridges).keys() >= {"processes", "cgroups", "links", "nft", "files"}
    await removal.uninstall(place.options)
    return left_on_host(names, bridges) | (
        {"run path": [place.options.run_path]} if (place.home / "run").exists() else {}
    )


@contextlib.asynccontextmanager
async def a_place(archive: bytes, system_socket: str = "") -> AsyncIterator[Place]:
    """A place for an instance with a containerd of its own, or with the one at `system_socket`; nothing stays of it."""
    name = f"kt-{secrets.token_hex(4)}"
    home = Path(tempfile.mkdtemp(prefix=f"{name}-", dir="/tmp"))
    options = Options(
        run_path=str(home / "run"),
        containerd="system" if system_socket else "embedded",
        containerd_socket=system_socket,
        namespace_suffix=f"{name}.local",
        cgroup_root=f"/{home.name}",
        pod_subnet=f"10.{secrets.choice(range(90, 120))}.0.0/16",
    )
    yield Place(home, options, archive)
    await removal.uninstall(options)
    # Of containers that `ctr` made, runc leaves the group that is named by their namespace.
    await asyncio.to_thread(Cgroups.detect().remove, f"/default.{name}.local")
    mounts.unmount_below(home)
    shutil.rmtree(home)
