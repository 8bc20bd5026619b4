"""What the tests of kukeon_cni share: recording plugins, and a real network that cleans up after itself."""

import os
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from plugin_lists import TYPES

import kukeon_cni
from kukeon_cni import Network, NetworkList, Pins, links, netns
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
        deadline = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < deadline, "the condition did not come true within 20 s"
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


@pytest.fixture
def ns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that passes for a network namespace, since making one needs root; the kernel tests use real ones."""
    path = tmp_path / "netns"
    path.touch()
    monkeypatch.setattr(netns, "is_namespace", lambda path, kind=None: Path(path).exists())
    return path


@pytest.fixture
def make(plugin_dir: PluginDir, tmp_path: Path) -> Callable[..., Network]:
    plugin_dir.install(*TYPES, "host-local")

    def make_network(version: str = "1.0.0", timeout_s: float = 20, **first: Any) -> Network:
        ipam = {"type": "host-local", "dataDir": str(tmp_path / "ipam")}
        disable_check = first.pop("disable_check", False)
        plugins: list[Any] = [{"type": type_} for type_ in TYPES]
        plugins[0] |= {"ipam": ipam, **first}
        conflist = NetworkList("r_s", version, tuple(plugins), disable_check)
        return Network(conflist, [plugin_dir.path], tmp_path / "cache", timeout_s=timeout_s)

    return make_network


@pytest.fixture
def net(make: Callable[..., Network]) -> Network:
    return make()
