"""What the runner's tests share: one private containerd for the run, a connection and a namespace for each test."""

import asyncio
import contextlib
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from kukeon_api import errors
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.host.containerd.client import Containerd, Namespaced
from kukeon_runner.testing.containerd import PrivateContainerd, private_containerd

sys.path.insert(0, str(Path(__file__).parent))

# What a failing assertion of the contract says is worth as much as one of a test here.
pytest.register_assert_rewrite("kukeon_runner.testing.host_contract", "kukelog_process", "purging")

BUILD_IMAGE = Path(__file__).resolve().parents[3] / "scripts" / "build-image"


@pytest.fixture(scope="session")
def containerd_process() -> Iterator[PrivateContainerd]:
    """A private containerd that lives as long as the run."""
    with private_containerd() as containerd:
        yield containerd


@pytest.fixture
async def containerd(containerd_process: PrivateContainerd) -> AsyncIterator[Containerd]:
    """A connection to the private containerd."""
    async with await Containerd.connect(containerd_process.socket) as client:
        yield client


@pytest.fixture
async def namespace(containerd: Containerd) -> AsyncIterator[Namespaced]:
    """A namespace of its own; afterwards its tasks, containers and everything else are removed."""
    name = f"kt-{secrets.token_hex(4)}"
    await containerd.create_namespace(name)
    namespaced = containerd.with_namespace(name)
    yield namespaced
    for task in await namespaced.tasks.list():
        await end_task(namespaced, task.id)
    for container in await namespaced.containers.list():
        await namespaced.containers.delete(container.id)
    await containerd.drain_namespace(name)
    await containerd.delete_namespace(name)
    # runc removes a container's own cgroup and leaves the ones above it.
    await asyncio.to_thread(Cgroups.detect().remove, f"/{name}")


async def end_task(namespaced: Namespaced, task_id: str) -> None:
    """Kill and delete a task, whatever it does."""
    with contextlib.suppress(errors.NotFound):
        await namespaced.tasks.kill(task_id, signal.SIGKILL, all_processes=True)
    with contextlib.suppress(errors.NotFound):
        await namespaced.tasks.wait(task_id)
        await namespaced.tasks.delete(task_id)


@pytest.fixture(scope="session")
def busybox_archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An OCI archive of the machine's static busybox, named docker.io/library/busybox:latest."""
    path = tmp_path_factory.mktemp("image") / "busybox.tar"
    subprocess.run([BUILD_IMAGE, path], check=True, stdin=subprocess.DEVNULL)
    return path
