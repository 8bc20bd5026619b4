"""Packet rules as values: what is asked of nft for given bridges and given chains of others."""

import ipaddress
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kukeon_api import ports
from kukeon_runner import firewall, firewall_foreign, firewall_rules
from kukeon_runner.firewall import BridgeNet, Destination, Policy, Published, Wall

ONE = BridgeNet("k-1111111111", ipaddress.ip_network("10.88.0.0/24"))
TWO = BridgeNet("k-2222222222", ipaddress.ip_network("10.88.1.0/24"))
FORWARD = ("ip", "filter", "FORWARD")

nets = st.lists(
    st.builds(
        BridgeNet,
        st.text("0123456789abcdef", min_size=10, max_size=10).map("k-".__add__),
        st.integers(0, 255).map(lambda i: ipaddress.ip_network(f"10.88.{i}.0/24")),
    ),
    max_size=6,
)


def ruleset(table: str, bridges: Sequence[BridgeNet], **rest: Any) -> list[firewall_rules.Command]:
    return firewall.ruleset(table, Wall(tuple(bridges), **rest))


def foreign(
    table: str, bridges: Sequence[BridgeNet], chains: dict[tuple[str, str, str], Any]
) -> list[firewall_rules.Command]:
    return firewall_foreign.rules(table, [net.bridge for net in bridges], chains)


def added(commands: list[firewall_rules.Command], kind: str) -> list[dict[str, Any]]:
    return [command["add"][kind] for command in commands if kind in command.get("add", {})]


def chain(*rules: dict[str, Any]) -> dict[str, Any]:
    """Return a listing of ip filter FORWARD, handles from 10 upwards."""
    numbered = [{"rule": {"handle": 10 + i, **rule}} for i, rule in enumerate(rules)]
    return {"nftables": [{"metainfo": {}}, {"chain": {"name": "FORWARD", "handle": 1}}, *numbered]}


def after(listing: dict[str, Any], commands: list[firewall_rules.Command]) -> dict[str, Any]:
    """Return the listing that a kernel would have after the commands on that one chain."""
    rules = [entry["rule"] for entry in listing["nftables"] if "rule" in entry]
    for command in commands:
        if "delete" in command:
            handle = command["delete"]["rule"]["handle"]
            assert [rule["handle"] for rule in rules].count(handle) == 1
            rules = [rule for rule in rules if rule["handle"] != handle]
        else:
            inserted = command["insert"]["rule"]
            rules.insert(0, {"comment": inserted["comment"], "expr": inserted["expr"]})
    return chain(*({key: value for key, value in rule.items() if key != "handle"} for rule in rules))


class TestOwnTable:
    def test_it_is_replaced_as_a_whole(self) -> None:
        commands = ruleset("kukeon_ab", [ONE])
        table = {"table": {"family": "inet", "name": "kukeon_ab"}}
        assert commands[:3] == [{"add": table}, {"delete": table}, {"add": table}]
        assert all(list(command) == ["add"] for command in commands[3:])

    @given(nets)
    def test_everything_is_in_that_table(self, bridges: list[BridgeNet]) -> None:
        for command in ruleset("kukeon", bridges)[3:]:
            ((_, thing),) = command["add"].items()
            assert (thing["family"], thing["table"]) == ("inet", "kukeon")

    @given(nets, nets)
    def test_rules_do_not_depend_on_the_bridges(self, some: list[BridgeNet], others: list[BridgeNet]) -> None:
        for kind in ("rule", "chain"):
            assert added(ruleset("t", some), kind) == added(ruleset("t", others), kind)

    @given(nets, st.randoms(use_true_random=False))
    def test_order_and_repetition_do_not_matter(self, bridges: list[BridgeNet], random: Any) -> None:
        shuffled = bridges + bridges[:1]
        random.shuffle(shuffled)
        assert ruleset("t", shuffled) == ruleset("t", bridges)

    def test_bridges_and_subnets_are_elements(self) -> None:
        found = {each["name"]: each.get("elem") for each in added(ruleset("t", [TWO, ONE]), "set")}
        assert {name: found[name] for name in ("bridges", "same_bridge", "subnets")} == {
            "bridges": [ONE.bridge, TWO.bridge],
            "same_bridge": [{"concat": [ONE.bridge] * 2}, {"concat": [TWO.bridge] * 2}],
            "subnets": [{"prefix": {"addr": f"10.88.{i}.0", "len": 24}} for i in range(2)],
        }

    def test_no_bridges_are_no_elements(self) -> None:
        assert all("elem" not in found for found in added(ruleset("t", []), "set"))

    def test_same_bridge_traffic_is_decided_first(self) -> None:
        rules = [rule for rule in added(ruleset("t", []), "rule") if rule["chain"] == "forward"]
        assert rules[0]["expr"][-1] == {"accept": None}
        assert rules[0]["expr"][0]["match"]["right"] == "@same_bridge"

    def test_chains_come_before_those_of_others(self) -> None:
        chains = {found["name"]: found for found in added(ruleset("t", []), "chain")}
        assert {name: (found["hook"], found["prio"], found["policy"]) for name, found in chains.items()} == {
            "egress": ("prerouting", -150, "accept"),
            "publish": ("prerouting", -100, "accept"),
            "publish_local": ("output", -100, "accept"),
            "postrouting": ("postrouting", 100, "accept"),
            "forward": ("forward", -10, "accept"),
            "input": ("input", -10, "accept"),
        }

    def test_a_policy_is_a_chain_that_its_bridge_leads_to(self) -> None:
        web = Destination((ipaddress.ip_network("192.0.2.0/24"),), (443, 80), (ipaddress.ip_network("192.0.2.1/32"),))
        commands = ruleset("t", [ONE, TWO], policies=(Policy(ONE.bridge, (web,)), Policy("k-gone")))
        verdicts = {each["name"]: each.get("elem") for each in added(commands, "map")}["policies"]
        assert verdicts == [[ONE.bridge, {"goto": {"target": "egress_k_1111111111"}}]]
        rules = [each for each in added(commands, "rule") if each["chain"] == "egress_k_1111111111"]
        assert [each["comment"] for each in rules] == ["allow[0]", "allow[0] before", "default deny"]
        assert rules[-1]["expr"][-1] == {"drop": None}
        assert {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "established"}} in rules[1]["expr"]

    def test_a_destination_without_addresses_is_no_rule(self) -> None:
        commands = ruleset("t", [ONE], policies=(Policy(ONE.bridge, (Destination(()),)),))
        rules = [each for each in added(commands, "rule") if each["chain"].startswith("egress_")]
        assert [each["comment"] for each in rules] == ["default deny"]

    def test_published_ports_are_elements_of_maps(self) -> None:
        published = tuple(
            Published(ports.parse(text), "10.88.0.2", ONE.bridge) for text in ("8080:80", "0.0.0.0:53:53/udp")
        )
        wall = Wall((ONE, TWO), published=published)
        maps = {each["name"]: each.get("elem") for each in added(firewall.ruleset("t", wall), "map")}
        assert maps == {
            "at_address": [[{"concat": ["127.0.0.1", "tcp", 8080]}, "10.88.0.2"]],
            "at_port": [[{"concat": ["127.0.0.1", "tcp", 8080]}, 80]],
            "everywhere_address": [[{"concat": ["udp", 53]}, "10.88.0.2"]],
            "everywhere_port": [[{"concat": ["udp", 53]}, 53]],
            "policies": None,
        }
        assert wall.routes_localnet(ONE.bridge)
        assert not wall.routes_localnet(TWO.bridge)

    def test_removal_works_whether_it_is_there_or_not(self) -> None:
        table = {"table": {"family": "inet", "name": "t"}}
        assert firewall.removal("t") == [{"add": table}, {"delete": table}]


class TestForeignChains:
    OTHERS = ({"expr": [{"jump": {"target": "DOCKER-USER"}}]}, {"comment": "someone", "expr": [{"drop": None}]})

    def test_both_directions_are_admitted_at_the_head(self) -> None:
        commands = foreign("kukeon", [ONE, TWO], {FORWARD: chain(*self.OTHERS)})
        rules = [entry["rule"] for entry in after(chain(*self.OTHERS), commands)["nftables"] if "rule" in entry]
        ours, rest = rules[:4], rules[4:]
        assert {rule["comment"] for rule in ours} == {"kukeon:kukeon"}
        assert [
            (rule["expr"][0]["match"]["left"]["meta"]["key"], rule["expr"][0]["match"]["right"]) for rule in ours
        ] == [
            ("iifname", ONE.bridge),
            ("oifname", ONE.bridge),
            ("iifname", TWO.bridge),
            ("oifname", TWO.bridge),
        ]
        assert [rule["expr"] for rule in rest] == [rule["expr"] for rule in self.OTHERS]

    @given(nets, nets)
    def test_a_second_run_has_nothing_to_do(self, before: list[BridgeNet], wanted: list[BridgeNet]) -> None:
        listing = after(chain(*self.OTHERS), foreign("k", before, {FORWARD: chain(*self.OTHERS)}))
        changed = after(listing, foreign("k", wanted, {FORWARD: listing}))
        assert foreign("k", wanted, {FORWARD: changed}) == []
        removed = after(changed, foreign("k", (), {FORWARD: changed}))
        assert json.dumps(removed) == json.dumps(chain(*self.OTHERS))

    def test_two_instances_come_to_rest(self) -> None:
        listing = chain(*self.OTHERS)
        for table, net in (("kukeon", ONE), ("kukeon_ab", TWO), ("kukeon", ONE), ("kukeon_ab", TWO)):
            listing = after(listing, foreign(table, [net], {FORWARD: listing}))
        assert foreign("kukeon", [ONE], {FORWARD: listing}) == []
        assert foreign("kukeon_ab", [TWO], {FORWARD: listing}) == []

    def test_an_instances_removal_leaves_the_other_ones_rules(self) -> None:
        listing = chain()
        for table in ("kukeon", "kukeon_ab"):
            listing = after(listing, foreign(table, [ONE], {FORWARD: listing}))
        listing = after(listing, foreign("kukeon", (), {FORWARD: listing}))
        comments = [entry["rule"]["comment"] for entry in listing["nftables"] if "rule" in entry]
        assert comments == ["kukeon:kukeon_ab"] * 2

    def test_rules_that_others_moved_behind_their_own_come_to_the_head_again(self) -> None:
        listing = after(chain(), foreign("k", [ONE], {FORWARD: chain()}))
        ours = [entry["rule"] for entry in listing["nftables"] if "rule" in entry]
        behind = chain({"expr": [{"drop": None}]}, *({**rule, "handle": 50 + i} for i, rule in enumerate(ours)))
        commands = foreign("k", [ONE], {FORWARD: behind})
        assert [command["delete"]["rule"]["handle"] for command in commands if "delete" in command] == [50, 51]
        rules = [entry["rule"] for entry in after(behind, commands)["nftables"] if "rule" in entry]
        assert [rule.get("comment") for rule in rules] == ["kukeon:k", "kukeon:k", None]

    def test_only_interface_names_are_matched(self) -> None:
        # Anything else would make iptables-save refuse the whole table.
        for command in foreign("k", [ONE], {FORWARD: chain()}):
            match, verdict = command["insert"]["rule"]["expr"]
            assert match["match"]["left"]["meta"]["key"] in {"iifname", "oifname"}
            assert isinstance(match["match"]["right"], str)
            assert verdict == {"accept": None}

    def test_without_such_chains_there_is_nothing_to_do(self) -> None:
        assert foreign("k", [ONE], {}) == []
