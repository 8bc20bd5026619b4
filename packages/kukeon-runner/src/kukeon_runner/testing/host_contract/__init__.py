"""How every host behaves: the suite that the one in memory and the real one both pass.

Whoever has a host subclasses `HostContract` and gives a `home` fixture. What is found to be different in reality
becomes a test here first; then the host in memory follows.
"""

from __future__ import annotations

from kukeon_runner.testing.host_contract.containers import ContainersContract
from kukeon_runner.testing.host_contract.home import PATIENCE_S, Home, Program
from kukeon_runner.testing.host_contract.images import ImagesContract
from kukeon_runner.testing.host_contract.isolation import IsolationContract
from kukeon_runner.testing.host_contract.kernel import KernelContract
from kukeon_runner.testing.host_contract.network import NetworkContract
from kukeon_runner.testing.host_contract.programs import ProgramsContract
from kukeon_runner.testing.host_contract.tasks import TasksContract

__all__ = ["PATIENCE_S", "Home", "HostContract", "Program"]


class HostContract(
    KernelContract,
    IsolationContract,
    NetworkContract,
    ContainersContract,
    TasksContract,
    ProgramsContract,
    ImagesContract,
):
    """All of it."""
