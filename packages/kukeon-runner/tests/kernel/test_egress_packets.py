"""Egress policies, by packets between network namespaces."""

import ipaddress
from collections.abc import Iterator

import pytest

from kukeon_runner.firewall import Destination, Policy, Wall
from kukeon_runner.host import nftables
from kukeon_runner.testing.nets import CELLS, HOST, ONE, OTHER, OUTSIDE, PORT, TWO, Net

pytestmark = pytest.mark.kernel


def destination(cidr: str, *ports: int) -> Destination:
    return Destination((ipaddress.ip_network(cidr),), ports)


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    try:
        net.wire()
        net.serve("outside", OUTSIDE)
        net.serve("outside", OUTSIDE, 443)
        net.serve("outside", OUTSIDE, 443, "udp")
        net.serve("other", OTHER)
        net.serve("host", HOST)
        for name, address in CELLS.items():
            net.serve(name, address)
        yield net
    finally:
        net.end()


async def deny(net: Net, *allow: Destination, resolvers: tuple[str, ...] = ()) -> None:
    wall = Wall((ONE, TWO), (Policy(ONE.bridge, allow),), resolvers)
    await nftables.apply("kukeon", wall, netns=net.path("host"))


async def test_a_space_that_denies_reaches_nobody_and_the_other_space_everybody(net: Net) -> None:
    await deny(net)
    assert net.refused("a", OUTSIDE)
    assert net.refused("a", OUTSIDE, 443, "udp")
    assert net.refused("a", HOST), "the host is a destination like any other"
    assert net.refused("a", "10.88.0.1"), "by whichever address"
    assert net.run("a", "ping", "-c1", "-W1", OUTSIDE, check=False).count("1 received") == 0
    assert net.ask("a", CELLS["b"]) == CELLS["a"], "neighbours are no destination"
    assert net.ask("c", OUTSIDE) == HOST
    assert net.ask("c", HOST) == CELLS["c"]


async def test_what_is_allowed_is_reached_at_its_ports_over_tcp_and_udp(net: Net) -> None:
    await deny(net, destination("192.0.2.2/32", 443))
    assert net.ask("a", OUTSIDE, 443) == HOST
    assert net.ask("a", OUTSIDE, 443, protocol="udp") == HOST
    assert net.refused("a", OUTSIDE, PORT)
    assert net.refused("a", OTHER)


async def test_without_ports_everything_of_a_destination_is_allowed(net: Net) -> None:
    await deny(net, destination("192.0.2.0/24"))
    assert net.ask("a", OUTSIDE) == HOST
    assert "1 received" in net.run("a", "ping", "-c1", "-W2", OUTSIDE)
    assert net.ask("a", HOST) == CELLS["a"], "the host's own address is in that network"
    assert net.refused("a", "10.88.0.1")


async def test_the_host_reaches_cells_of_a_space_that_denies(net: Net) -> None:
    await deny(net)
    assert net.ask("host", CELLS["a"]) == "10.88.0.1"


async def test_names_can_always_be_asked_for(net: Net) -> None:
    net.serve("outside", OUTSIDE, 53, "udp")
    net.serve("outside", OUTSIDE, 53)
    net.serve("host", HOST, 53, "udp")
    await deny(net, resolvers=(OUTSIDE, HOST))
    assert net.ask("a", OUTSIDE, 53, protocol="udp") == HOST
    assert net.ask("a", OUTSIDE, 53) == HOST
    assert net.ask("a", HOST, 53, protocol="udp") == CELLS["a"]
    assert net.refused("a", OUTSIDE, PORT)


async def test_an_edit_reaches_what_is_connected(net: Net) -> None:
    await deny(net, destination("192.0.2.2/32"))
    talk = net.converse("a", OUTSIDE, 443)
    assert talk() == HOST
    await deny(net)
    assert talk() is None, "a tightened policy ends what it forbids"
    await deny(net, destination("192.0.2.2/32"))
    assert talk() == HOST


async def test_what_a_name_was_may_go_on_and_nothing_new_begins(net: Net) -> None:
    await deny(net, destination("192.0.2.2/32"))
    talk = net.converse("a", OUTSIDE, 443)
    assert talk() == HOST
    await deny(net, Destination((), past=(ipaddress.ip_network("192.0.2.2/32"),)))
    assert talk() == HOST
    assert net.refused("a", OUTSIDE)


async def test_errors_of_what_came_in_leave(net: Net) -> None:
    await deny(net)
    # Nobody listens there: the refusal is the cell's answer to the host.
    talk = net.converse("host", CELLS["a"], 4444)
    assert talk() == "ConnectionRefusedError"


async def test_bridged_packets_meet_the_policy_unharmed(net: Net) -> None:
    switch = "net.bridge.bridge-nf-call-iptables"
    if not net.run("host", "sysctl", "-n", switch, check=False):
        pytest.skip("this kernel has no br_netfilter, so bridged packets meet no rules")
    net.script("host", f"sysctl -qw {switch}=1")
    await deny(net)
    assert net.ask("a", CELLS["b"]) == CELLS["a"]
    assert net.refused("a", "10.88.0.1")
