"""Spaces: a CNI network with its subnet and bridge, our firewall's share of it, and a cgroup."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, model
from kukeon_cni import conflist
from kukeon_runner import instance
from kukeon_runner.firewall import BridgeNet
from kukeon_runner.runner.level import Piece
from kukeon_runner.runner.purge import Purging
from kukeon_runner.together import together

if TYPE_CHECKING:
    from ipaddress import IPv4Network


class Spaces(Purging[model.SpaceDoc]):
    kind = "Space"
    document = model.SpaceDoc

    def complete(self, ref: model.Ref, doc: model.SpaceDoc) -> model.SpaceDoc:
        path = self.context.layout.conflist(ref)
        return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, cni_config_path=path))

    def pieces(self, ref: model.Ref, doc: model.SpaceDoc) -> tuple[Piece, ...]:
        host, cgroup = self.context.host, self.context.layout.cgroup(ref)
        return (
            Piece(
                "network",
                partial(self.network_exists, ref),
                partial(self._make_network, ref),
                partial(self._remove_network, ref),
                partial(self._network_left, ref),
            ),
            Piece(
                "cgroup",
                partial(host.kernel.cgroup_exists, cgroup),
                partial(host.kernel.make_cgroup, cgroup),
                partial(host.kernel.remove_cgroup, cgroup),
            ),
        )

    async def network_exists(self, ref: model.Ref) -> bool:
        """Whether the network is described as it should be and its bridge is there."""
        try:
            text = await self.context.host.kernel.read_file(self.context.layout.conflist(ref))
        except FileNotFoundError:
            return False
        subnet = self.context.subnets.find(ref)
        described = subnet is not None and text == self._conflist(ref, subnet)
        return described and await self.context.host.network.bridge_exists(self.context.layout.bridge(ref))

    async def _network_left(self, ref: model.Ref) -> bool:
        """Whether anything of the network is there: bridge, description, subnet, addresses or cached results."""
        host, layout = self.context.host, self.context.layout
        network = layout.network(ref)
        if await host.network.bridge_exists(layout.bridge(ref)) or await host.network.holders(network):
            return True
        if await asyncio.to_thread(self.context.subnets.recorded, ref):
            return True
        places = (layout.conflist(ref), layout.ipam(ref), f"{layout.cni_cache}/{network}")
        return any(await together(*map(host.kernel.exists, places)))

    async def _make_network(self, ref: model.Ref) -> None:
        host, layout = self.context.host, self.context.layout
        async with self.context.network_lock:
            spaces = [model.ref_of(each) for each in self.context.store.docs(model.SpaceDoc)]
            instance.check_bridges(layout, spaces, ref)
            subnet = self.context.subnets.allocate(ref, await host.network.routed())
            # Made now and not by the first cell: its route keeps others on this host from choosing the same subnet.
            await host.network.make_bridge(BridgeNet(layout.bridge(ref), subnet), layout.network(ref))
            await host.network.apply_firewall(self._bridges())
            # Last: where it is, all the rest has been made.
            await host.kernel.write_file(layout.conflist(ref), self._conflist(ref, subnet))

    async def _remove_network(self, ref: model.Ref) -> None:
        host, layout = self.context.host, self.context.layout
        async with self.context.network_lock:
            # Rules first: as long as they cannot be changed, the rest stays and is found by the next attempt.
            await host.network.apply_firewall([each for each in self._bridges() if each.bridge != layout.bridge(ref)])
            await host.network.remove(layout.network(ref), layout.conflist(ref), layout.bridge(ref))
            self.context.subnets.release(ref)

    async def assert_networks(self) -> None:
        """Have bridges and packet rules as the stored spaces need them: a reboot clears both, and others may, too."""
        async with self.context.network_lock:
            for ref, subnet in self.context.subnets.allocated():
                bridge = BridgeNet(self.context.layout.bridge(ref), subnet)
                await self.context.host.network.make_bridge(bridge, self.context.layout.network(ref))
            await self.context.host.network.apply_firewall(self._bridges())

    async def troubles(self) -> list[str]:
        """A line for each space whose bridge is gone."""
        found = []
        for ref, _ in self.context.subnets.allocated():
            bridge = self.context.layout.bridge(ref)
            if not await self.context.host.network.bridge_exists(bridge):
                found.append(f"the bridge {bridge!r} of space {str(ref)!r} is gone")
        return found

    def _bridges(self) -> list[BridgeNet]:
        layout = self.context.layout
        found = [BridgeNet(layout.bridge(ref), subnet) for ref, subnet in self.context.subnets.allocated()]
        return sorted(found, key=lambda each: each.bridge)

    def _conflist(self, ref: model.Ref, subnet: IPv4Network) -> str:
        layout = self.context.layout
        network = conflist.build_bridge(layout.network(ref), layout.bridge(ref), subnet, data_dir=layout.cni_data)
        return conflist.to_json(network).decode()

    def check_change(self, stored: model.SpaceDoc, wanted: model.SpaceDoc) -> None:
        """Raise BreakingChange for what cannot change in place."""
        if wanted.spec.cni_config_path and wanted.spec.cni_config_path != stored.spec.cni_config_path:
            raise errors.BreakingChange(
                f"cannot change spec.cniConfigPath of space {stored.metadata.name!r}",
                hint="leave spec.cniConfigPath out: kukeond writes the file",
            )
