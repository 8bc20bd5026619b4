"""What the egress policies of spaces mean in addresses, now: pure, and the memory of names that it needs.

A name that moved to other addresses lets no new connection go to the old ones, but what was connected goes on: the
program at the other end did not move because its name did.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, collapse_addresses
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import egress
from kukeon_runner.firewall import Destination, Policy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kukeon_api import model

SHORTEST_S, LONGEST_S = 5.0, 3600.0
"""Bounds of what a record may ask for: one of a load balancer may say 0, and a lost one a week."""
RETRY_S = 5.0
"""After a name could not be looked up; its last addresses hold meanwhile."""
MOST_PAST = 64
"""Addresses that a name had, of which connections may go on: a service that moves every minute must not fill a set."""


@dataclass(frozen=True)
class Resolution:
    """The addresses of a name, and for how many seconds they hold."""

    addresses: tuple[str, ...]
    ttl_s: float


@dataclass
class Known:
    """What is known of one name. `due` is when to look again, in the loop's time."""

    addresses: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    due: float = 0.0


@dataclass
class Names:
    """The names that policies mention, as they were last seen."""

    known: dict[str, Known] = field(default_factory=dict)

    def learn(self, host: str, found: Resolution, now: float) -> bool:
        """Take what was found; True when addresses differ from before."""
        known = self.known.setdefault(host, Known())
        addresses = tuple(sorted(found.addresses))
        changed = known.addresses != addresses
        if changed:
            left = [each for each in (*known.addresses, *known.past) if each not in addresses]
            known.past = tuple(dict.fromkeys(left))[:MOST_PAST]
            known.addresses = addresses
        known.due = now + min(max(found.ttl_s, SHORTEST_S), LONGEST_S)
        return changed

    def postpone(self, host: str, now: float) -> None:
        """Look again in a while; what is known holds."""
        self.known.setdefault(host, Known()).due = now + RETRY_S

    def keep_only(self, hosts: Iterable[str], now: float) -> None:
        """Forget the names that no policy mentions. Fresh ones stay: they may be of a policy that is just coming."""
        mentioned = set(hosts)
        self.known = {host: each for host, each in self.known.items() if host in mentioned or each.due > now}

    def to_json(self) -> str:
        """What is known, for `recall` in a later process."""
        kept = {host: {"addresses": each.addresses, "past": each.past} for host, each in self.known.items()}
        return json.dumps(kept, sort_keys=True)

    def recall(self, text: str) -> None:
        """Know again what `to_json` gave, all of it due. Raises ValueError for what cannot be that."""
        kept = msgspec.json.decode(text, type=dict[str, _Kept])
        for host, each in kept.items():
            for address in (*each.addresses, *each.past):
                IPv4Address(address)
            self.known.setdefault(host, Known(each.addresses, each.past))

    def due(self, hosts: Iterable[str], now: float) -> list[str]:
        """Those of `hosts` that are to be looked up now."""
        return [host for host in hosts if host not in self.known or self.known[host].due <= now]

    def next_due(self, hosts: Iterable[str]) -> float | None:
        """When the first of `hosts` is to be looked up; None without any."""
        return min((self.known[host].due if host in self.known else 0.0 for host in hosts), default=None)


class _Kept(msgspec.Struct):
    addresses: tuple[str, ...]
    past: tuple[str, ...] = ()


def hosts(policy: model.EgressPolicy | None) -> tuple[str, ...]:
    """The names that `policy` (normal) needs to be looked up."""
    if policy is None or not egress.denies(policy):
        return ()
    return tuple(sorted({rule.host for rule in policy.allow if rule.host}))


def policy(bridge: str, wanted: model.EgressPolicy | None, names: Names) -> Policy | None:
    """What `wanted` (normal) means behind `bridge`; None where everything may leave.

    A name that is not known lets nothing through.
    """
    if wanted is None or not egress.denies(wanted):
        return None
    return Policy(bridge, tuple(_destination(rule, names) for rule in wanted.allow))


def _destination(rule: model.EgressRule, names: Names) -> Destination:
    if rule.cidr:
        return Destination((IPv4Network(rule.cidr),), rule.ports)
    known = names.known.get(rule.host, Known())
    return Destination(_networks(known.addresses), rule.ports, _networks(known.past))


def _networks(addresses: Iterable[str]) -> tuple[IPv4Network, ...]:
    return tuple(collapse_addresses(IPv4Network(IPv4Address(each)) for each in addresses))
