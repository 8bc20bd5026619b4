"""The host in memory keeps the contract that the real one keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kukeon_runner.instance import Instance
from kukeon_runner.layout import Layout
from kukeon_runner.testing.archives import chunks_of
from kukeon_runner.testing.host import FakeHost, FakeProgram
from kukeon_runner.testing.host_contract import Home, HostContract, Program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

BEHAVIOUR = {
    Program.RUNS: FakeProgram(),
    Program.STUBBORN: FakeProgram(stubborn=True),
    Program.ENDS: FakeProgram(exits=3),
    Program.MISSING: FakeProgram(missing=True),
}
NAME = "docker.io/library/programs:1"


class FakeHome(Home):
    host: FakeHost

    async def lose_bridge(self) -> None:
        self.host.network.lose_bridge(self.bridge.bridge)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[FakeHome]:
    host = FakeHost()
    layout = Layout(Instance("0badcafe", str(tmp_path), "kukeon.io", "/kukeon", "10.88.0.0/16"))
    host.containers.programs = {(program.name,): behaviour for program, behaviour in BEHAVIOUR.items()}
    words = {program: (program.name,) for program in Program}
    home = FakeHome(host, layout, words, lambda: chunks_of(NAME.encode()), NAME)
    clean = host.traces() | host.networks()
    yield home
    await home.clear()
    assert host.traces() | host.networks() == clean


class TestFakeHost(HostContract):
    """Each behaviour, in memory."""
