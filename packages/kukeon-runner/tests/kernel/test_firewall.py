"""Packet rules as values: what is asked of nft for given bridges and given chains of others."""

import ipaddress
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kukeon_runner import firewall
from kukeon_runner.firewall import BridgeNet

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


def added(commands: list[firewall.Command], kind: str) -> list[dict[str, Any]]:
    return [command["add"][kind] for command in commands if kind in command.get("add", {})]


def chain(*rules: dict[str, Any]) -> dict[str, Any]:
    """Return a listing of ip filter FORWARD, handles from 10 upwards."""
    numbered = [{"rule": {"handle": 10 + i, **rule}} for i, rule in enumerate(rules)]
    return {"nftables": [{"metainfo": {}}, {"chain": {"name": "FORWARD", "handle": 1}}, *numbered]}


def after(listing: dict[str, Any], commands: list[firewall.Command]) -> dict[str, Any]:
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
        commands = firewall.ruleset("kukeon_ab", [ONE])
        table = {"table": {"family": "inet", "name": "kukeon_ab"}}
        assert commands[:3] == [{"add": table}, {"delete": table}, {"add": table}]
        assert all(list(command) == ["add"] for command in commands[3:])

    @given(nets)
    def test_everything_is_in_that_table(self, bridges: list[BridgeNet]) -> None:
        for command in firewall.ruleset("kukeon", bridges)[3:]:
            ((_, thing),) = command["add"].items()
            assert (thing["family"], thing["table"]) == ("inet", "kukeon")

    @given(nets, nets)
    def test_rules_do_not_depend_on_the_bridges(self, some: list[BridgeNet], others: list[BridgeNet]) -> None:
        for kind in ("rule", "chain"):
            assert added(firewall.ruleset("t", some), kind) == added(firewall.ruleset("t", others), kind)

    @given(nets, st.randoms(use_true_random=False))
    def test_order_and_repetition_do_not_matter(self, bridges: list[BridgeNet], random: Any) -> None:
        shuffled = bridges + bridges[:1]
        random.shuffle(shuffled)
        assert firewall.ruleset("t", shuffled) == firewall.ruleset("t", bridges)

    def test_bridges_and_subnets_are_elements(self) -> None:
        sets = {found["name"]: found.get("elem") for found in added(firewall.ruleset("t", [TWO, ONE]), "set")}
        assert sets == {
            "bridges": [ONE.bridge, TWO.bridge],
            "same_bridge": [{"concat": [ONE.bridge] * 2}, {"concat": [TWO.bridge] * 2}],
            "subnets": [{"prefix": {"addr": f"10.88.{i}.0", "len": 24}} for i in range(2)],
        }

    def test_no_bridges_are_no_elements(self) -> None:
        assert all("elem" not in found for found in added(firewall.ruleset("t", []), "set"))

    def test_same_bridge_traffic_is_decided_first(self) -> None:
        rules = [rule for rule in added(firewall.ruleset("t", []), "rule") if rule["chain"] == "forward"]
        assert rules[0]["expr"][-1] == {"accept": None}
        assert rules[0]["expr"][0]["match"]["right"] == "@same_bridge"

    def test_chains_come_before_those_of_others(self) -> None:
        chains = {found["name"]: found for found in added(firewall.ruleset("t", []), "chain")}
        assert {name: (found["hook"], found["prio"], found["policy"]) for name, found in chains.items()} == {
            "postrouting": ("postrouting", 100, "accept"),
            "forward": ("forward", -10, "accept"),
            "input": ("input", -10, "accept"),
        }

    def test_removal_works_whether_it_is_there_or_not(self) -> None:
        table = {"table": {"family": "inet", "name": "t"}}
        assert firewall.removal("t") == [{"add": table}, {"delete": table}]


class TestForeignChains:
    OTHERS = ({"expr": [{"jump": {"target": "DOCKER-USER"}}]}, {"comment": "someone", "expr": [{"drop": None}]})

    def test_both_directions_are_admitted_at_the_head(self) -> None:
        commands = firewall.foreign_rules("kukeon", [ONE, TWO], {FORWARD: chain(*self.OTHERS)})
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
        listing = after(chain(*self.OTHERS), firewall.foreign_rules("k", before, {FORWARD: chain(*self.OTHERS)}))
        changed = after(listing, firewall.foreign_rules("k", wanted, {FORWARD: listing}))
        assert firewall.foreign_rules("k", wanted, {FORWARD: changed}) == []
        removed = after(changed, firewall.foreign_rules("k", (), {FORWARD: changed}))
        assert json.dumps(removed) == json.dumps(chain(*self.OTHERS))

    def test_two_instances_come_to_rest(self) -> None:
        listing = chain(*self.OTHERS)
        for table, net in (("kukeon", ONE), ("kukeon_ab", TWO), ("kukeon", ONE), ("kukeon_ab", TWO)):
            listing = after(listing, firewall.foreign_rules(table, [net], {FORWARD: listing}))
        assert firewall.foreign_rules("kukeon", [ONE], {FORWARD: listing}) == []
        assert firewall.foreign_rules("kukeon_ab", [TWO], {FORWARD: listing}) == []

    def test_an_instances_removal_leaves_the_other_ones_rules(self) -> None:
        listing = chain()
        for table in ("kukeon", "kukeon_ab"):
            listing = after(listing, firewall.foreign_rules(table, [ONE], {FORWARD: listing}))
        listing = after(listing, firewall.foreign_rules("kukeon", (), {FORWARD: listing}))
        comments = [entry["rule"]["comment"] for entry in listing["nftables"] if "rule" in entry]
        assert comments == ["kukeon:kukeon_ab"] * 2

    def test_rules_that_others_moved_behind_their_own_come_to_the_head_again(self) -> None:
        listing = after(chain(), firewall.foreign_rules("k", [ONE], {FORWARD: chain()}))
        ours = [entry["rule"] for entry in listing["nftables"] if "rule" in entry]
        behind = chain({"expr": [{"drop": None}]}, *({**rule, "handle": 50 + i} for i, rule in enumerate(ours)))
        commands = firewall.foreign_rules("k", [ONE], {FORWARD: behind})
        assert [command["delete"]["rule"]["handle"] for command in commands if "delete" in command] == [50, 51]
        rules = [entry["rule"] for entry in after(behind, commands)["nftables"] if "rule" in entry]
        assert [rule.get("comment") for rule in rules] == ["kukeon:k", "kukeon:k", None]

    def test_only_interface_names_are_matched(self) -> None:
        # Anything else would make iptables-save refuse the whole table.
        for command in firewall.foreign_rules("k", [ONE], {FORWARD: chain()}):
            match, verdict = command["insert"]["rule"]["expr"]
            assert match["match"]["left"]["meta"]["key"] in {"iifname", "oifname"}
            assert isinstance(match["match"]["right"], str)
            assert verdict == {"accept": None}

    def test_without_such_chains_there_is_nothing_to_do(self) -> None:
        assert firewall.foreign_rules("k", [ONE], {}) == []
