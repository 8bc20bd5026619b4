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
    bridges: dict[str, IPv4Network] = field(default_factory=dict)
    firewall: tuple[BridgeNet, ...] = ()

    async def attach(self, conflist: str, container_id: str, netns: str) -> observed.Address:
        async with self.faults.act(f"attach {container_id}"):
            subnet = self._subnet(conflist)
            if netns.removesuffix("/net") not in self.kernel.pins:
                raise errors.CNIPluginFailed(f"cannot attach {container_id!r}: no network namespace {netns!r}")
            if container_id in self.attachments or container_id in self.residue:
                raise errors.CNIPluginFailed(f"cannot attach {container_id!r}: duplicate allocation")
            used = {address.ip for address in self.attachments.values()}
            ip = next(str(each) for each in list(subnet.hosts())[1:] if str(each) not in used)
            address = observed.Address(f"{ip}/{subnet.prefixlen}", str(subnet[1]))
            self.attachments[container_id] = address
        return address

    async def detach(self, conflist: str, container_id: str, netns: str) -> None:
        async with self.faults.act(f"detach {container_id}"):
            self._subnet(conflist)
            self.attachments.pop(container_id, None)
            self.residue.discard(container_id)

    async def attachment(self, conflist: str, container_id: str) -> tuple[observed.Address | None, bool]:
        if conflist not in self.kernel.files:
            return None, False
        address = self.attachments.get(container_id)
        return address, address is not None or container_id in self.residue

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
                subnet = self._subnet(conflist)
                held = {id for id, address in self.attachments.items() if IPv4Address(address.ip) in subnet}
                self.attachments = {id: each for id, each in self.attachments.items() if id not in held}
            self.bridges.pop(bridge, None)
            self.kernel.files.pop(conflist, None)

    async def apply_firewall(self, bridges: Sequence[BridgeNet]) -> None:
        async with self.faults.act("apply the firewall"):
            self.firewall = tuple(bridges)

    def _subnet(self, conflist: str) -> IPv4Network:
        text = self.kernel.files.get(conflist)
        if text is None:
            raise errors.HostError(f"cannot read the network configuration: no such file: {conflist!r}")
        subnet = lists.parse(text.encode()).subnet
        assert subnet is not None
        return subnet
