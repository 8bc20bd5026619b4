"""The real host keeps the contract: kernel, network, containerd."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_cni import links
from kukeon_runner.host import linux
from kukeon_runner.host.linux import LinuxHost
from kukeon_runner.instance import Instance
from kukeon_runner.layout import Layout
from kukeon_runner.observed import TaskStatus
from kukeon_runner.testing.archives import chunks_of
from kukeon_runner.testing.host_contract import PATIENCE_S, Home, HostContract, Program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kukeon_runner.host.containerd.client import Containerd
    from kukeon_runner.testing.containerd import PrivateContainerd

pytestmark = pytest.mark.host

PROGRAMS = {
    Program.RUNS: ("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1000 & wait; done"),
    # The kernel drops signals to the first process of a pid namespace that it does not handle.
    Program.STUBBORN: ("sleep", "1000"),
    Program.ENDS: ("sh", "-c", "exit 3"),
    Program.MISSING: ("/no/such/program",),
}
SIGTERM_BIT = 1 << 14


class LinuxHome(Home):
    async def lose_bridge(self) -> None:
        assert links.delete_link(self.bridge.bridge)

    async def ready(self, id: str) -> None:
        task = (await self.look(id)).task
        assert task is not None
        async with asyncio.timeout(PATIENCE_S):
            while not _caught(task.pid) & SIGTERM_BIT:  # noqa: ASYNC110 - what another process does
                await asyncio.sleep(0.005)


def _caught(pid: int) -> int:
    """The signals that a process handles: a line of /proc/<pid>/status, proc(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("SigCgt:")), 16)


def _mounted_below(directory: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if f" {directory}/" in line]


@pytest.fixture(scope="session")
def archive(busybox_archive: Path) -> bytes:
    return busybox_archive.read_bytes()


@pytest.fixture
async def home(containerd: Containerd, archive: bytes) -> AsyncIterator[LinuxHome]:
    id = secrets.token_hex(4)
    directory = Path(tempfile.mkdtemp(prefix=f"kt-{id}-"))
    instance = Instance(id, str(directory), f"kt-{id}.local", f"/kt-{id}", f"10.199.{int(id[:2], 16)}.0/24")
    layout = Layout(instance, runtime_root=str(directory / "run"))
    await linux.prepare(layout)
    home = LinuxHome(
        LinuxHost.of(layout, containerd),
        layout,
        PROGRAMS,
        lambda: chunks_of(archive),
        "docker.io/library/busybox:latest",
    )
    yield home
    await home.clear()
    assert not _mounted_below(directory)
    shutil.rmtree(directory)


class TestLinuxHost(HostContract):
    """Each behaviour, on this machine."""

    async def test_a_task_whose_record_somebody_deleted_goes_with_its_namespace(
        self, home: LinuxHome, containerd: Containerd
    ) -> None:
        await home.cell()
        id = await home.running("web", Program.STUBBORN)
        await containerd.with_namespace(home.namespace).containers.delete(id)
        await home.host.containers.delete_namespace(home.namespace)
        assert not await home.host.containers.namespace_exists(home.namespace)

    async def test_a_paused_program_can_be_stopped(
        self, home: LinuxHome, containerd_process: PrivateContainerd
    ) -> None:
        await home.cell()
        id = await home.running("web")
        containerd_process.ctr("tasks", "pause", id, namespace=home.namespace)
        assert await home.status(id) is TaskStatus.PAUSED
        async with asyncio.timeout(PATIENCE_S):
            ended = await home.host.containers.stop_task(home.namespace, id, "SIGTERM", 0.2)
        assert ended is not None
        assert ended.code == 137
