"""The real plugins in real namespaces: addresses, reachability, and nothing left behind."""

# ruff: noqa: ASYNC230  (tests look at small files, and wait for other processes, in coroutines)

import asyncio
import fcntl
import os
import shutil
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path

import pytest

from kukeon_cni import CniError, Network, Pins, PluginNotFound, call_in_netns, links
from kukeon_cni.bridge import ensure_bridge
from kukeon_cni.plugin import DEFAULT_PLUGIN_DIRS, find_plugin

MakePins = Callable[[str], Pins]

pytestmark = pytest.mark.kernel


@contextmanager
def serving(pins: Pins) -> Iterator[int]:
    """Listen on all addresses inside the namespace; the kernel accepts and keeps what is sent."""
    with call_in_netns(pins.net, lambda: socket.create_server(("0.0.0.0", 0), backlog=8)) as server:
        server.settimeout(10)
        yield server.getsockname()[1]


def connect(address: IPv4Address, port: int) -> str:
    with socket.create_connection((str(address), port), timeout=10) as client:
        return str(client.getpeername()[0])


def bridge_of(network: Network) -> str:
    assert network.network.bridge is not None
    return network.network.bridge


def address_of(network: Network, container_id: str) -> IPv4Address:
    result = network.cached(container_id)
    assert result is not None
    assert result.ipv4 is not None
    return result.ipv4.ip


async def test_add_gives_an_address_that_the_host_reaches(network: Network, make_pins: MakePins) -> None:
    pins = make_pins("c1")
    result = await network.add("c1", pins.net)
    subnet = network.network.subnet
    assert subnet is not None
    assert result.ipv4 is not None
    assert result.ipv4.ip in subnet
    assert result.ipv4.network == subnet
    assert result.gateway == subnet[1]
    assert network.leases() == {result.ipv4.ip: "c1"}
    assert network.cached("c1") == result
    assert len(links.bridge_ports(bridge_of(network))) == 1
    with serving(pins) as port:
        assert connect(result.ipv4.ip, port) == str(result.ipv4.ip)
    await network.check("c1", pins.net)


async def test_a_bridge_made_beforehand_is_used_as_it_is(network: Network, make_pins: MakePins) -> None:
    subnet = network.network.subnet
    assert subnet is not None
    address = IPv4Interface((int(subnet[1]), subnet.prefixlen))
    assert ensure_bridge(bridge_of(network), address)
    assert not ensure_bridge(bridge_of(network), address)
    assert subnet in links.host_routes()
    pins = make_pins("c1")
    result = await network.add("c1", pins.net)
    assert result.ipv4 is not None
    await network.check("c1", pins.net)
    with serving(pins) as port:
        assert connect(result.ipv4.ip, port) == str(result.ipv4.ip)


async def test_a_name_taken_by_another_link_is_refused(make_pins: MakePins) -> None:
    pins = make_pins("c1")
    with pytest.raises(CniError, match="a hardware link has that name"):
        call_in_netns(pins.net, lambda: ensure_bridge("lo", IPv4Interface("10.213.0.1/24")))


async def test_two_namespaces_reach_each_other(network: Network, make_pins: MakePins) -> None:
    one, two = make_pins("c1"), make_pins("c2")
    await network.add("c1", one.net)
    await network.add("c2", two.net)
    for name, other, pins, other_pins in (("c1", "c2", one, two), ("c2", "c1", two, one)):
        target = address_of(network, other)
        assert target != address_of(network, name)
        with serving(other_pins) as port:
            assert call_in_netns(pins.net, lambda t=target, p=port: connect(t, p)) == str(target)


async def test_delete_leaves_no_trace(network: Network, make_pins: MakePins) -> None:
    pins = make_pins("c1")
    before = {link.name for link in links.list_links()}
    await network.add("c1", pins.net)
    await network.delete("c1", pins.net)
    assert {link.name for link in links.list_links()} - before == {bridge_of(network)}
    assert network.leases() == {}
    assert network.attachments() == []
    assert "eth0" not in {link.name for link in call_in_netns(pins.net, links.list_links)}
    await network.delete("c1", pins.net)
    await network.add("c1", pins.net)
    await network.delete("c1", pins.net)


async def test_delete_after_the_namespace_is_gone(network: Network, make_pins: MakePins) -> None:
    pins = make_pins("c1")
    await network.add("c1", pins.net)
    pins.remove()
    await network.delete("c1", pins.net)
    assert network.leases() == {}
    assert network.attachments() == []


async def test_delete_on_a_pin_that_is_only_a_file(network: Network, make_pins: MakePins) -> None:
    pins = make_pins("c1")
    await network.add("c1", pins.net)
    pins.remove()
    pins.directory.mkdir()
    pins.net.touch()
    await network.delete("c1", pins.net)
    assert network.leases() == {}


async def test_delete_with_the_interface_already_gone(network: Network, make_pins: MakePins) -> None:
    pins = make_pins("c1")
    await network.add("c1", pins.net)
    assert call_in_netns(pins.net, lambda: links.delete_link("eth0", "veth"))
    await network.delete("c1", pins.net)
    assert network.leases() == {}
    assert network.attachments() == []


async def test_delete_with_the_bridge_already_gone(network: Network, make_pins: MakePins) -> None:
    pins = make_pins("c1")
    await network.add("c1", pins.net)
    assert links.delete_link(bridge_of(network))
    with pytest.raises(CniError):
        await network.check("c1", pins.net)
    await network.delete("c1", pins.net)
    assert network.leases() == {}


async def test_delete_of_a_killed_add_without_cache(network: Network, make_pins: MakePins, tmp_path: Path) -> None:
    """A daemon killed after the plugins ran and before the result was written: addresses, a veth, no cache."""
    pins = make_pins("c1")
    await network.add("c1", pins.net)
    shutil.rmtree(tmp_path / "cache")
    assert network.attachments() == []
    assert list(network.leases().values()) == ["c1"]
    await network.delete("c1", pins.net)
    assert network.leases() == {}
    assert links.bridge_ports(bridge_of(network)) == []


async def test_purge_of_a_killed_add_whose_namespace_is_gone(
    network: Network, make_pins: MakePins, tmp_path: Path
) -> None:
    pins = make_pins("c1")
    await network.add("c1", pins.net)
    shutil.rmtree(tmp_path / "cache")
    pins.remove()
    assert await network.purge("c1", pins.net) == ()
    assert network.leases() == {}


async def test_purge_without_plugins_frees_the_address(network: Network, make_pins: MakePins, tmp_path: Path) -> None:
    pins, other = make_pins("c1"), make_pins("c2")
    await network.add("c1", pins.net)
    await network.add("c2", other.net)
    bare = Network(network.network, [tmp_path / "empty"], tmp_path / "cache")
    problems = await bare.purge("c1", pins.net)
    assert [type(problem) for problem in problems] == [PluginNotFound, PluginNotFound]
    assert list(network.leases().values()) == ["c2"]
    assert network.attachments() == ["c2"]


async def test_a_deterministic_id_can_come_back_after_a_scrub(network: Network, make_pins: MakePins) -> None:
    pins = make_pins("c1")
    result = await network.add("c1", pins.net)
    assert result.ipv4 is not None
    pins.remove()
    assert network.release_addresses("c1") == (result.ipv4.ip,)
    assert network.release_addresses("c1") == ()
    assert await network.purge("c1") == ()
    pins.create("c1")
    await network.add("c1", pins.net)


async def test_an_add_in_an_occupied_namespace_is_undone(network: Network, make_pins: MakePins) -> None:
    pins = make_pins("c1")
    await network.add("c1", pins.net)
    with pytest.raises(CniError):
        await network.add("c2", pins.net)
    assert list(network.leases().values()) in (["c1"], [])
    assert network.attachments() == ["c1"]


async def test_an_add_whose_last_plugin_fails_is_undone(network: Network, make_pins: MakePins, tmp_path: Path) -> None:
    broken = tmp_path / "plugins" / "broken"
    broken.parent.mkdir()
    broken.write_text(
        "#!/bin/sh\n"
        'case "$CNI_COMMAND" in\n'
        """VERSION) echo '{"cniVersion": "1.0.0", "supportedVersions": ["1.0.0"]}' ;;\n"""
        """ADD) echo '{"code": 100, "msg": "no"}'; exit 1 ;;\n"""
        "esac\n"
    )
    broken.chmod(0o755)
    conflist = network.network
    chained = type(conflist)(conflist.name, "1.0.0", (*conflist.plugins, {"type": "broken"}))
    pins = make_pins("c1")
    failing = Network(chained, [*DEFAULT_PLUGIN_DIRS, broken.parent], tmp_path / "cache")
    with pytest.raises(CniError, match="broken"):
        await failing.add("c1", pins.net)
    assert network.leases() == {}
    assert links.bridge_ports(bridge_of(network)) == []
    assert network.attachments() == []


async def test_twenty_adds_at_once_get_twenty_addresses(network: Network, make_pins: MakePins) -> None:
    pins = {f"c{n}": make_pins(f"c{n}") for n in range(20)}
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(network.add(name, pin.net)) for name, pin in pins.items()]
    addresses = {str(task.result().ipv4) for task in tasks}
    assert len(addresses) == 20
    assert len(links.bridge_ports(bridge_of(network))) == 20
    with serving(pins["c19"]) as port:
        assert connect(address_of(network, "c19"), port)
    async with asyncio.TaskGroup() as group:
        for name, pin in pins.items():
            group.create_task(network.delete(name, pin.net))
    assert network.leases() == {}
    assert links.bridge_ports(bridge_of(network)) == []


async def test_a_cancelled_add_leaves_nothing(network: Network, make_pins: MakePins) -> None:
    pins = make_pins("c1")
    await network.version()
    for turns in range(0, 12, 2):
        task = asyncio.create_task(network.add("c1", pins.net))
        for _ in range(turns):
            await asyncio.sleep(0.001)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            assert network.leases() == {}
            assert network.attachments() == []
            assert links.bridge_ports(bridge_of(network)) == []
        else:
            await network.delete("c1", pins.net)


async def test_the_release_lock_is_the_plugins_own(network: Network, make_pins: MakePins, tmp_path: Path) -> None:
    """Sweeping cut-off records relies on host-local's lock file; a plugin that locks otherwise must be noticed."""
    first, second = make_pins("c1"), make_pins("c2")
    await network.add("c1", first.net)
    (directory,) = network.network.address_dirs
    with open(os.open(f"{directory}/lock", os.O_RDONLY)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        task = asyncio.create_task(network.add("c2", second.net))
        done, _ = await asyncio.wait([task], timeout=0.3)
        assert not done
        fcntl.flock(lock, fcntl.LOCK_UN)
        await task
    assert sorted(network.leases().values()) == ["c1", "c2"]


async def test_the_mtu_arrives(network: Network, make_pins: MakePins, tmp_path: Path) -> None:
    (plugin,) = network.network.plugins
    conflist = type(network.network)(network.network.name, "1.0.0", ({**plugin, "mtu": 1400},))
    pins = make_pins("c1")
    sized = Network(conflist, cache_dir=tmp_path / "cache")
    await sized.add("c1", pins.net)

    def mtu() -> int:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            answer = fcntl.ioctl(probe, 0x8921, struct.pack("16sI20x", b"eth0", 0))  # SIOCGIFMTU
            return int(struct.unpack_from("I", answer, 16)[0])

    assert call_in_netns(pins.net, mtu) == 1400


async def test_wipe_after_the_last_container(network: Network, make_pins: MakePins, tmp_path: Path) -> None:
    pins = make_pins("c1")
    await network.add("c1", pins.net)
    await network.delete("c1", pins.net)
    network.wipe()
    assert list((tmp_path / "ipam").iterdir()) == list((tmp_path / "cache").iterdir()) == []


async def test_installed_plugins_agree_on_a_version(network: Network) -> None:
    assert find_plugin("bridge").name == "bridge"
    assert await network.version() in {"0.4.0", "1.0.0"}


async def test_dropping_the_namespace_takes_the_veth_along(
    network: Network, make_pins: MakePins, wait_until: Callable[[Callable[[], object]], None]
) -> None:
    """The cheap way down: DEL without the namespace frees the address, the end of the namespace the interfaces."""
    pins = make_pins("c1")
    await network.add("c1", pins.net)
    await network.delete("c1")
    assert network.leases() == {}
    pins.remove()
    await asyncio.to_thread(wait_until, lambda: not links.bridge_ports(bridge_of(network)))
