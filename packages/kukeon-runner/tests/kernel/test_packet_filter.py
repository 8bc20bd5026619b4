"""Rules that others change come back. Runs in a network namespace of its own, which the whole process is in."""

import asyncio
import contextlib
import ipaddress
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kukeon_api import ports
from kukeon_runner.firewall import BridgeNet, Published, Wall
from kukeon_runner.host import nft_changes, nftables
from kukeon_runner.host.nft_changes import Touched
from kukeon_runner.host.packet_filter import PacketFilter

pytestmark = pytest.mark.kernel

PATIENCE_S = 20.0
ONE = BridgeNet("k-test0", ipaddress.ip_network("10.254.250.0/24"))
TWO = BridgeNet("k-test1", ipaddress.ip_network("10.254.251.0/24"))
MARK = "kukeon_00c0ffee"
OTHER = "kukeon_00decade"
FORWARD = ("list", "chain", "ip", "filter", "FORWARD")


def nft(*arguments: str) -> str:
    return subprocess.run(["nft", *arguments], capture_output=True, text=True, check=True).stdout


@pytest.fixture(autouse=True)
def _alone() -> None:
    """Flushing is for a namespace that is ours: a machine has more links than this."""
    if [name for _, name in socket.if_nameindex()] != ["lo"]:
        pytest.skip("needs a network namespace of its own: run it under unshare --net")


@pytest.fixture(autouse=True)
async def _clean(_alone: None) -> AsyncIterator[None]:
    nft("flush", "ruleset")
    yield
    nft("flush", "ruleset")


@pytest.fixture
async def kept() -> AsyncIterator[PacketFilter]:
    """A filter that is followed."""
    async with followed(MARK, Wall((ONE,))) as found:
        yield found


@contextlib.asynccontextmanager
async def followed(table: str, wall: Wall) -> AsyncIterator[PacketFilter]:
    found = PacketFilter(table)
    await found.enforce(wall)
    following = asyncio.create_task(found.follow())
    try:
        yield found
    finally:
        following.cancel()
        await asyncio.wait({following})


async def until(condition: Callable[[], bool]) -> float:
    """Wait for it; how many seconds that took."""
    began = time.monotonic()
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what another program's kernel state becomes
            await asyncio.sleep(0.001)
    return time.monotonic() - began


def link(*arguments: str) -> None:
    subprocess.run(["ip", "link", *arguments], check=True)


def route_localnet(bridge: str) -> str:
    return Path(f"/proc/sys/net/ipv4/conf/{bridge}/route_localnet").read_text().strip()


def present(table: str) -> bool:
    return f"table inet {table}\n" in nft("list", "tables")


async def test_a_flush_is_made_good(kept: PacketFilter) -> None:
    whole = nft("list", "table", "inet", MARK)
    took = []
    for _ in range(10):
        nft("flush", "ruleset")
        took.append(await until(lambda: present(MARK)))
        assert nft("list", "table", "inet", MARK) == whole
        await asyncio.sleep(0.05)
    print("flush to re-assert, ms:", sorted(round(each * 1e3) for each in took))


async def test_one_rule_or_element_less_is_made_good(kept: PacketFilter) -> None:
    whole = nft("list", "table", "inet", MARK)
    nft("flush", "chain", "inet", MARK, "forward")
    await until(lambda: nft("list", "table", "inet", MARK) == whole)
    nft("delete", "element", "inet", MARK, "bridges", "{", f'"{ONE.bridge}"', "}")
    await until(lambda: nft("list", "table", "inet", MARK) == whole)


async def test_chains_of_others_get_our_rules_when_they_come(kept: PacketFilter) -> None:
    nft("add", "table", "ip", "filter")
    nft("add", "chain", "ip", "filter", "FORWARD", "{ type filter hook forward priority 0; policy drop; }")
    await until(lambda: ONE.bridge in nft(*FORWARD))
    nft("insert", "rule", "ip", "filter", "FORWARD", "ip", "saddr", "192.0.2.1", "drop")

    def ours_first() -> bool:
        rules = [line for line in nft(*FORWARD).splitlines() if "accept" in line or "192.0.2.1" in line]
        return ONE.bridge in rules[1]

    await until(ours_first)


async def test_two_instances_that_follow_each_other_come_to_rest() -> None:
    nft("add", "table", "ip", "filter")
    nft("add", "chain", "ip", "filter", "FORWARD", "{ type filter hook forward priority 0; policy drop; }")
    async with contextlib.AsyncExitStack() as both:
        for table, net in ((MARK, ONE), (OTHER, TWO)):
            await both.enter_async_context(followed(table, Wall((net,))))
        nft("flush", "ruleset")
        nft("add", "table", "ip", "filter")
        nft("add", "chain", "ip", "filter", "FORWARD", "{ type filter hook forward priority 0; policy drop; }")
        await until(lambda: present(MARK) and present(OTHER))
        await until(lambda: all(net.bridge in nft(*FORWARD) for net in (ONE, TWO)))
        await rest()
        assert nft(*FORWARD).count("kukeon:") == 4


async def rest(quiet_s: float = 0.5) -> None:
    """Wait until nobody has changed anything for a while."""
    with nft_changes.Changes(MARK, ()) as one, nft_changes.Changes(OTHER, ()) as other:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                try:
                    async with asyncio.timeout(quiet_s):
                        await asyncio.wait(
                            {asyncio.ensure_future(each.wait()) for each in (one, other)}, return_when="FIRST_COMPLETED"
                        )
                except TimeoutError:
                    return


async def test_changes_of_others_elsewhere_are_nobodys_business() -> None:
    with nft_changes.Changes(MARK, nftables.own_ports) as changes:
        nft("add", "table", "inet", "mine")
        nft("add", "table", "ip", "nat")
        nft("add", "table", "inet", OTHER)
        assert changes.read() == Touched()
        await nftables.apply(MARK, Wall((ONE,)))
        assert changes.read() == Touched(), "what this process does itself is no news"
        nft("delete", "table", "inet", MARK)
        assert changes.read() == Touched(own=True)
        nft("add", "table", "ip", "filter")
        assert changes.read() == Touched(foreign=True)


async def test_more_changes_than_are_kept_count_as_all() -> None:
    with nft_changes.Changes(MARK, ()) as changes:
        changes._socket.setsockopt(1, 8, 2048)  # SOL_SOCKET, SO_RCVBUF
        for number in range(60):
            nft("add", "table", "ip", f"t{number}")
        assert changes.read() == nft_changes.ALL


async def test_routes_of_loopback_packets_come_and_go_with_the_ports() -> None:
    link("add", ONE.bridge, "type", "bridge")
    try:
        found = PacketFilter(MARK)
        for text, expected in (("8080:80", "1"), ("192.0.2.1:8080:80", "0"), ("0.0.0.0:1:1/udp", "1")):
            published = (Published(ports.parse(text), "10.254.250.2", ONE.bridge),)
            await found.enforce(Wall((ONE,), published=published))
            assert route_localnet(ONE.bridge) == expected
        await found.enforce(Wall((ONE, TWO)))
        assert route_localnet(ONE.bridge) == "0"
    finally:
        link("del", ONE.bridge)


async def test_what_nobody_asked_for_is_not_put_back() -> None:
    found = PacketFilter(MARK)
    following = asyncio.create_task(found.follow())
    nft("add", "table", "inet", MARK)
    nft("delete", "table", "inet", MARK)
    await asyncio.sleep(0.1)
    assert not present(MARK)
    following.cancel()
    await asyncio.wait({following})
