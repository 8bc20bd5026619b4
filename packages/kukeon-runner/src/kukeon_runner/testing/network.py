"""Bridges, addresses and packet rules in memory."""

from __future__ import annotations

import asyncio
import dataclasses
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, NoReturn

from kukeon_api import errors
from kukeon_cni import conflist as lists
from kukeon_runner import observed
from kukeon_runner.firewall import Wall
from kukeon_runner.members import Members

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from ipaddress import IPv4Network

    from kukeon_api.ports import Port
    from kukeon_cni.conflist import NetworkList
    from kukeon_runner.egress import Resolution
    from kukeon_runner.firewall import BridgeNet
    from kukeon_runner.testing.faults import Faults
    from kukeon_runner.testing.kernel import FakeKernel


@dataclass
class FakeNetwork:
    faults: Faults
    kernel: FakeKernel
    addresses: dict[str, observed.Address] = field(default_factory=dict)
    residue: set[str] = field(default_factory=set)
    """Containers for which an address is held that nobody can read."""
    unplugged: set[str] = field(default_factory=set)
    """Containers whose interface is no port of a bridge any more."""
    homes: dict[str, str] = field(default_factory=dict)
    """The network that each attached container is in."""
    bridges: dict[str, IPv4Network] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    """The network that each bridge is marked with."""
    wall: Wall = field(default_factory=Wall)
    names: dict[str, Resolution | None] = field(default_factory=dict)
    """What name servers know; None for one of whom they cannot be asked now."""
    listeners: dict[Port, str] = field(default_factory=dict)
    """Ports that others have on this host, and who."""
    reservations: list[FakeReservation] = field(default_factory=list)
    """Of this instance and of others on its host."""
    forgotten: list[str] = field(default_factory=list)
    """Addresses to which connections were ended."""

    def __post_init__(self) -> None:
        self.members = Members(_FakeDoors(self), gap_s=0)

    def reopened(self) -> FakeNetwork:
        """The same network as another process comes upon it after somebody flushed the rules."""
        return dataclasses.replace(self, wall=Wall())

    @property
    def firewall(self) -> tuple[BridgeNet, ...]:
        """The bridges that the rules are for."""
        return self.wall.nets

    async def attach(self, conflist: str, container_id: str, netns: str) -> observed.Address:
        await self.members.in_force()
        async with self.faults.act(f"attach {container_id}"):
            network = self._list(conflist)
            subnet = _subnet(network)
            if netns.removesuffix("/net") not in self.kernel.pins:
                raise errors.CNIPluginFailed(f"cannot attach {container_id!r}: no network namespace {netns!r}")
            if container_id in self.addresses or container_id in self.residue:
                raise errors.CNIPluginFailed(f"cannot attach {container_id!r}: duplicate allocation")
            used = {address.ip for address in self.addresses.values()}
            ip = next(str(each) for each in list(subnet.hosts())[1:] if str(each) not in used)
            address = observed.Address(f"{ip}/{subnet.prefixlen}", str(subnet[1]))
            self.addresses[container_id] = address
            self.homes[container_id] = network.name
            self.bridges[network.bridge or ""] = subnet
        return address

    async def detach(self, conflist: str, container_id: str, netns: str) -> None:
        async with self.faults.act(f"detach {container_id}"):
            self._list(conflist)
            self._release(container_id)

    async def attachment(self, conflist: str, container_id: str) -> observed.Attachment:
        if conflist not in self.kernel.files:
            return None, False
        address = self.addresses.get(container_id)
        in_place = None if container_id in self.unplugged else address
        return in_place, address is not None or container_id in self.residue

    async def attachments(self, conflist: str, container_ids: Collection[str]) -> Mapping[str, observed.Attachment]:
        return {id: await self.attachment(conflist, id) for id in container_ids}

    async def routed(self) -> Sequence[IPv4Network]:
        return tuple(self.bridges.values())

    async def bridge_exists(self, bridge: str) -> bool:
        return bridge in self.bridges

    async def make_bridge(self, bridge: BridgeNet, network: str) -> None:
        async with self.faults.act(f"make bridge {bridge.bridge}"):
            self.bridges[bridge.bridge] = bridge.subnet
            self.marks[bridge.bridge] = network

    async def networks(self) -> Sequence[str]:
        marked = {network for bridge, network in self.marks.items() if bridge in self.bridges}
        return sorted(marked | set(self.homes.values()))

    async def holders(self, network: str) -> Sequence[str]:
        return sorted(id for id, own in self.homes.items() if own == network)

    async def remove(self, network: str, conflist: str, bridge: str) -> bool:
        async with self.faults.act(f"remove network {network}"):
            held = set(await self.holders(network))
            found = [bool(held), bridge in self.bridges, conflist in self.kernel.files]
            for id in held:
                self._release(id)
            self.members.drop(bridge)
            self.bridges.pop(bridge, None)
            self.marks.pop(bridge, None)
            self.kernel.files.pop(conflist, None)
        return any(found)

    async def apply_firewall(self, wall: Wall) -> None:
        await self.members.enforce(wall)

    async def follow_firewall(self) -> NoReturn:
        await asyncio.Event().wait()
        raise AssertionError

    async def taken(self, ports: Sequence[Port]) -> Mapping[Port, str]:
        found = {port: [who for each, who in self.listeners.items() if each.clashes(port)] for port in ports}
        return {port: who[0] for port, who in found.items() if who}

    async def reserve(self, ports: Sequence[Port]) -> FakeReservation:
        others = [port for each in self.reservations for port in each.ports]
        clash = next((port for port in ports if any(map(port.clashes, others))), None)
        made = FakeReservation(self, tuple(ports), clash)
        if clash is None:
            self.reservations.append(made)
        return made

    async def resolve(self, host: str) -> Resolution:
        found = self.names.get(host)
        if found is None:
            raise errors.HostError(f"cannot look up {host!r}: it has no IPv4 address")
        return found

    def lose_bridge(self, bridge: str) -> None:
        """Have somebody else delete a bridge, which unplugs what was plugged into it."""
        self.unplugged |= self._within(self.bridges.pop(bridge))

    def _release(self, id: str) -> None:
        self.addresses.pop(id, None)
        self.homes.pop(id, None)
        self.residue.discard(id)
        self.unplugged.discard(id)

    def _within(self, subnet: IPv4Network) -> set[str]:
        return {id for id, address in self.addresses.items() if IPv4Address(address.ip) in subnet}

    def _list(self, conflist: str) -> NetworkList:
        text = self.kernel.files.get(conflist)
        if text is None:
            raise errors.HostError(f"cannot read the network configuration: no such file: {conflist!r}")
        return lists.parse(text.encode())


@dataclass(eq=False)
class FakeReservation:
    network: FakeNetwork
    ports: tuple[Port, ...]
    clash: Port | None = None

    def release(self) -> None:
        self.network.reservations = [each for each in self.network.reservations if each is not self]


class _FakeDoors:
    def __init__(self, network: FakeNetwork) -> None:
        self._network = network

    async def enforce(self, wall: Wall) -> None:
        async with self._network.faults.act("apply the firewall"):
            self._network.wall = wall

    async def read(self, path: str) -> str | None:
        return self._network.kernel.files.get(path)

    async def write(self, path: str, text: str) -> None:
        if path in self._network.kernel.files:
            self._network.kernel.files[path] = text

    async def forget(self, address: str) -> None:
        self._network.forgotten.append(address)


def _subnet(network: NetworkList) -> IPv4Network:
    assert network.subnet is not None
    return network.subnet
