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
    bridges: dict[str, IPv4Network] = field(default_factory=dict)
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
            self.bridges[network.bridge or ""] = subnet
        return address

    async def detach(self, conflist: str, container_id: str, netns: str) -> None:
        async with self.faults.act(f"detach {container_id}"):
            self._list(conflist)
            self.attachments.pop(container_id, None)
            self.residue.discard(container_id)
            self.unplugged.discard(container_id)

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

    async def make_bridge(self, bridge: BridgeNet) -> None:
        async with self.faults.act(f"make bridge {bridge.bridge}"):
            self.bridges[bridge.bridge] = bridge.subnet

    async def remove(self, conflist: str, bridge: str) -> None:
        async with self.faults.act(f"remove network {conflist}"):
            if conflist in self.kernel.files:
                held = self._within(_subnet(self._list(conflist)))
                self.attachments = {id: each for id, each in self.attachments.items() if id not in held}
                self.unplugged -= held
            self.bridges.pop(bridge, None)
            self.kernel.files.pop(conflist, None)

    async def apply_firewall(self, bridges: Sequence[BridgeNet]) -> None:
        async with self.faults.act("apply the firewall"):
            self.firewall = tuple(bridges)

    def lose_bridge(self, bridge: str) -> None:
        """Have somebody else delete a bridge, which unplugs what was plugged into it."""
        self.unplugged |= self._within(self.bridges.pop(bridge))

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
