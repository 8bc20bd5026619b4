"""A place for an instance, with a containerd of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kukeon_runner.testing.places import Place, a_place

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


@pytest.fixture(scope="session")
def archive(busybox_archive: Path) -> bytes:
    return busybox_archive.read_bytes()


@pytest.fixture
async def place(archive: bytes) -> AsyncIterator[Place]:
    async with a_place(archive) as found:
        yield found
