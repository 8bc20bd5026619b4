"""A host in memory that behaves like one: it refuses what a real one refuses, and can be told to fail at any step.

It passes `HostContract`, the suite of the real one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_runner.firewall import Wall
from kukeon_runner.testing.containers import START, FakeContainers, FakeProgram
from kukeon_runner.testing.faults import Crash, Failure, Faults
from kukeon_runner.testing.images import FakeImages
from kukeon_runner.testing.kernel import FakeKernel
from kukeon_runner.testing.network import FakeNetwork

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = [
    "START",
    "Crash",
    "Failure",
    "FakeContainers",
    "FakeHost",
    "FakeImages",
    "FakeKernel",
    "FakeNetwork",
    "FakeProgram",
    "Faults",
]


class FakeHost:
    """All doors of a host that exists in memory only."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.kernel = FakeKernel(self.faults)
        self.network = FakeNetwork(self.faults, self.kernel)
        self.images = FakeImages()
        self.containers = FakeContainers(self.faults, self.kernel, self.images)
        self.images.records = self.containers.records
        self.kernel.on_kill = self.containers.kill_below

    def traces(self) -> dict[str, object]:
        """Everything that a cell leaves on a host; equal before and after means that nothing leaked."""
        return {
            "cgroups": set(self.kernel.cgroups),
            "pins": dict(self.kernel.pins),
            "shms": set(self.kernel.shms),
            "secrets": set(self.kernel.staged),
            "attachments": dict(self.network.addresses),
            "residue": set(self.network.residue),
            "records": set(self.containers.records),
            "snapshots": set(self.containers.snapshots),
            "tasks": {id: task.status for id, task in self.containers.tasks.items()},
        }

    def networks(self) -> dict[str, object]:
        """Everything that realms and spaces leave on a host, beside their cgroups."""
        return {
            "namespaces": set(self.containers.labels),
            "bridges": dict(self.network.bridges),
            "firewall": {each.bridge for each in self.network.firewall},
        }

    def failing_at(self, number: int, failure: Failure = Failure.REFUSED) -> AbstractContextManager[None]:
        """Let the `number`-th thing done from here on fail, once."""
        return self.faults.failing_at(number, failure)

    def reboot(self) -> None:
        """Lose what a reboot clears; files, records and snapshots stay."""
        self.kernel.cgroups.clear()
        self.kernel.pins.clear()
        self.kernel.shms.clear()
        self.kernel.staged.clear()
        self.network.addresses.clear()
        self.network.residue.clear()
        self.network.homes.clear()
        self.network.bridges.clear()
        self.network.wall = Wall()
        self.containers.tasks.clear()
