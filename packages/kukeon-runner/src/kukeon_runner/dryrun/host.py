"""A host on which nothing is done: it tells what the real one has, as if what it was asked to do had been done."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from kukeon_runner import observed
from kukeon_runner.dryrun.containers import DryContainers
from kukeon_runner.dryrun.images import DryImages
from kukeon_runner.firewall import Wall
from kukeon_runner.members import Census, Members

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from ipaddress import IPv4Network

    from kukeon_api import model
    from kukeon_api.ports import Port
    from kukeon_runner.egress import Resolution
    from kukeon_runner.firewall import BridgeNet
    from kukeon_runner.host import protocol

_ADDRESS = observed.Address("0.0.0.0/32")
"""What a cell gets here: the real one is only known once it is given."""


class DryHost:
    """All doors of a host, none of which lets anything through."""

    def __init__(self, real: protocol.Host) -> None:
        self.kernel = DryKernel(real.kernel)
        self.network = DryNetwork(real.network, self.kernel)
        self.containers = DryContainers(real.containers)
        self.images = DryImages(real.images)


class _There:
    """Whether things exist: as they were made or removed here, else as `real` says."""

    def __init__(self, real: Callable[[str], Awaitable[bool]]) -> None:
        self._real = real
        self._changed: dict[str, bool] = {}

    async def __call__(self, name: str) -> bool:
        return self._changed[name] if name in self._changed else await self._real(name)

    async def make(self, name: str) -> bool:
        made = not await self(name)
        self._changed[name] = True
        return made

    def remove(self, name: str) -> None:
        self._changed[name] = False


class DryKernel:
    def __init__(self, real: protocol.Kernel) -> None:
        self._real = real
        self.cgroup_mode = real.cgroup_mode
        self.nofile = real.nofile
        self.abilities = real.abilities
        self._cgroups = _There(real.cgroup_exists)
        self._pins: dict[str, frozenset[str]] = {}
        self._shms = _There(real.mounted)
        self._files: dict[str, str | None] = {}

    async def make_cgroup(self, path: str) -> bool:
        return await self._cgroups.make(path)

    async def cgroup_exists(self, path: str) -> bool:
        return await self._cgroups(path)

    async def remove_cgroup(self, path: str) -> None:
        self._cgroups.remove(path)

    async def controllers(self, path: str) -> tuple[str, ...]:
        return await self._real.controllers(path) if await self._real.cgroup_exists(path) else ()

    async def delegate(self, path: str, pid: int) -> None:
        return None

    async def pin_namespaces(self, directory: str, hostname: str, *, network: bool = True) -> None:
        self._pins[directory] = frozenset({"net", "ipc", "uts"} if network else {"ipc", "uts"})

    async def unpin_namespaces(self, directory: str) -> None:
        self._pins[directory] = frozenset()

    async def pinned(self, directory: str) -> frozenset[str]:
        return self._pins[directory] if directory in self._pins else await self._real.pinned(directory)

    async def mount_shm(self, path: str) -> None:
        await self._shms.make(path)

    async def unmount_shm(self, path: str) -> None:
        self._shms.remove(path)

    async def mounted(self, path: str) -> bool:
        return await self._shms(path)

    async def mount_secrets(self, path: str) -> None:
        await self._shms.make(path)

    async def unmount_secrets(self, path: str) -> None:
        self._shms.remove(path)

    async def stage_secrets(
        self, directory: str, secrets: Sequence[model.ContainerSecret], owner: tuple[int, int]
    ) -> None:
        for secret in secrets:
            await self._real.check_secret(secret)

    async def remove_secrets(self, directory: str) -> None:
        return None

    async def secret_text(self, secret: model.ContainerSecret) -> str:
        return await self._real.secret_text(secret)

    async def check_secret(self, secret: model.ContainerSecret) -> None:
        await self._real.check_secret(secret)

    async def device(self, path: str) -> observed.Device:
        return await self._real.device(path)

    async def devices(self) -> Sequence[observed.Device]:
        return await self._real.devices()

    async def read_bounded(self, path: str, limit_bytes: int) -> bytes:
        return await self._real.read_bounded(path, limit_bytes)

    async def clear(self, root: str, parts: Sequence[str]) -> bool:
        return False

    async def exists(self, path: str) -> bool:
        return self._files[path] is not None if path in self._files else await self._real.exists(path)

    async def disk_use(self, path: str) -> observed.DiskUse | None:
        return await self._real.disk_use(path)

    async def read_file(self, path: str) -> str:
        if path not in self._files:
            return await self._real.read_file(path)
        text = self._files[path]
        if text is None:
            raise FileNotFoundError(path)
        return text

    async def write_file(self, path: str, text: str) -> None:
        self._files[path] = text

    async def resolv_conf(self) -> str:
        return await self._real.resolv_conf()

    async def own_etc(self) -> tuple[str, str]:
        return await self._real.own_etc()

    def remove_file(self, path: str) -> None:
        self._files[path] = None


class DryNetwork:
    def __init__(self, real: protocol.Network, kernel: DryKernel) -> None:
        self._real = real
        self._kernel = kernel
        self._bridges = _There(real.bridge_exists)
        self._attached: dict[str, observed.Address | None] = {}
        self._removed: set[str] = set()
        self.members = Members(_Nobody(), gap_s=0)
        self.members.follow(self._census)

    async def _census(self) -> Census:
        return Census(Wall(), await self._real.members.everybody())

    async def attach(self, conflist: str, container_id: str, netns: str) -> observed.Address:
        self._attached[container_id] = _ADDRESS
        return _ADDRESS

    async def detach(self, conflist: str, container_id: str, netns: str) -> None:
        self._attached[container_id] = None

    async def attachment(self, conflist: str, container_id: str) -> observed.Attachment:
        if container_id in self._attached:
            address = self._attached[container_id]
            return address, address is not None
        return await self._real.attachment(conflist, container_id)

    async def attachments(self, conflist: str, container_ids: Collection[str]) -> Mapping[str, observed.Attachment]:
        return {id: await self.attachment(conflist, id) for id in container_ids}

    async def routed(self) -> Sequence[IPv4Network]:
        return await self._real.routed()

    async def bridge_exists(self, bridge: str) -> bool:
        return await self._bridges(bridge)

    async def make_bridge(self, bridge: BridgeNet, network: str) -> None:
        self._removed.discard(network)
        await self._bridges.make(bridge.bridge)

    async def networks(self) -> Sequence[str]:
        return [each for each in await self._real.networks() if each not in self._removed]

    async def holders(self, network: str) -> Sequence[str]:
        if network in self._removed:
            return []
        return [each for each in await self._real.holders(network) if self._attached.get(each, _ADDRESS) is not None]

    async def remove(self, network: str, conflist: str, bridge: str) -> bool:
        there = await self._bridges(bridge)
        self._removed.add(network)
        self._bridges.remove(bridge)
        self._kernel.remove_file(conflist)
        return there

    async def apply_firewall(self, wall: Wall) -> None:
        return None

    async def follow_firewall(self) -> NoReturn:
        raise NotImplementedError("nothing is followed in a dry run")

    async def taken(self, ports: Sequence[Port]) -> Mapping[Port, str]:
        return await self._real.taken(ports)

    async def reserve(self, ports: Sequence[Port]) -> protocol.Reservation:
        return _Nothing()

    async def resolve(self, host: str) -> Resolution:
        return await self._real.resolve(host)


class _Nothing:
    """A reservation of no ports."""

    clash = None

    def release(self) -> None: ...


class _Nobody:
    """Doors that lead nowhere."""

    async def enforce(self, wall: Wall) -> None:
        return None

    async def read(self, path: str) -> str | None:
        return None

    async def write(self, path: str, text: str) -> None:
        return None

    async def forget(self, address: str) -> None:
        return None
