"""The contract of clients, kept by a real kukeond over a real containerd and real networks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kukeon_sdk
from kukeon_cli import local, server
from kukeon_sdk.testing import contract
from kuketest.instance import Instance


class TestClientContract(contract.ClientContract, contract.WorkloadContract):
    """Through kukeond's socket."""

    @pytest.fixture
    def client(self, kukeon: Instance) -> Iterator[kukeon_sdk.Client]:
        with kukeon.client() as client:
            yield client
            kukeon.remember_shims()

    @pytest.fixture
    def image(self, image_archive: Path) -> bytes:
        return image_archive.read_bytes()


@pytest.fixture(scope="module")
def alone(new_instance: Callable[..., Instance]) -> Iterator[Instance]:
    """An instance that no kukeond ever served."""
    instance = new_instance()
    yield instance
    instance.remember_shims()


class TestClientContractInProcess(contract.ClientContract, contract.WorkloadContract):
    """Without kukeond."""

    @pytest.fixture
    def client(self, alone: Instance) -> Iterator[kukeon_sdk.Client]:
        environment = {
            "KUKEON_NAMESPACE_SUFFIX": alone.suffix,
            "KUKEON_CGROUP_ROOT": alone.cgroup_root,
            "KUKEON_CONTAINERD": "embedded",
        }
        found = server.resolve({"run_path": str(alone.run_path)}, {}, environment)
        with local.client(found) as client:
            yield client
        if alone.run_path.exists():
            alone.remember_shims()

    @pytest.fixture
    def image(self, image_archive: Path) -> bytes:
        return image_archive.read_bytes()
