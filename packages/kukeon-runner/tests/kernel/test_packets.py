"""Real packets through real rules: a host, two spaces and an outside, each a network namespace of the test's own.

outside 192.0.2.2 --- 192.0.2.1 host 10.88.0.1 -k-one- a 10.88.0.2, b 10.88.0.3
                                     10.88.1.1 -k-two- c 10.88.1.2
    other 198.51.100.2 --- 198.51.100.1 host: not a bridge of ours
"""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from kukeon_api import errors
from kukeon_runner.host import nftables
from kukeon_runner.testing.nets import CELLS, HOST, ONE, OTHER, OUTSIDE, TWO, Net, wall

pytestmark = pytest.mark.kernel


@pytest.fixture
def net() -> Iterator[Net]:
    net = Net()
    try:
        net.wire()
        net.serve("outside", OUTSIDE)
        for name, address in CELLS.items():
            net.serve(name, address)
        yield net
    finally:
        net.end()


@pytest.fixture
async def ruled(net: Net) -> Net:
    await nftables.apply("kukeon", wall(ONE, TWO), netns=net.path("host"))
    return net


class TestReach:
    async def test_cells_reach_out_with_the_hosts_address(self, ruled: Net) -> None:
        assert ruled.ask("a", OUTSIDE) == HOST
        assert ruled.ask("c", OUTSIDE) == HOST

    async def test_cells_of_one_space_reach_each_other_with_their_own(self, ruled: Net) -> None:
        assert ruled.ask("a", CELLS["b"]) == CELLS["a"]

    async def test_spaces_are_apart(self, ruled: Net) -> None:
        assert ruled.refused("a", CELLS["c"])
        assert ruled.refused("c", CELLS["a"])

    async def test_the_host_reaches_cells_with_its_own_address(self, ruled: Net) -> None:
        assert ruled.ask("host", CELLS["a"]) == "10.88.0.1"
        assert ruled.ask("host", CELLS["c"]) == "10.88.1.1"

    async def test_a_neighbour_with_a_route_does_not_reach_in(self, net: Net) -> None:
        assert net.ask("outside", CELLS["a"]) == OUTSIDE, "the way in exists"
        await nftables.apply("kukeon", wall(ONE, TWO), netns=net.path("host"))
        assert net.refused("outside", CELLS["a"])

    async def test_forged_senders_do_not_leave(self, ruled: Net) -> None:
        ruled.script("a", "ip addr add 172.31.0.9/32 dev lo\nip route replace default via 10.88.0.1 src 172.31.0.9")
        ruled.script("host", "sysctl -qw net.ipv4.conf.all.rp_filter=0\nip route add 172.31.0.9/32 via 10.88.0.2")
        # Without its rule the answer would come back: both ends know the way.
        ruled.script("outside", f"ip route add 172.31.0.9/32 via {HOST}")
        assert ruled.refused("a", OUTSIDE)

    async def test_spaces_that_are_gone_are_nobodys_business(self, ruled: Net) -> None:
        await nftables.apply("kukeon", wall(ONE), netns=ruled.path("host"))
        assert ruled.ask("outside", CELLS["c"]) == OUTSIDE
        assert ruled.refused("outside", CELLS["a"])

    async def test_traffic_of_others_is_left_alone(self, ruled: Net) -> None:
        # Neither end is a bridge of ours: a router must stay one.
        assert ruled.ask("other", OUTSIDE) == OTHER
        assert ruled.refused("other", CELLS["a"])


class TestIPv6:
    @pytest.fixture
    def with_ipv6(self, net: Net) -> Net:
        if not Path("/proc/net/if_inet6").exists():
            pytest.skip("this kernel has no IPv6")
        for name, address, gateway in (
            ("outside", "2001:db8:9::2", "2001:db8:9::1"),
            ("a", "2001:db8:1::2", "2001:db8:1::1"),
            ("c", "2001:db8:2::2", "2001:db8:2::1"),
        ):
            net.script(name, f"ip -6 addr add {address}/64 dev eth0 nodad\nip -6 route add default via {gateway}")
            net.serve(name, address)
        for link, address in (("out0", "2001:db8:9::1"), ("k-one", "2001:db8:1::1"), ("k-two", "2001:db8:2::1")):
            net.script("host", f"ip -6 addr add {address}/64 dev {link} nodad")
        net.serve("host", "::1")
        net.serve("host", "2001:db8:9::1")
        return net

    async def test_none_of_it_passes_in_or_out_of_a_space(self, with_ipv6: Net) -> None:
        net = with_ipv6
        assert net.ask("a", "2001:db8:9::2") == "2001:db8:1::2", "the way exists"
        await nftables.apply("kukeon", wall(ONE, TWO), netns=net.path("host"))
        assert net.refused("a", "2001:db8:9::2")
        assert net.refused("a", "2001:db8:2::2")
        assert net.refused("outside", "2001:db8:1::2")
        assert net.refused("a", "2001:db8:9::1"), "the host's own address is another way out"

    async def test_the_hosts_own_goes_on(self, with_ipv6: Net) -> None:
        net = with_ipv6
        await nftables.apply("kukeon", wall(ONE, TWO), netns=net.path("host"))
        assert net.ask("host", "::1") == "::1"
        assert net.ask("outside", "2001:db8:9::1") == "2001:db8:9::2"
        assert net.ask("host", "2001:db8:9::2") == "2001:db8:9::1"


class TestBesideOthers:
    def drop_forwarded(self, net: Net, docker: bool = False) -> None:
        net.run("host", "iptables", "-P", "FORWARD", "DROP")
        if docker:
            net.run("host", "iptables", "-N", "DOCKER-USER")
            net.run("host", "iptables", "-A", "DOCKER-USER", "-j", "RETURN")
            net.run("host", "iptables", "-I", "FORWARD", "-j", "DOCKER-USER")

    async def test_a_dropping_forward_chain_does_not_stop_us(self, net: Net) -> None:
        self.drop_forwarded(net)
        assert net.refused("a", OUTSIDE)
        await nftables.apply("kukeon", wall(ONE, TWO), netns=net.path("host"))
        assert net.ask("a", OUTSIDE) == HOST
        assert net.refused("a", CELLS["c"])
        assert net.refused("outside", CELLS["a"])

    async def test_nor_does_an_administrators_drop_in_docker_user(self, net: Net) -> None:
        self.drop_forwarded(net, docker=True)
        await nftables.apply("kukeon", wall(ONE), netns=net.path("host"))
        # Docker restarted: its jump comes first again, and an administrator drops in it.
        net.run("host", "iptables", "-D", "FORWARD", "-j", "DOCKER-USER")
        net.run("host", "iptables", "-I", "FORWARD", "-j", "DOCKER-USER")
        net.run("host", "iptables", "-I", "DOCKER-USER", "3", "-j", "DROP")
        assert net.ask("a", OUTSIDE) == HOST

    async def test_iptables_still_reads_its_table(self, net: Net) -> None:
        self.drop_forwarded(net, docker=True)
        before = net.run("host", "iptables-save", "-t", "filter")
        await nftables.apply("kukeon", wall(ONE, TWO), netns=net.path("host"))
        saved = net.run("host", "iptables-save", "-t", "filter")
        assert "incompatible" not in saved
        assert saved.count('--comment "kukeon:kukeon"') == 8
        net.run("host", "iptables", "-A", "FORWARD", "-s", "203.0.113.1", "-j", "ACCEPT")
        net.run("host", "iptables", "-D", "FORWARD", "-s", "203.0.113.1", "-j", "ACCEPT")
        await nftables.remove("kukeon", netns=net.path("host"))
        assert policies_and_rules(net.run("host", "iptables-save", "-t", "filter")) == policies_and_rules(before)

    async def test_twice_is_once(self, net: Net) -> None:
        self.drop_forwarded(net, docker=True)
        await nftables.apply("kukeon", wall(ONE, TWO), netns=net.path("host"))
        once = comparable(net.run("host", "nft", "-j", "list", "ruleset"))
        await nftables.apply("kukeon", wall(TWO, ONE), netns=net.path("host"))
        assert comparable(net.run("host", "nft", "-j", "list", "ruleset")) == once

    async def test_two_instances_do_not_touch_each_other(self, net: Net) -> None:
        self.drop_forwarded(net)
        await nftables.apply("kukeon", wall(ONE), netns=net.path("host"))
        alone = comparable(net.run("host", "nft", "-j", "list", "ruleset"))
        await nftables.apply("kukeon_ab12cd34", wall(TWO), netns=net.path("host"))
        assert net.ask("a", OUTSIDE) == HOST
        assert net.ask("c", OUTSIDE) == HOST
        # Each instance's own table keeps the other one's cells out.
        assert net.refused("a", CELLS["c"])
        assert net.refused("c", CELLS["a"])
        await nftables.remove("kukeon_ab12cd34", netns=net.path("host"))
        assert comparable(net.run("host", "nft", "-j", "list", "ruleset")) == alone

    async def test_an_unrelated_table_stays_as_it_was(self, net: Net) -> None:
        net.run("host", "nft", "add table inet mine; add chain inet mine c; add rule inet mine c counter drop")
        mine = net.run("host", "nft", "list", "table", "inet", "mine")
        await nftables.apply("kukeon", wall(ONE), netns=net.path("host"))
        await nftables.remove("kukeon", netns=net.path("host"))
        assert net.run("host", "nft", "list", "table", "inet", "mine") == mine


def policies_and_rules(saved: str) -> list[str]:
    """Return an iptables-save without its time stamps and counters."""
    return [line.split(" [")[0] for line in saved.splitlines() if not line.startswith("#")]


def comparable(listing: str) -> list[object]:
    """Return nft's listing without handles and counters."""

    def strip(value: object) -> object:
        if isinstance(value, dict):
            return {key: strip(entry) for key, entry in value.items() if key not in {"handle", "packets", "bytes"}}
        return [strip(entry) for entry in value] if isinstance(value, list) else value

    return [strip(entry) for entry in json.loads(listing)["nftables"]]


class TestTransactions:
    async def test_replacing_the_table_under_traffic_loses_no_connection(self, ruled: Net) -> None:
        failures: list[str] = []
        done = threading.Event()

        def keep_asking() -> None:
            while not done.is_set():
                if ruled.ask("a", OUTSIDE) != HOST:
                    failures.append("no answer, or the cell's own address")

        asking = threading.Thread(target=keep_asking)
        asking.start()
        try:
            for i in range(20):
                await nftables.apply("kukeon", wall(*([ONE, TWO] if i % 2 else [ONE])), netns=ruled.path("host"))
        finally:
            done.set()
            asking.join()
        assert failures == []

    async def test_a_refused_transaction_changes_nothing(self, ruled: Net) -> None:
        before = comparable(ruled.run("host", "nft", "-j", "list", "ruleset"))
        wrong = [{"delete": {"table": {"family": "inet", "name": "kukeon"}}}, {"add": {"nonsense": {}}}]
        with pytest.raises(errors.HostError, match="cannot change the packet rules"):
            await nftables.run(wrong, netns=ruled.path("host"))
        absent = [wrong[0], {"delete": {"table": {"family": "inet", "name": "absent"}}}]
        with pytest.raises(errors.HostError, match="No such file"):
            await nftables.run(absent, netns=ruled.path("host"))
        assert comparable(ruled.run("host", "nft", "-j", "list", "ruleset")) == before

    async def test_what_is_there_can_be_asked(self, ruled: Net) -> None:
        host = ruled.path("host")
        assert await nftables.table_exists("inet", "kukeon", netns=host) is True
        assert await nftables.table_exists("ip", "kukeon", netns=host) is False
        assert await nftables.list_table("inet", "absent", netns=host) is None
        assert await nftables.list_chain("inet", "kukeon", "absent", netns=host) is None
        listing = await nftables.list_chain("inet", "kukeon", "forward", netns=host)
        assert listing is not None
        assert any(entry.get("chain", {}).get("prio") == -10 for entry in listing["nftables"])
        await nftables.remove("kukeon", netns=host)
        await nftables.remove("kukeon", netns=host)
        assert await nftables.table_exists("inet", "kukeon", netns=host) is False

    async def test_no_commands_are_no_process(self) -> None:
        await nftables.run([], netns="/nonexistent")

    async def test_a_namespace_that_is_gone_is_a_host_error(self) -> None:
        with pytest.raises(errors.HostError, match="No such file"):
            await nftables.apply("kukeon", wall(), netns="/nonexistent")

    async def test_without_nft_it_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(nftables, "_SBIN", ())
        monkeypatch.setenv("PATH", "/nonexistent")
        with pytest.raises(errors.HostError, match="cannot run nft") as caught:
            await nftables.apply("kukeon", wall())
        assert "nftables" in caught.value.hint


async def test_bridged_packets_pass_the_forward_hook_unharmed(ruled: Net) -> None:
    switch = "net.bridge.bridge-nf-call-iptables"
    if not ruled.run("host", "sysctl", "-n", switch, check=False):
        pytest.skip("this kernel has no br_netfilter, so bridged packets meet no rules")
    ruled.script("host", f"sysctl -qw {switch}=1")
    assert ruled.ask("a", CELLS["b"]) == CELLS["a"]
