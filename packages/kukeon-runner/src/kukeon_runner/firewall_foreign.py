"""Our rules in chains of others, which may drop what we admit: an accept is final only within its own base chain.

Hosts whose `ip filter FORWARD` drops (iptables-nft, Docker) need ours there, too. They carry the comment
`kukeon:<table>` and are found again by it, whoever made them. They match nothing but interface names: conntrack or set
expressions of nft would make `iptables-save` call the table incompatible, and the programs of others rely on it. New
connections into a bridge are nevertheless refused, by our own table.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from kukeon_runner.firewall_rules import ACCEPT, Command, Expression, match, meta

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MARK = "kukeon:"

Place = tuple[str, str, str]
"""Family, table and chain."""

CHAINS: tuple[Place, ...] = (("ip", "filter", "FORWARD"), ("ip", "filter", "DOCKER-USER"))
"""Where others may drop forwarded packets; Docker leaves the second to the administrator."""


def rules(table: str, bridges: Iterable[str], chains: Mapping[Place, Any]) -> list[Command]:
    """Return the commands that leave exactly our rules at the head of each of `chains`; none where it is so.

    `chains` maps a place to nft's listing of that chain; only chains that exist are in it.
    """
    wanted = [expression for bridge in sorted(set(bridges)) for expression in _admission(bridge)]
    commands: list[Command] = []
    for place, listing in chains.items():
        present = [entry["rule"] for entry in listing["nftables"] if "rule" in entry]
        ours = [rule for rule in present if _ours(rule, table)]
        # Other instances' rules may stand before ours: two that each insisted on the first place would never rest.
        head = itertools.takewhile(lambda rule: str(rule.get("comment", "")).startswith(MARK), present)
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


def _at(place: Place, **rest: Any) -> dict[str, Any]:
    family, table, chain = place
    return {"family": family, "table": table, "chain": chain, **rest}


def _admission(bridge: str) -> list[list[Expression]]:
    return [[match(meta("iifname"), bridge), ACCEPT], [match(meta("oifname"), bridge), ACCEPT]]
