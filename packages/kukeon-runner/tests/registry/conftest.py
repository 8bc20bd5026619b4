"""A registry in memory, a Registry that waits for nothing between its attempts, and who signs certificates."""

import asyncio
import dataclasses
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from kukeon_runner.host.registry import retries
from kukeon_runner.testing.certificates import CertificateAuthority
from kukeon_runner.testing.registry import ServedRegistry, served_registry

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
async def served() -> AsyncIterator[ServedRegistry]:
    """A registry that behaves until told otherwise."""
    async with served_registry() as registry:
        yield registry


class Waits:
    """A clock that never runs: it tells what was waited for."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)
        await asyncio.sleep(0)


@pytest.fixture
def waits() -> Waits:
    """What was waited for between attempts."""
    return Waits()


@pytest.fixture
def patience(waits: Waits) -> retries.Patience:
    """Three attempts, and no waiting between them."""
    return retries.Patience(attempts=3, sleep=waits)


@pytest.fixture
def impatience(patience: retries.Patience) -> retries.Patience:
    """The same, with a fifth of a second until silence is a stall: for registries that are silent anyway."""
    return dataclasses.replace(patience, stall_s=0.2)


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> CertificateAuthority:
    if shutil.which("openssl") is None:
        pytest.skip("these tests need openssl")
    return CertificateAuthority(tmp_path_factory.mktemp("authority"))
