"""What the packet filter has to know of an instance, as values, and our own table made of it: pure functions.

The one table, `inet <table>`, is always replaced as a whole (add, delete, add: nft before 1.0.7 has no `destroy`, and
deleting an absent table fails). Its base rules never change, see `firewall_rules`; bridges, subnets and published ports
are elements of sets and maps, and each space that denies has a chain of its own, reached by its bridge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kukeon_api import ports
from kukeon_runner import firewall_rules

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network

    from kukeon_runner.firewall_rules import Command, Expression

FAMILY = "inet"


@dataclass(frozen=True, order=True)
class BridgeNet:
    """A space's bridge and the subnet behind it."""

    bridge: str
    subnet: IPv4Network


@dataclass(frozen=True)
class Destination:
    """Where cells may go although their space denies: `networks`, at `ports` of TCP and UDP (none: everything)."""

    networks: tuple[IPv4Network, ...]
    ports: tuple[int, ...] = ()
    past: tuple[IPv4Network, ...] = ()
    """Addresses that the destination had: connections to them may go on, and no new one begins."""


@dataclass(frozen=True)
class Policy:
    """What the cells behind `bridge` may reach; a bridge without a policy lets everything out."""

    bridge: str
    allow: tuple[Destination, ...] = ()


@dataclass(frozen=True, order=True)
class Published:
    """A port of the host and the address of the cell, behind `bridge`, that it leads to."""

    port: ports.Port
    address: str
    bridge: str

    @property
    def local(self) -> bool:
        """Whether it is open on the host's loopback, whose packets the kernel keeps from every other link."""
        return self.port.address == ports.EVERYWHERE or self.port.address.startswith("127.")


@dataclass(frozen=True)
class Wall:
    """Everything that the rules are made from."""

    nets: tuple[BridgeNet, ...] = ()
    policies: tuple[Policy, ...] = ()
    resolvers: tuple[str, ...] = ()
    """Name servers of the cells, which every policy lets them ask."""
    published: tuple[Published, ...] = ()

    def routes_localnet(self, bridge: str) -> bool:
        """Whether packets of the host's loopback have to pass `bridge`."""
        return any(each.local and each.bridge == bridge for each in self.published)


def ruleset(table: str, wall: Wall) -> list[Command]:
    """Return the commands that make table `inet <table>` exactly this, in one transaction."""
    whole = {"table": {"family": FAMILY, "name": table}}
    objects = _objects(wall)
    for command in objects:
        ((_, thing),) = command["add"].items()
        thing |= {"family": FAMILY, "table": table}
    return [{"add": whole}, {"delete": whole}, {"add": whole}, *objects]


def removal(table: str) -> list[Command]:
    """Return the commands that leave no table `inet <table>`, whether it is there or not."""
    whole = {"table": {"family": FAMILY, "name": table}}
    return [{"add": whole}, {"delete": whole}]


def _objects(wall: Wall) -> list[Command]:
    nets = sorted(set(wall.nets))
    names = sorted({net.bridge for net in nets})
    subnets = [_prefix(net.subnet) for net in nets]
    policies = sorted((each for each in wall.policies if each.bridge in names), key=lambda each: each.bridge)
    verdicts = [[each.bridge, {"goto": {"target": _chain_of(each)}}] for each in policies]
    commands = [
        _set("bridges", "ifname", names),
        _set("same_bridge", ["ifname", "ifname"], [{"concat": [name, name]} for name in names]),
        _set("subnets", "ipv4_addr", subnets, flags=["interval"]),
        _set(
            "neighbours",
            ["ifname", "ipv4_addr"],
            [{"concat": [net.bridge, _prefix(net.subnet)]} for net in nets],
            flags=["interval"],
        ),
        _set("resolvers", "ipv4_addr", sorted(set(wall.resolvers))),
        *_published(sorted(set(wall.published))),
    ]
    for each in policies:
        commands += [_chain(_chain_of(each)), *_rules(_chain_of(each), _policy(each))]
    commands.append(_map("policies", "ifname", "verdict", verdicts))
    for name, chain in firewall_rules.CHAINS.items():
        hooked = {"type": chain.type, "hook": chain.hook, "prio": chain.priority, "policy": "accept"}
        commands += [_chain(name, **hooked), *_rules(name, chain.rules)]
    return commands


def _published(published: Sequence[Published]) -> list[Command]:
    """The maps from ports of the host to cells, apart by whether they name an address, and the set of both's ends."""
    at: list[tuple[list[Any], Published]] = []
    everywhere: list[tuple[list[Any], Published]] = []
    for each in published:
        key = [each.port.protocol, each.port.host]
        if each.port.address == ports.EVERYWHERE:
            everywhere.append((key, each))
        else:
            at.append(([each.port.address, *key], each))
    commands = []
    for name, key_type, entries in (
        ("at", ["ipv4_addr", "inet_proto", "inet_service"], at),
        ("everywhere", ["inet_proto", "inet_service"], everywhere),
    ):
        # Two maps, since nft 1.0.6 ends with a segmentation fault over one whose values are address and port.
        addresses = [[{"concat": key}, each.address] for key, each in entries]
        numbers = [[{"concat": key}, each.port.cell] for key, each in entries]
        commands += [
            _map(f"{name}_address", key_type, "ipv4_addr", addresses),
            _map(f"{name}_port", key_type, "inet_service", numbers),
        ]
    ends = sorted({(each.address, each.port.protocol, each.port.cell) for each in published})
    commands.append(
        _set("published", ["ipv4_addr", "inet_proto", "inet_service"], [{"concat": list(end)} for end in ends])
    )
    return commands


def _policy(policy: Policy) -> list[firewall_rules.Rule]:
    rules: list[firewall_rules.Rule] = []
    for index, each in enumerate(policy.allow):
        says = f"allow[{index}]"
        if each.networks:
            rules.append((says, [*firewall_rules.towards(_prefixes(each.networks), each.ports), firewall_rules.ACCEPT]))
        if each.past:
            reached = firewall_rules.towards(_prefixes(each.past), each.ports)
            rules.append((f"{says} before", [firewall_rules.ESTABLISHED, *reached, firewall_rules.ACCEPT]))
    return [*rules, ("default deny", [firewall_rules.COUNTER, firewall_rules.DROP])]


def _prefixes(networks: Sequence[IPv4Network]) -> list[Any]:
    return [_prefix(each) for each in sorted(networks)]


def _prefix(network: IPv4Network) -> dict[str, Any]:
    return {"prefix": {"addr": str(network.network_address), "len": network.prefixlen}}


def _chain_of(policy: Policy) -> str:
    # nft's own syntax takes no dash in a name, and listings are read back by it.
    return f"egress_{policy.bridge.replace('-', '_')}"


def _set(name: str, type: str | list[str], elements: list[Any], **rest: Any) -> Command:
    # nft refuses an empty list of elements.
    elem = {"elem": elements} if elements else {}
    return {"add": {"set": {"name": name, "type": type, **rest, **elem}}}


def _map(name: str, key: str | list[str], value: str, elements: list[Any]) -> Command:
    elem = {"elem": elements} if elements else {}
    return {"add": {"map": {"name": name, "type": key, "map": value, **elem}}}


def _chain(name: str, **hooked: Any) -> Command:
    return {"add": {"chain": {"name": name, **hooked}}}


def _rules(chain: str, rules: Sequence[tuple[str, list[Expression]]]) -> list[Command]:
    return [{"add": {"rule": {"chain": chain, "comment": says, "expr": expression}}} for says, expression in rules]
