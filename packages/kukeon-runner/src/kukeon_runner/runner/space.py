"""Spaces: a CNI network with its subnet and bridge, our firewall's share of it, and a cgroup."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from ipaddress import IPv4Network
from typing import Any

import msgspec

from kukeon_api import errors, model
from kukeon_cni import conflist
from kukeon_runner.firewall import BridgeNet
from kukeon_runner.runner.level import Level, Piece


class Spaces(Level[model.SpaceDoc]):
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
            ),
            Piece(
                "cgroup",
                partial(host.kernel.cgroup_exists, cgroup),
                partial(host.kernel.make_cgroup, cgroup),
                partial(host.kernel.remove_cgroup, cgroup),
            ),
        )

    def status(self, doc: model.SpaceDoc, post: Mapping[str, bool]) -> dict[str, Any]:
        return {"cgroup_path": self.context.layout.cgroup(model.ref_of(doc)), "cgroup_ready": post["cgroup"]}

    async def network_exists(self, ref: model.Ref) -> bool:
        """Whether the space's network is described as it should be; the bridge comes with its first cell."""
        try:
            text = await self.context.host.kernel.read_file(self.context.layout.conflist(ref))
        except FileNotFoundError:
            return False
        subnet = self.context.subnets.find(ref)
        return subnet is not None and text == self._conflist(ref, subnet)

    async def _make_network(self, ref: model.Ref) -> None:
        async with self.context.network_lock:
            routed = await self.context.host.network.routed()
            subnet = self.context.subnets.allocate(ref, routed)
            await self.context.host.kernel.write_file(self.context.layout.conflist(ref), self._conflist(ref, subnet))
            await self._apply_firewall()

    async def _remove_network(self, ref: model.Ref) -> None:
        async with self.context.network_lock:
            await self.context.host.network.remove(self.context.layout.conflist(ref), self.context.layout.bridge(ref))
            self.context.subnets.release(ref)
            await self._apply_firewall()

    async def assert_firewall(self) -> None:
        """Have our rules say what the stored spaces are; done at start and whenever somebody may have flushed them."""
        async with self.context.network_lock:
            await self._apply_firewall()

    async def _apply_firewall(self) -> None:
        bridges = [
            BridgeNet(self.context.layout.bridge(ref), subnet) for ref, subnet in self.context.subnets.allocated()
        ]
        await self.context.host.network.apply_firewall(sorted(bridges, key=lambda each: each.bridge))

    def _conflist(self, ref: model.Ref, subnet: IPv4Network) -> str:
        layout = self.context.layout
        return conflist.to_json(
            conflist.build_bridge(layout.network(ref), layout.bridge(ref), subnet, data_dir=layout.cni_data)
        )

    def check_change(self, stored: model.SpaceDoc, wanted: model.SpaceDoc) -> None:
        """Raise BreakingChange for what cannot change in place."""
        if wanted.spec.cni_config_path and wanted.spec.cni_config_path != stored.spec.cni_config_path:
            raise errors.BreakingChange(
                f"cannot change spec.cniConfigPath of space {stored.metadata.name!r}",
                hint="leave spec.cniConfigPath out: kukeond writes the file",
            )
