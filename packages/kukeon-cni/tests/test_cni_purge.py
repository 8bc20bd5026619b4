"""Deleting networks in trouble: damaged caches, missing plugins, crashes; nothing is left."""

import json
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from plugin_lists import FAILURE

from kukeon_cni import CniError, Network, PluginNotFound
from kukeon_cni.testing import PluginDir

OTHER_VERSION = json.dumps(
    {
        "network": {"cniVersion": "1.0.0", "name": "r_s", "plugins": [{"type": "first"}]},
        "result": {"cniVersion": "9.0.0"},
        "args": [],
        "capabilityArgs": {},
        "netns": "",
    }
).encode()


def record_address(tmp_path: Path, address: str, container_id: str) -> Path:
    directory = tmp_path / "ipam" / "r_s"
    directory.mkdir(parents=True, exist_ok=True)
    (directory / address).write_bytes(f"{container_id}\r\neth0".encode())
    return directory / address


async def test_a_failing_delete_keeps_the_cache(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    await net.add("c1", ns)
    plugin_dir.behave("second", "DEL", stdout=FAILURE, exit=1)
    with pytest.raises(CniError, match="cannot DEL with plugin 'second'"):
        await net.delete("c1", ns)
    assert plugin_dir.sequence()[3:] == ["DEL third", "DEL second"]
    assert net.attachments() == ["c1"]
    plugin_dir.behave("second", "DEL")
    await net.delete("c1", ns)
    assert net.attachments() == []


@pytest.mark.parametrize("content", [b"", b"{}", b"{", b"[1]", OTHER_VERSION, b"\xff"])
async def test_a_damaged_cache_does_not_stop_a_delete(
    content: bytes, net: Network, ns: Path, plugin_dir: PluginDir, tmp_path: Path
) -> None:
    await net.add("c1", ns)
    (tmp_path / "cache" / "r_s" / "c1@eth0").write_bytes(content)
    with pytest.raises(CniError, match="cached result"):
        net.cached("c1")
    plugin_dir.forget()
    await net.delete("c1", ns)
    assert plugin_dir.sequence() == ["DEL third", "DEL second", "DEL first"]
    assert net.attachments() == []


async def test_purge_works_without_the_plugins(net: Network, ns: Path, plugin_dir: PluginDir, tmp_path: Path) -> None:
    await net.add("c1", ns)
    record = record_address(tmp_path, "10.213.0.2", "c1")
    other = record_address(tmp_path, "10.213.0.3", "c10")
    plugin_dir.remove("second")
    problems = await net.purge("c1", ns)
    assert {type(problem) for problem in problems} == {PluginNotFound}
    assert not record.exists()
    assert other.exists()
    assert net.attachments() == []


async def test_purge_tries_without_the_namespace_after_a_failure(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    await net.add("c1", ns)
    plugin_dir.forget()
    plugin_dir.behave("third", "DEL", stdout=FAILURE, exit=1)
    assert len(await net.purge("c1", ns)) == 2
    assert [(run.type, run.env["CNI_NETNS"]) for run in plugin_dir.runs()] == [("third", str(ns)), ("third", "")]


async def test_purge_covers_every_interface(net: Network, ns: Path, plugin_dir: PluginDir) -> None:
    await net.add("c1", ns)
    await net.add("c1", ns, "eth1")
    await net.add("c2", ns)
    plugin_dir.forget()
    assert await net.purge("c1") == ()
    assert {(run.env["CNI_CONTAINERID"], run.env["CNI_IFNAME"]) for run in plugin_dir.runs()} == {
        ("c1", "eth0"),
        ("c1", "eth1"),
    }
    assert net.attachments() == ["c2"]


async def test_purge_of_a_crash_before_the_cache_was_written(
    net: Network, ns: Path, plugin_dir: PluginDir, tmp_path: Path
) -> None:
    record = record_address(tmp_path, "10.213.0.2", "c1")
    assert net.leases() == {IPv4Address("10.213.0.2"): "c1"}
    assert await net.purge("c1", ns) == ()
    assert plugin_dir.sequence() == ["DEL third", "DEL second", "DEL first"]
    assert not record.exists()


async def test_wipe_leaves_nothing(net: Network, ns: Path, tmp_path: Path) -> None:
    await net.add("c1", ns)
    record_address(tmp_path, "10.213.0.2", "c1")
    net.wipe()
    net.wipe()
    assert not (tmp_path / "cache" / "r_s").exists()
    assert not (tmp_path / "ipam" / "r_s").exists()
    assert net.attachments() == []
    assert net.leases() == {}
    assert net.release_addresses("c1") == ()


async def test_wipe_touches_no_files_of_others(net: Network, tmp_path: Path) -> None:
    record = record_address(tmp_path, "10.213.0.2", "c1")
    foreign = record.with_name("passwd")
    foreign.touch()
    with pytest.raises(CniError, match="cannot remove"):
        net.wipe()
    assert foreign.exists()
