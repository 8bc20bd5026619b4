"""A registry in memory, and a Registry that waits for nothing between its attempts."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator

import pytest

from kukeon_runner.host.registry import retries
from kukeon_runner.testing.registry import ServedRegistry, served_registry


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
