"""Links and routes, inside namespaces that the tests made."""

import socket
import struct
import subprocess
from collections.abc import Callable
from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_cni import CniError, InvalidName, Pins, call_in_netns, links, netlink

MakePins = Callable[[str], Pins]


def ip(pins: Pins, *command: str) -> None:
    subprocess.run(["nsenter", f"--net={pins.net}", "ip", *command], check=True)


@given(st.binary(max_size=100))
def test_any_bytes_are_attributes_or_nothing(data: bytes) -> None:
    assert all(len(value) <= len(data) for value in netlink.attributes(data).values())


def test_attributes_are_padded_to_four() -> None:
    data = struct.pack("=HH3sx", 7, 3, b"abc") + struct.pack("=HHI", 8, 10 | 0x8000, 5)
    assert netlink.attributes(data) == {3: b"abc", 10: struct.pack("=I", 5)}


def test_loopback_is_a_link_of_this_host() -> None:
    assert "lo" in {link.name for link in links.list_links()}
    assert links.link_exists("lo")
    assert not links.link_exists("kt-absent")
    assert links.bridge_ports("lo") == links.bridge_ports("kt-absent") == []


@pytest.mark.parametrize("name", ["", "a/b", "a" * 16, ".."])
def test_names_are_checked(name: str) -> None:
    for call in (links.link_exists, links.delete_link):
        with pytest.raises(InvalidName):
            call(name)


def test_routes_are_networks_without_a_default() -> None:
    routes = links.host_routes()
    assert routes == sorted(set(routes))
    assert IPv4Network("127.0.0.0/8") in routes
    assert all(route.prefixlen for route in routes)


def test_a_refusal_of_the_kernel_is_its_errno() -> None:
    with pytest.raises(OSError, match=r"No such device|not permitted"):
        netlink.ack(17, struct.pack("=BxHiII", socket.AF_UNSPEC, 0, 0x7FFFFFF0, 0, 0))


@pytest.mark.kernel
def test_bridges_with_their_ports(make_pins: MakePins) -> None:
    pins = make_pins("c1")
    ip(pins, "link", "add", "kt-br0", "type", "bridge")
    ip(pins, "link", "add", "kt-a", "type", "veth", "peer", "name", "kt-b")
    ip(pins, "link", "set", "kt-a", "master", "kt-br0")
    assert call_in_netns(pins.net, lambda: links.bridge_ports("kt-br0")) == ["kt-a"]
    found = {link.name: link.kind for link in call_in_netns(pins.net, links.list_links)}
    assert (found["kt-br0"], found["kt-a"], found["lo"]) == ("bridge", "veth", "")


@pytest.mark.kernel
def test_a_bridge_is_deleted_once_and_nothing_else_is(make_pins: MakePins) -> None:
    pins = make_pins("c1")
    ip(pins, "link", "add", "kt-br0", "type", "bridge")
    ip(pins, "link", "add", "kt-a", "type", "veth", "peer", "name", "kt-b")

    def delete(name: str) -> bool:
        return call_in_netns(pins.net, lambda: links.delete_link(name))

    assert [delete("kt-br0"), delete("kt-br0")] == [True, False]
    with pytest.raises(CniError, match="it is a veth link, not a bridge"):
        delete("kt-a")
    with pytest.raises(CniError, match="it is a hardware link"):
        delete("lo")
    assert call_in_netns(pins.net, lambda: links.link_exists("kt-a"))
    assert call_in_netns(pins.net, lambda: links.delete_link("kt-a", "veth"))


@pytest.mark.kernel
def test_routes_of_every_table_count(make_pins: MakePins) -> None:
    pins = make_pins("c1")
    ip(pins, "link", "add", "kt-d0", "type", "bridge")
    ip(pins, "addr", "add", "10.213.1.1/24", "dev", "kt-d0")
    ip(pins, "link", "set", "kt-d0", "up")
    ip(pins, "route", "add", "10.213.2.0/24", "dev", "kt-d0", "table", "7")
    ip(pins, "route", "add", "10.213.3.0/24", "via", "10.213.1.9")
    ip(pins, "route", "add", "default", "via", "10.213.1.9")
    ip(pins, "route", "add", "unreachable", "10.0.0.0/8")
    routes = {str(route) for route in call_in_netns(pins.net, links.host_routes)}
    assert {"10.213.1.0/24", "10.213.2.0/24", "10.213.3.0/24", "10.213.1.1/32"} <= routes
    assert not routes & {"10.0.0.0/8", "0.0.0.0/0"}


@pytest.mark.kernel
def test_many_links_come_in_several_pieces(make_pins: MakePins) -> None:
    pins = make_pins("c1")
    batch = "".join(f"link add kt-n{n} type veth peer name kt-m{n}\n" for n in range(75))
    command = ["nsenter", f"--net={pins.net}", "ip", "-batch", "-"]
    subprocess.run(command, check=True, input=batch, text=True)
    found = {link.name for link in call_in_netns(pins.net, links.list_links)}
    assert {f"kt-{side}{n}" for n in range(75) for side in "nm"} <= found
