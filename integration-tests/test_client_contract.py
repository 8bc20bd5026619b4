"""The contract of clients, kept by a real kukeond over a real containerd and real networks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import kukeon_sdk
from kukeon_sdk.testing import contract
from kuketest.instance import Instance


class TestClientContract(contract.ClientContract):
    """Through kukeond's socket."""

    @pytest.fixture
    def client(self, kukeon: Instance) -> Iterator[kukeon_sdk.Client]:
        with kukeon.client() as client:
            yield client
            kukeon.remember_shims()

    @pytest.fixture
    def image(self, image_archive: Path) -> bytes:
        return image_archive.read_bytes()
