"""A place for a `Runner`, empty or with everything that a cell needs."""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from runner_place import Place, realm, space, stack

from kukeon_runner import Options, open_runner, removal
from kukeon_runner.host import mounts
from kukeon_runner.testing.archives import chunks_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from kukeon_runner.testing.containerd import PrivateContainerd


@pytest.fixture
async def place(containerd_process: PrivateContainerd) -> AsyncIterator[Place]:
    """An empty instance."""
    name = f"kt-{secrets.token_hex(4)}"
    # Short, below /tmp: unix socket paths end at 107 bytes.
    home = Path(tempfile.mkdtemp(prefix=f"{name}-", dir="/tmp"))
    options = Options(
        run_path=str(home / "run"),
        containerd="system",
        containerd_socket=str(containerd_process.socket),
        namespace_suffix=f"{name}.local",
        cgroup_root=f"/{home.name}",
        pod_subnet=f"10.{secrets.choice(range(90, 120))}.0.0/16",
    )
    async with open_runner(options) as runner:
        yield Place(runner, options, containerd_process)
    await removal.uninstall(options)
    mounts.unmount_below(home)
    shutil.rmtree(home)


@pytest.fixture
async def stage(place: Place, archive: bytes) -> Place:
    """An instance with realm, space, stack, and the image in the realm."""
    await place.runner.create_realm(realm())
    await place.runner.create_space(space())
    await place.runner.create_stack(stack())
    await place.runner.load_image(place.namespace, chunks_of(archive))
    return place
