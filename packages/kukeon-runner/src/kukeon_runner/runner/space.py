"""Spaces: a CNI network with its subnet and bridge, our firewall's share of it, and a cgroup."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import msgspec

from kukeon_api import errors, model, names
from kukeon_cni import conflist
from kukeon_runner import egress, etc, instance
from kukeon_runner.firewall import BridgeNet, Wall
from kukeon_runner.members import Census
from kukeon_runner.peers import Member
from kukeon_runner.runner import ports
from kukeon_runner.runner.level import Piece
from kukeon_runner.runner.purge import Purging
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ipaddress import IPv4Network

    from kukeon_runner.runner.cell import Cells
    from kukeon_runner.runner.context import Context
    from kukeon_runner.runner.level import Level

log = logging.getLogger(__name__)

LOOK_AGAIN_S = 5.0
"""Between two looks at which names policies mention."""

CLOSED = model.EgressPolicy(default="deny")


class Spaces(Purging[model.SpaceDoc]):
    kind = "Space"
    document = model.SpaceDoc

    def __init__(self, context: Context, below: Level[Any] | Cells) -> None:
        super().__init__(context, below)
        self._names = egress.Names()
        self._recalled = False
        self._in_force: dict[model.Ref, model.EgressPolicy | None] = {}
        """The policies that the rules were last made from."""
        context.host.network.members.follow(self.census)

    def complete(self, ref: model.Ref, doc: model.SpaceDoc) -> model.SpaceDoc:
        path = self.context.layout.conflist(ref)
        return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, cni_config_path=path))

    async def _register(self, ref: model.Ref, wanted: model.SpaceDoc) -> model.SpaceDoc:
        own = self.context.layout.conflist(ref)
        if wanted.spec.cni_config_path not in ("", own):
            raise errors.Invalid(
                f"cannot use {wanted.spec.cni_config_path!r} as spec.cniConfigPath of space {str(ref)!r}: the network"
                f" is described in {own!r}, by kukeond",
                hint="leave spec.cniConfigPath out",
            )
        return await super()._register(ref, wanted)

    def pieces(self, ref: model.Ref, doc: model.SpaceDoc) -> tuple[Piece, ...]:
        host, cgroup = self.context.host, self.context.layout.cgroup(ref)
        return (
            Piece(
                "network",
                partial(self.network_exists, ref),
                partial(self._make_network, ref),
                partial(self._remove_network, ref),
                partial(self._network_left, ref),
                partial(self._renew_policy, ref),
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
            await self._enforce()
            # Last: where it is, all the rest has been made.
            await host.kernel.write_file(layout.conflist(ref), self._conflist(ref, subnet))

    async def _remove_network(self, ref: model.Ref) -> None:
        host, layout = self.context.host, self.context.layout
        async with self.context.network_lock:
            # Rules first: as long as they cannot be changed, the rest stays and is found by the next attempt.
            await host.network.apply_firewall(await self._wall(without=ref))
            self._in_force.pop(ref, None)
            await host.network.remove(layout.network(ref), layout.conflist(ref), layout.bridge(ref))
            self.context.subnets.release(ref)

    async def assert_networks(self) -> None:
        """Have bridges and packet rules as the stored spaces need them: a reboot clears both, and others may, too.

        A bridge that cannot be made keeps nobody else from theirs, nor the rules away; its error is raised in the end.
        """
        troubles = []
        async with self.context.network_lock:
            for ref, subnet in self.context.subnets.allocated():
                bridge = BridgeNet(self.context.layout.bridge(ref), subnet)
                try:
                    await self.context.host.network.make_bridge(bridge, self.context.layout.network(ref))
                except errors.KukeonError as error:
                    troubles.append(error)
            await self._enforce()
        if troubles:
            raise troubles[0]

    async def keep_current(self) -> NoReturn:
        """Have the networks as they should be, from now on: rules that others change, names whose addresses change.

        Runs until cancelled; raises what the first of the two raises that cannot go on.
        """
        try:
            await self.assert_networks()
        except errors.KukeonError as error:
            # Rules are the more urgent the less is well; whether they can be had at all shows below.
            log.warning("cannot have all networks as they should be: %s", error)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.context.host.network.members.renew())
                group.create_task(self.context.host.network.follow_firewall())
                group.create_task(self._follow_names())
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None
        raise AssertionError("what never ends has ended")

    async def census(self) -> Census:
        """What networks there should be, and which cells are attached to them."""
        # By the cells, not the documents of spaces: one of those may be damaged.
        spaces = {model.Ref(*model.ref_of(each).parts[:2]) for each in self.context.store.docs(model.CellDoc)}
        found = await together(*map(self._members, sorted(spaces)))
        return Census(await self._wall(), tuple(member for members in found for member in members))

    async def _members(self, space: model.Ref) -> list[Member]:
        docs = {_root_id(model.ref_of(each)): each for each in self.context.store.docs(model.CellDoc, space)}
        try:
            attached = await self.context.host.network.attachments(self.context.layout.conflist(space), docs)
        except errors.KukeonError as error:
            log.warning("cannot see which cells of space %s are attached: %s", space, error)
            return []
        return [self._member(docs[id], address.ip) for id, (address, _) in attached.items() if address is not None]

    def _member(self, doc: model.CellDoc, ip: str) -> Member:
        ref, layout = model.ref_of(doc), self.context.layout
        bridge = layout.bridge(model.Ref(ref.realm, ref.space))
        return Member(ref, bridge, layout.etc_file(ref, "hosts"), ports.of(doc), ip)

    async def compared(self, ref: model.Ref, wanted: model.SpaceDoc) -> tuple[str, ...]:
        """Raise HostError for a name in the policy that has no address."""
        await self._check_names(wanted)
        return ()

    async def keep(self, ref: model.Ref, wanted: model.SpaceDoc) -> tuple[str, ...]:
        await self._check_names(wanted)
        return ()

    async def _check_names(self, wanted: model.SpaceDoc) -> None:
        policy = wanted.spec.network.egress if wanted.spec.network else None
        await self._recall()
        now = asyncio.get_running_loop().time()
        if due := self._names.due(egress.hosts(policy), now):
            await self._look_up(due)
            await self._remember()

    async def _renew_policy(self, ref: model.Ref) -> None:
        """Have the rules for the stored policy of `ref`, which may be another than they were made from."""
        if ref in self._in_force and self._in_force[ref] == self._policy(ref):
            return
        async with self.context.network_lock:
            await self._enforce()

    async def _enforce(self) -> None:
        """Have the rules as the stored spaces need them."""
        policies = {ref: self._policy(ref) for ref, _ in self.context.subnets.allocated()}
        await self.context.host.network.apply_firewall(await self._wall())
        self._in_force = policies

    async def _wall(self, without: model.Ref | None = None) -> Wall:
        layout = self.context.layout
        allocated = [(ref, subnet) for ref, subnet in self.context.subnets.allocated() if ref != without]
        nets = sorted(BridgeNet(layout.bridge(ref), subnet) for ref, subnet in allocated)
        await self._recall()
        policies = [egress.policy(layout.bridge(ref), self._policy(ref), self._names) for ref, _ in allocated]
        denying = tuple(each for each in policies if each is not None)
        resolvers = etc.nameservers(await self.context.host.kernel.resolv_conf()) if denying else ()
        return Wall(tuple(nets), denying, resolvers)

    def _policy(self, ref: model.Ref) -> model.EgressPolicy | None:
        """The policy of a stored space, in normal form. A space whose document is lost or damaged lets nothing out."""
        try:
            doc = self.context.store.find(ref, model.SpaceDoc)
        except errors.CorruptMetadata as error:
            log.warning("letting nothing out of space %s: %s", ref, error)
            return CLOSED
        if doc is None:
            return CLOSED
        return doc.spec.network.egress if doc.spec.network else None

    def _hosts(self) -> list[str]:
        """The names that policies of stored spaces mention."""
        # The store has them in memory; this is asked every few seconds.
        policies = [self._policy(model.ref_of(each)) for each in self.context.store.docs(model.SpaceDoc)]
        return sorted({host for policy in policies for host in egress.hosts(policy)})

    async def _look_up(self, hosts: Iterable[str]) -> None:
        """Learn the addresses of `hosts`. Raises HostError for the first that has none now."""
        found = await together(*map(self.context.host.network.resolve, hosts))
        now = asyncio.get_running_loop().time()
        for host, resolution in zip(hosts, found, strict=True):
            self._names.learn(host, resolution, now)

    async def _follow_names(self) -> NoReturn:
        loop = asyncio.get_running_loop()
        while True:
            hosts = self._hosts()
            self._names.keep_only(hosts, loop.time())
            due = self._names.due(hosts, loop.time())
            if any([await self._renewed(host) for host in due]):
                await self._remember()
                async with self.context.network_lock:
                    await self._enforce()
            next_due = self._names.next_due(hosts)
            pause_s = LOOK_AGAIN_S if next_due is None else max(0.0, min(LOOK_AGAIN_S, next_due - loop.time()))
            await asyncio.sleep(pause_s)

    async def _remember(self) -> None:
        """Keep what names were for the next process: they hold until they can be looked up again."""
        try:
            await self.context.host.kernel.write_file(self.context.layout.names_file, self._names.to_json())
        except errors.HostError as error:
            log.warning("cannot keep addresses of names for later: %s", error)

    async def _recall(self) -> None:
        if self._recalled:
            return
        try:
            text = await self.context.host.kernel.read_file(self.context.layout.names_file)
            self._names.recall(text)
        except FileNotFoundError:
            pass  # the first process, or a reboot
        except (errors.HostError, ValueError) as error:
            log.warning("cannot learn what names were before: %s", error)
        self._recalled = True

    async def _renewed(self, host: str) -> bool:
        """Look `host` up again; True when its addresses have changed. Its last ones hold while that fails."""
        loop = asyncio.get_running_loop()
        try:
            found = await self.context.host.network.resolve(host)
        except errors.KukeonError as error:
            log.warning("%s; what it was keeps holding", error)
            self._names.postpone(host, loop.time())
            return False
        return self._names.learn(host, found, loop.time())

    async def troubles(self) -> list[str]:
        """A line for each space whose bridge is gone."""
        found = []
        for ref, _ in self.context.subnets.allocated():
            bridge = self.context.layout.bridge(ref)
            if not await self.context.host.network.bridge_exists(bridge):
                found.append(f"the bridge {bridge!r} of space {str(ref)!r} is gone")
        return found

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


def _root_id(cell: model.Ref) -> str:
    return names.containerd_id(cell.space, cell.stack, cell.cell, names.ROOT)
