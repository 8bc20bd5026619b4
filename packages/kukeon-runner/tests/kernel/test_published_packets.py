"""Published ports, by packets between network namespaces: from the host, from neighbours, from cells."""

import asyncio
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kukeon_api import ports
from kukeon_runner.firewall import Destination, Policy, Published, Wall
from kukeon_runner.host import nftables
from kukeon_runner.testing.nets import CELLS, HOST, ONE, OUTSIDE, PORT, TWO, Net

pytestmark = pytest.mark.kernel

BRIDGE_FILTER = Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists()
GATEWAY = "10.88.0.1"


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    try:
        net.wire()
        for name, address in CELLS.items():
            net.serve(name, address)
        net.serve("a", CELLS["a"], 5353, "udp")
        yield net
    finally:
        net.end()


async def publish(net: Net, *texts: str, cell: str = "a", policies: tuple[Policy, ...] = ()) -> Wall:
    published = tuple(Published(ports.parse(text), CELLS[cell], ONE.bridge) for text in texts)
    wall = Wall((ONE, TWO), policies, published=published)
    await nftables.apply("kukeon", wall, netns=net.path("host"))
    for bridge in (ONE.bridge, TWO.bridge):
        net.script("host", f"sysctl -qw net.ipv4.conf.{bridge}.route_localnet={int(wall.routes_localnet(bridge))}")
    return wall


async def test_by_default_the_host_alone_reaches_it(net: Net) -> None:
    await publish(net, f"9000:{PORT}")
    assert net.ask("host", "127.0.0.1", 9000) == GATEWAY
    assert net.refused("host", HOST, 9000), "only 127.0.0.1 was asked for"
    assert net.refused("outside", HOST, 9000)
    assert net.refused("b", GATEWAY, 9000)
    assert net.refused("host", "127.0.0.1", 9001)


async def test_on_every_address_everybody_reaches_it(net: Net) -> None:
    await publish(net, f"0.0.0.0:9000:{PORT}")
    assert net.ask("host", "127.0.0.1", 9000) == GATEWAY
    assert net.ask("host", HOST, 9000) == HOST
    assert net.ask("outside", HOST, 9000) == OUTSIDE, "the cell sees who asks"
    assert net.ask("b", GATEWAY, 9000) == GATEWAY, "a neighbour, by way of the host"
    assert net.ask("c", "10.88.1.1", 9000) == GATEWAY, "a cell of another space, like anybody else"
    assert net.refused("c", CELLS["a"]), "which does not open the space"
    assert net.refused("outside", CELLS["a"])


@pytest.mark.parametrize("bridged", [0, 1])
@pytest.mark.parametrize("who", ["a", "b"])
@pytest.mark.parametrize("text", [f"0.0.0.0:9000:{PORT}", f"{HOST}:9000:{PORT}"])
async def test_cells_of_its_space_reach_it_and_so_does_itself(net: Net, who: str, bridged: int, text: str) -> None:
    """Whether or not the kernel hands bridged packets to the packet filter, where they are translated in the bridge."""
    if bridged and not BRIDGE_FILTER:
        pytest.skip("this kernel has no br_netfilter")
    if BRIDGE_FILTER:
        net.run("host", "sysctl", "-qw", f"net.bridge.bridge-nf-call-iptables={bridged}")
    await publish(net, text)
    address = HOST if text.startswith(HOST) else GATEWAY
    assert net.ask(who, address, 9000) == GATEWAY
    udp = text.replace(f":{PORT}", ":5353/udp")
    await publish(net, udp)
    assert net.ask(who, address, 9000, protocol="udp") == GATEWAY


async def test_on_one_address_it_is_there_and_nowhere_else(net: Net) -> None:
    await publish(net, f"{HOST}:9000:{PORT}")
    assert net.ask("outside", HOST, 9000) == OUTSIDE
    assert net.ask("host", HOST, 9000) == HOST
    assert net.refused("host", "127.0.0.1", 9000)
    assert net.refused("b", GATEWAY, 9000)


async def test_udp(net: Net) -> None:
    await publish(net, "0.0.0.0:53:5353/udp")
    assert net.ask("host", "127.0.0.1", 53, protocol="udp") == GATEWAY
    assert net.ask("outside", HOST, 53, protocol="udp") == OUTSIDE
    assert net.refused("outside", HOST, 53)


async def test_it_follows_the_cell_and_ends_with_it(net: Net) -> None:
    await publish(net, f"0.0.0.0:9000:{PORT}")
    await publish(net, f"0.0.0.0:9000:{PORT}", cell="b")
    net.run("a", "ip", "link", "set", "eth0", "down")
    assert net.ask("outside", HOST, 9000) == OUTSIDE
    assert net.ask("host", "127.0.0.1", 9000) == GATEWAY
    await publish(net)
    assert net.refused("outside", HOST, 9000)
    assert net.refused("host", "127.0.0.1", 9000)


async def test_cells_never_reach_the_hosts_loopback(net: Net) -> None:
    """What route_localnet opens, our rules keep closed."""
    net.serve("host", "127.0.0.1", 7000)
    net.script("a", "ip route add 127.0.0.7/32 via 10.88.0.1")
    net.script("a", "ip addr del 127.0.0.1/8 dev lo\nip route add 127.0.0.1/32 via 10.88.0.1 src 10.88.0.2")
    net.script("a", "sysctl -qw net.ipv4.conf.eth0.route_localnet=1")
    net.script("host", f"sysctl -qw net.ipv4.conf.{ONE.bridge}.route_localnet=1")
    assert net.ask("a", "127.0.0.1", 7000) == CELLS["a"], "the way exists"
    await publish(net, f"9000:{PORT}")
    assert net.refused("a", "127.0.0.1", 7000)
    assert net.ask("host", "127.0.0.1", 7000) == "127.0.0.1"


async def test_a_space_that_denies_still_serves_its_ports(net: Net) -> None:
    await publish(net, f"0.0.0.0:9000:{PORT}", policies=(Policy(ONE.bridge),))
    assert net.ask("outside", HOST, 9000) == OUTSIDE
    assert net.ask("host", "127.0.0.1", 9000) == GATEWAY


async def test_another_spaces_policy_decides_about_published_ports_as_about_the_host(net: Net) -> None:
    await publish(net, f"0.0.0.0:9000:{PORT}", policies=(Policy(TWO.bridge),))
    assert net.refused("c", "10.88.1.1", 9000)
    allowed = Destination((TWO.subnet,), (9000,))
    await publish(net, f"0.0.0.0:9000:{PORT}", policies=(Policy(TWO.bridge, (allowed,)),))
    assert net.ask("c", "10.88.1.1", 9000) == GATEWAY


async def test_an_exchange_that_goes_on_does_not_follow_to_the_next_cell(net: Net) -> None:
    await publish(net, "0.0.0.0:53:5353/udp")
    net.serve("b", CELLS["b"], 5353, "udp")
    talk = net.converse("outside", HOST, 53)
    assert talk() == OUTSIDE
    await publish(net, "0.0.0.0:53:5353/udp", cell="b")
    assert talk() is None, "it is still translated to the cell that had the port"
    twice = "conntrack.forget('10.88.0.2'), conntrack.forget('10.88.0.2')"
    forget = f"from kukeon_runner.host import conntrack; print({twice})"
    assert net.run("host", sys.executable, "-c", forget) == "1 0\n"
    assert talk() == OUTSIDE


async def test_other_instances_are_told_of(net: Net) -> None:
    wall = await publish(net, f"9000:{PORT}", "0.0.0.0:53:5353/udp")
    found = await nftables.published_by_others("kukeon_0badcafe", netns=net.path("host"))
    assert {each.place for each in found["kukeon"]} == {"127.0.0.1:9000/tcp", "0.0.0.0:53/udp"}
    assert await nftables.published_by_others("kukeon", netns=net.path("host")) == {}
    assert dataclasses.replace(wall, published=()).routes_localnet(ONE.bridge) is False


async def test_many_ports_are_one_transaction(net: Net) -> None:
    texts = [f"127.0.0.1:{20000 + number}:{PORT}" for number in range(500)]
    async with asyncio.timeout(20):
        await publish(net, *texts)
    assert net.ask("host", "127.0.0.1", 20499) == GATEWAY
