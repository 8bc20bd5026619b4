"""Bridges, addresses and packet rules in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_cni import conflist as lists
from kukeon_runner import observed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Network

    from kukeon_cni.conflist import NetworkList
    from kukeon_runner.firewall import BridgeNet
    from kukeon_runner.testing.faults import Faults
    from kukeon_runner.testing.kernel import FakeKernel


@dataclass
class FakeNetwork:
    faults: Faults
    kernel: FakeKernel
    attachments: dict[str, observed.Address] = field(default_factory=dict)
    residue: set[str] = field(default_factory=set)
    """Containers for which an address is held that nobody can read."""
    unplugged: set[str] = field(default_factory=set)
    """Containers whose interface is no port of a bridge any more."""
    members: dict[str, str] = field(default_factory=dict)
    """The network that each attached container is in."""
    bridges: dict[str, IPv4Network] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    """The network that each bridge is marked with."""
    firewall: tuple[BridgeNet, ...] = ()

    async def attach(self, conflist: str, container_id: str, netns: str) -> observed.Address:
        async with self.faults.act(f"attach {container_id}"):
            network = self._list(conflist)
            subnet = _subnet(network)
            if netns.removesuffix("/net") not in self.kernel.pins:
                raise errors.CNIPluginFailed(f"cannot attach {container_id!r}: no network namespace {netns!r}")
            if container_id in self.attachments or container_id in self.residue:
                raise errors.CNIPluginFailed(f"cannot attach {container_id!r}: duplicate allocation")
            used = {address.ip for address in self.attachments.values()}
            ip = next(str(each) for each in list(subnet.hosts())[1:] if str(each) not in used)
            address = observed.Address(f"{ip}/{subnet.prefixlen}", str(subnet[1]))
            self.attachments[container_id] = address
            self.members[container_id] = network.name
            self.bridges[network.bridge or ""] = subnet
        return address

    async def detach(self, conflist: str, container_id: str, netns: str) -> None:
        async with self.faults.act(f"detach {container_id}"):
            self._list(conflist)
            self._release(container_id)

    async def attachment(self, conflist: str, container_id: str) -> tuple[observed.Address | None, bool]:
        if conflist not in self.kernel.files:
            return None, False
        address = self.attachments.get(container_id)
        in_place = None if container_id in self.unplugged else address
        return in_place, address is not None or container_id in self.residue

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
        return sorted(marked | set(self.members.values()))

    async def holders(self, network: str) -> Sequence[str]:
        return sorted(id for id, own in self.members.items() if own == network)

    async def remove(self, network: str, conflist: str, bridge: str) -> bool:
        async with self.faults.act(f"remove network {network}"):
            held = set(await self.holders(network))
            found = [bool(held), bridge in self.bridges, conflist in self.kernel.files]
            for id in held:
                self._release(id)
            self.bridges.pop(bridge, None)
            self.marks.pop(bridge, None)
            self.kernel.files.pop(conflist, None)
        return any(found)

    async def apply_firewall(self, bridges: Sequence[BridgeNet]) -> None:
        async with self.faults.act("apply the firewall"):
            self.firewall = tuple(bridges)

    def lose_bridge(self, bridge: str) -> None:
        """Have somebody else delete a bridge, which unplugs what was plugged into it."""
        self.unplugged |= self._within(self.bridges.pop(bridge))

    def _release(self, id: str) -> None:
        self.attachments.pop(id, None)
        self.members.pop(id, None)
        self.residue.discard(id)
        self.unplugged.discard(id)

    def _within(self, subnet: IPv4Network) -> set[str]:
        return {id for id, address in self.attachments.items() if IPv4Address(address.ip) in subnet}

    def _list(self, conflist: str) -> NetworkList:
        text = self.kernel.files.get(conflist)
        if text is None:
            raise errors.HostError(f"cannot read the network configuration: no such file: {conflist!r}")
        return lists.parse(text.encode())


def _subnet(network: NetworkList) -> IPv4Network:
    assert network.subnet is not None
    return network.subnet
