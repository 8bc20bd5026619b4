"""The base rules of our table, as nft's JSON expressions. They never change; sets and maps hold what does.

Priorities: `egress` at -150, after conntrack (-200) and before destination NAT (-100): a policy is about where a cell
wants to go, not about where that leads, and one place decides for packets to the host and through it. `forward` and
`input` at -10, before the filter chains of others (0; firewalld 10), so that our counters and drops come first.
`postrouting` at 100, where source NAT belongs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Command = dict[str, Any]
Expression = dict[str, Any]
Rule = tuple[str, list[Expression]]
"""A comment, for people and listings, and what it matches and does."""


@dataclass(frozen=True)
class Chain:
    type: str
    hook: str
    priority: int
    rules: Sequence[Rule]


def match(left: Expression, right: Any, op: str = "==") -> Expression:
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key: str) -> Expression:
    return {"meta": {"key": key}}


def towards(networks: list[Any], ports: Sequence[int]) -> list[Expression]:
    """Match packets to `networks`, of any kind or to `ports` of TCP and UDP."""
    reached = [match(_DESTINATION, {"set": networks})]
    return [*reached, _TRANSPORT, match(_PORT, {"set": sorted(ports)})] if ports else reached


def _concat(*parts: Expression) -> Expression:
    return {"concat": list(parts)}


def _ct(key: str) -> Expression:
    return {"ct": {"key": key}}


def _payload(protocol: str, field: str) -> Expression:
    return {"payload": {"protocol": protocol, "field": field}}


def _prefix(address: str, length: int) -> Expression:
    return {"prefix": {"addr": address, "len": length}}


def _translate(name: str, key: Expression) -> Expression:
    """Send on what has an entry in the maps called `name`; the other packets go on to the next rule."""
    address, port = ({"map": {"key": key, "data": f"@{name}_{what}"}} for what in ("address", "port"))
    return {"dnat": {"family": "ip", "addr": address, "port": port}}


ACCEPT: Expression = {"accept": None}
DROP: Expression = {"drop": None}
COUNTER: Expression = {"counter": {"packets": 0, "bytes": 0}}
_MASQUERADE: Expression = {"masquerade": None}

_PROTOCOL = meta("l4proto")
_SOURCE = _payload("ip", "saddr")
_DESTINATION = _payload("ip", "daddr")
_PORT = _payload("th", "dport")
_TRANSPORT = match(_PROTOCOL, {"set": ["tcp", "udp"]})

_FROM_US = match(meta("iifname"), "@bridges")
_NOT_FROM_US = match(meta("iifname"), "@bridges", "!=")
_TO_US = match(meta("oifname"), "@bridges")
_NOT_TO_US = match(meta("oifname"), "@bridges", "!=")
_IPV6 = match(meta("nfproto"), "ipv6")
_STATE = _ct("state")
ESTABLISHED = match(_STATE, "established", "in")
_RELATED = match(_STATE, "related", "in")
_ANSWER = match(_ct("direction"), "reply")
_TRANSLATED = match(_ct("status"), "dnat", "in")
_HERE = match({"fib": {"result": "type", "flags": ["daddr"]}}, "local")
_ELSEWHERE = match({"fib": {"result": "type", "flags": ["daddr"]}}, "local", "!=")
_LOOPBACK = _prefix("127.0.0.0", 8)
_MULTICAST = _prefix("224.0.0.0", 4)

EGRESS: list[Rule] = [
    ("only cells", [_NOT_FROM_US, ACCEPT]),
    ("spaces are IPv4 only", [_IPV6, DROP]),
    # Without these, the routes that published ports need would lead cells to the host's own loopback.
    ("nobody's loopback", [match(_SOURCE, _LOOPBACK), DROP]),
    ("nobody's loopback", [match(_DESTINATION, _LOOPBACK), DROP]),
    ("answers leave", [ESTABLISHED, _ANSWER, ACCEPT]),
    ("errors leave", [_RELATED, match(_PROTOCOL, "icmp"), ACCEPT]),
    # Bridged packets come here where bridge-nf-call-iptables is on (Docker sets it).
    ("one space is one network", [match(_concat(meta("iifname"), _DESTINATION), "@neighbours"), _ELSEWHERE, ACCEPT]),
    ("names can be asked for", [match(_DESTINATION, "@resolvers"), _TRANSPORT, match(_PORT, 53), ACCEPT]),
    ("as the space says", [{"vmap": {"key": meta("iifname"), "data": "@policies"}}]),
]

PUBLISH: list[Rule] = [
    ("ports of an address", [_translate("at", _concat(_DESTINATION, _PROTOCOL, _PORT))]),
    ("ports of the host", [_HERE, _translate("everywhere", _concat(_PROTOCOL, _PORT))]),
]

POSTROUTING: list[Rule] = [
    ("the host's loopback reaches in", [match(_SOURCE, _LOOPBACK), _TO_US, _MASQUERADE]),
    # The answer would take the short way, to somebody who asked the host.
    ("cells reach published ports", [_TRANSLATED, match(_SOURCE, "@subnets"), _TO_US, _MASQUERADE]),
    (
        "cells leave with the host's address",
        [match(_SOURCE, "@subnets"), _NOT_TO_US, match(_DESTINATION, _MULTICAST, "!="), _MASQUERADE],
    ),
]

FORWARD: list[Rule] = [
    # Bridged packets come here where bridge-nf-call-iptables is on (Docker sets it).
    ("one space is one network", [match(_concat(meta("iifname"), meta("oifname")), "@same_bridge"), ACCEPT]),
    ("spaces are IPv4 only", [_FROM_US, _IPV6, DROP]),
    ("spaces are IPv4 only", [_TO_US, _IPV6, DROP]),
    (
        "published ports lead in",
        [_TO_US, _TRANSLATED, match(_concat(_DESTINATION, _PROTOCOL, _PORT), "@published"), ACCEPT],
    ),
    ("their answers leave", [_FROM_US, _TRANSLATED, ESTABLISHED, _ANSWER, ACCEPT]),
    ("spaces are apart", [_FROM_US, _TO_US, DROP]),
    # Conntrack does not translate what it cannot place: such a packet would leave with a cell's address.
    ("no stray packets of cells", [_FROM_US, match(_STATE, "invalid", "in"), DROP]),
    ("no forged senders", [_FROM_US, match(_SOURCE, "@subnets", "!="), DROP]),
    ("cells reach out", [_FROM_US, ACCEPT]),
    # Not the other direction: what a published port let in ends with the port.
    ("answers come back", [_TO_US, ESTABLISHED, _ANSWER, ACCEPT]),
    ("errors come back", [_TO_US, _RELATED, ACCEPT]),
    ("nobody reaches in", [_TO_US, DROP]),
]

INPUT: list[Rule] = [("spaces are IPv4 only", [_FROM_US, _IPV6, DROP])]

CHAINS = {
    "egress": Chain("filter", "prerouting", -150, EGRESS),
    "publish": Chain("nat", "prerouting", -100, PUBLISH),
    "publish_local": Chain("nat", "output", -100, PUBLISH),
    "postrouting": Chain("nat", "postrouting", 100, POSTROUTING),
    "forward": Chain("filter", "forward", -10, FORWARD),
    "input": Chain("filter", "input", -10, INPUT),
}
