"""What the tests of kukeon_cni share: recording plugins, and a real network that cleans up after itself."""

import os
import time
import uuid
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path

import pytest

import kukeon_cni
from kukeon_cni import Network, Pins, links
from kukeon_cni.testing import PluginDir


@pytest.fixture
def plugin_dir(tmp_path: Path) -> PluginDir:
    path = tmp_path / "plugins"
    path.mkdir()
    return PluginDir(path)


@pytest.fixture
def wait_until() -> Callable[[Callable[[], object]], None]:
    """Return a function that waits for a condition of another process, with a deadline."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true within 10 s"
            time.sleep(0.005)

    return wait


@pytest.fixture
def alive() -> Callable[[int], bool]:
    """Return a function that says whether a process runs; a zombie that nobody collects is dead."""

    def is_alive(pid: int) -> bool:
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return False
        return text.rpartition(")")[2].split()[0] not in "ZX"

    return is_alive


@pytest.fixture
def root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, or a user namespace with network and mount namespaces")


@pytest.fixture
def make_pins(root: None, tmp_path: Path) -> Iterator[Callable[[str], Pins]]:
    """Return a function that pins namespaces by name; all are removed at the end."""
    made: list[Pins] = []

    def make(name: str) -> Pins:
        pins = Pins(tmp_path / "ns" / name)
        made.append(pins)
        pins.create(name)
        return pins

    try:
        yield make
    finally:
        for pins in made:
            pins.remove()


@pytest.fixture
def network(root: None, tmp_path: Path) -> Iterator[Network]:
    """A bridge network of the real plugins, named so that nothing else can be meant."""
    for type_ in ("bridge", "host-local"):
        try:
            kukeon_cni.find_plugin(type_)
        except kukeon_cni.PluginNotFound:
            pytest.skip(f"needs the CNI plugin {type_} (package containernetworking-plugins)")
    token = uuid.uuid4().hex[:8]
    subnet = kukeon_cni.free_subnet(IPv4Network("10.213.0.0/16"), 24, links.host_routes())
    conflist = kukeon_cni.build_bridge(f"kt_{token}", f"kt-{token}", subnet, data_dir=str(tmp_path / "ipam"))
    try:
        yield Network(conflist, cache_dir=tmp_path / "cache")
    finally:
        links.delete_link(f"kt-{token}")
