"""The packet rules of an instance, as nft's JSON commands: pure functions over values.

Two places hold rules of ours:

- One table of our own, `inet <table>`, always replaced as a whole (add, delete, add: nft before 1.0.7 has no
  `destroy`, and deleting an absent table fails).  Its rules never change; bridges and subnets are elements of sets.
- Chains of others that may drop what we admit: an accept is final only within its own base chain (nft(8)), so hosts
  whose `ip filter FORWARD` drops (iptables-nft, Docker) need ours there, too.  They carry the comment
  `kukeon:<table>` and are found again by it, whoever made them.  They match nothing but interface names: conntrack or
  set expressions of nft would make `iptables-save` call the table incompatible, and the programs of others rely on it.
  New connections into a bridge are nevertheless refused, by our own table.

Priorities: `forward` and `input` at -10, before the filter chains of others (0; firewalld 10), so that our counters
and drops come first; after conntrack (-200) and destination NAT (-100), whose results they read.  `postrouting` at 100,
where source NAT belongs.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from ipaddress import IPv4Network

Command = dict[str, Any]
Expression = dict[str, Any]

FAMILY = "inet"
BEFORE_FILTERS = -10
SOURCE_NAT = 100
MARK = "kukeon:"

FOREIGN_CHAINS = (("ip", "filter", "FORWARD"), ("ip", "filter", "DOCKER-USER"))
"""Family, table and chain where others may drop forwarded packets; Docker leaves the second to the administrator."""


@dataclass(frozen=True, order=True)
class BridgeNet:
    """A space's bridge and the subnet behind it."""

    bridge: str
    subnet: IPv4Network


def ruleset(table: str, bridges: Sequence[BridgeNet]) -> list[Command]:
    """Return the commands that make table `inet <table>` exactly this, in one transaction."""
    whole = {"table": {"family": FAMILY, "name": table}}
    return [{"add": whole}, {"delete": whole}, {"add": whole}, *_objects(table, bridges)]


def removal(table: str) -> list[Command]:
    """Return the commands that leave no table `inet <table>`, whether it is there or not."""
    whole = {"table": {"family": FAMILY, "name": table}}
    return [{"add": whole}, {"delete": whole}]


def foreign_rules(
    table: str, bridges: Sequence[BridgeNet], chains: Mapping[tuple[str, str, str], Any]
) -> list[Command]:
    """Return the commands that leave exactly our rules at the head of each of `chains`; none where it is so.

    `chains` maps (family, table, chain) to nft's listing of that chain; only chains that exist are in it.
    """
    commands: list[Command] = []
    for place, listing in chains.items():
        wanted = [expression for net in sorted(bridges) for expression in _admission(net.bridge)]
        rules = [entry["rule"] for entry in listing["nftables"] if "rule" in entry]
        ours = [rule for rule in rules if _ours(rule, table)]
        # Other instances' rules may stand before ours: two that each insisted on the first place would never rest.
        head = itertools.takewhile(lambda rule: str(rule.get("comment", "")).startswith(MARK), rules)
        at_head = [rule["expr"] for rule in head if _ours(rule, table)]
        if at_head == wanted and len(ours) == len(wanted):
            continue
        commands += [{"delete": {"rule": _at(place, handle=rule["handle"])}} for rule in ours]
        # Each insertion goes to the head, so the last one comes first.
        commands += [
            {"insert": {"rule": _at(place, comment=comment(table), expr=expression)}} for expression in reversed(wanted)
        ]
    return commands


def comment(table: str) -> str:
    """The mark of this instance's rules in chains of others."""
    return MARK + table


def _ours(rule: Mapping[str, Any], table: str) -> bool:
    return rule.get("comment") == comment(table)


def _at(place: tuple[str, str, str], **rest: Any) -> dict[str, Any]:
    family, table, chain = place
    return {"family": family, "table": table, "chain": chain, **rest}


def _admission(bridge: str) -> list[list[Expression]]:
    return [[_match(_meta("iifname"), bridge), ACCEPT], [_match(_meta("oifname"), bridge), ACCEPT]]


def _objects(table: str, bridges: Sequence[BridgeNet]) -> list[Command]:
    nets = sorted(set(bridges))
    names = sorted({net.bridge for net in nets})
    subnets = [{"prefix": {"addr": str(net.subnet.network_address), "len": net.subnet.prefixlen}} for net in nets]
    return [
        _set(table, "bridges", "ifname", names),
        _set(table, "same_bridge", ["ifname", "ifname"], [{"concat": [name, name]} for name in names]),
        _set(table, "subnets", "ipv4_addr", subnets, flags=["interval"]),
        _chain(table, "postrouting", "nat", "postrouting", SOURCE_NAT),
        *_rules(table, "postrouting", POSTROUTING),
        _chain(table, "forward", "filter", "forward", BEFORE_FILTERS),
        *_rules(table, "forward", FORWARD),
        _chain(table, "input", "filter", "input", BEFORE_FILTERS),
        *_rules(table, "input", INPUT),
    ]


def _set(table: str, name: str, type: str | list[str], elements: list[Any], **rest: Any) -> Command:
    # nft refuses an empty list of elements.
    elem = {"elem": elements} if elements else {}
    return {"add": {"set": {"family": FAMILY, "table": table, "name": name, "type": type, **rest, **elem}}}


def _chain(table: str, name: str, type: str, hook: str, priority: int) -> Command:
    return {
        "add": {
            "chain": {
                "family": FAMILY,
                "table": table,
                "name": name,
                "type": type,
                "hook": hook,
                "prio": priority,
                "policy": "accept",
            }
        }
    }


def _rules(table: str, chain: str, rules: Sequence[tuple[str, list[Expression]]]) -> list[Command]:
    return [
        {"add": {"rule": {"family": FAMILY, "table": table, "chain": chain, "comment": says, "expr": expression}}}
        for says, expression in rules
    ]


def _match(left: Expression, right: Any, op: str = "==") -> Expression:
    return {"match": {"op": op, "left": left, "right": right}}


def _meta(key: str) -> Expression:
    return {"meta": {"key": key}}


ACCEPT: Expression = {"accept": None}
DROP: Expression = {"drop": None}

_FROM_US = _match(_meta("iifname"), "@bridges")
_TO_US = _match(_meta("oifname"), "@bridges")
_NOT_TO_US = _match(_meta("oifname"), "@bridges", "!=")
_IPV6 = _match(_meta("nfproto"), "ipv6")
_SOURCE: Expression = {"payload": {"protocol": "ip", "field": "saddr"}}
_DESTINATION: Expression = {"payload": {"protocol": "ip", "field": "daddr"}}
_CONNECTION: Expression = {"ct": {"key": "state"}}
_MULTICAST: Expression = {"prefix": {"addr": "224.0.0.0", "len": 4}}

POSTROUTING: list[tuple[str, list[Expression]]] = [
    (
        "cells leave with the host's address",
        [
            _match(_SOURCE, "@subnets"),
            _NOT_TO_US,
            _match(_DESTINATION, _MULTICAST, "!="),
            {"masquerade": None},
        ],
    ),
]

FORWARD: list[tuple[str, list[Expression]]] = [
    (
        # Bridged packets come here where bridge-nf-call-iptables is on (Docker sets it).
        "one space is one network",
        [_match({"concat": [_meta("iifname"), _meta("oifname")]}, "@same_bridge"), ACCEPT],
    ),
    ("spaces are IPv4 only", [_FROM_US, _IPV6, DROP]),
    ("spaces are IPv4 only", [_TO_US, _IPV6, DROP]),
    ("spaces are apart", [_FROM_US, _TO_US, DROP]),
    # Conntrack does not translate what it cannot place: such a packet would leave with a cell's address.
    ("no stray packets of cells", [_FROM_US, _match(_CONNECTION, "invalid", "in"), DROP]),
    ("no forged senders", [_FROM_US, _match(_SOURCE, "@subnets", "!="), DROP]),
    ("cells reach out", [_FROM_US, ACCEPT]),
    ("answers come back", [_TO_US, _match(_CONNECTION, ["established", "related"], "in"), ACCEPT]),
    ("nobody reaches in", [_TO_US, DROP]),
]

INPUT: list[tuple[str, list[Expression]]] = [("spaces are IPv4 only", [_FROM_US, _IPV6, DROP])]
