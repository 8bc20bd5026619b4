"""A place for an instance, with a containerd of its own, and a laboratory with a probe in it."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

sys.path.insert(0, str(Path(__file__).parent))

from lab import SOURCE, Lab

from kukeon_runner.testing.places import Place, a_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture(scope="session")
def archive(busybox_archive: Path) -> bytes:
    return busybox_archive.read_bytes()


@pytest.fixture
async def place(archive: bytes) -> AsyncIterator[Place]:
    async with a_place(archive) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def lab(archive: bytes) -> AsyncIterator[Lab]:
    async with a_place(archive) as place:
        shared = place.home / "shared"
        shared.mkdir()
        shared.chmod(0o777)
        build = ["cc", "-static", "-O1", "-o", str(shared / "probe"), str(SOURCE)]
        await asyncio.to_thread(subprocess.run, build, check=True)
        async with place.opened() as controller:
            await place.load(controller)
            yield Lab(place, controller, shared)
