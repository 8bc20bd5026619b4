"""CNI networks and packet rules of this host, with the plugins' words as our errors."""

from __future__ import annotations

import asyncio
import contextlib
import os
from ipaddress import IPv4Interface, IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from kukeon_api import errors
from kukeon_cni import conflist, host_local, links
from kukeon_cni import errors as cni
from kukeon_cni.bridge import ensure_bridge
from kukeon_cni.cache import ResultCache
from kukeon_cni.network import Network
from kukeon_runner import observed
from kukeon_runner.host import conntrack, listeners, nftables, reservations
from kukeon_runner.host.dns import Resolver
from kukeon_runner.host.packet_filter import PacketFilter
from kukeon_runner.members import Members

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from kukeon_api.ports import Port
    from kukeon_cni.result import Result
    from kukeon_runner.egress import Resolution
    from kukeon_runner.firewall import BridgeNet, Wall


BRIDGE_MARK = "kukeon:"
"""A bridge's alias (`ip -d link`) is this and the name of its network: the bridge's own name is only a hash of it."""

_LINKS = Path("/sys/class/net")


class LinuxNetwork:
    def __init__(self, cache: str, data: str, nft_table: str, shared_lock: str) -> None:
        """`cache` and `data` hold a directory for each network: results of ADD, and addresses in use.

        `shared_lock` is a file that all kukeons of this host use.
        """
        self._cache = cache
        self._data = data
        self._shared_lock = shared_lock
        self._table = nft_table
        self._filter = PacketFilter(nft_table)
        self._resolver = Resolver()
        self.members = Members(_MemberDoors(self._filter))

    async def attach(self, conflist: str, container_id: str, netns: str) -> observed.Address:
        await self.members.in_force()
        with _translated():
            network = await asyncio.to_thread(self._network, conflist)
            result = await network.add(container_id, netns)
        address = _address(result)
        if address is None:
            raise errors.CNIPluginFailed(f"cannot attach {container_id!r}: the network plugins gave no IPv4 address")
        return address

    async def detach(self, conflist: str, container_id: str, netns: str) -> None:
        with _translated():
            network = await asyncio.to_thread(self._network, conflist)
            problems = await network.purge(container_id, netns or None)
        # What purge could not do by the plugins it did by hand; whether anything is left, the next look tells.
        if problems and (await self.attachment(conflist, container_id))[1]:
            raise errors.CNIPluginFailed(f"cannot detach {container_id!r}: {problems[0]}", hint=problems[0].hint)

    async def attachment(self, conflist: str, container_id: str) -> observed.Attachment:
        return (await self.attachments(conflist, (container_id,)))[container_id]

    async def attachments(self, conflist: str, container_ids: Collection[str]) -> Mapping[str, observed.Attachment]:
        # One hop to a thread for all: for a single one the hop costs as much as the look.
        return await asyncio.to_thread(self._attachments, conflist, container_ids)

    def _attachments(self, path: str, container_ids: Collection[str]) -> Mapping[str, observed.Attachment]:
        if not Path(path).exists():
            return dict.fromkeys(container_ids, (None, False))
        with _translated():
            network = self._network(path)
            found = {id: _cached(network, id) for id in container_ids}
            leased = set(network.leases().values()) if None in found.values() else set()
            return {id: each or (None, id in leased) for id, each in found.items()}

    async def routed(self) -> Sequence[IPv4Network]:
        with _translated():
            return await asyncio.to_thread(links.host_routes)

    async def bridge_exists(self, bridge: str) -> bool:
        return links.link_exists(bridge)

    async def make_bridge(self, bridge: BridgeNet, network: str) -> None:
        gateway = IPv4Interface((bridge.subnet[1], bridge.subnet.prefixlen))

        def make() -> None:
            ensure_bridge(bridge.bridge, gateway)
            alias, mark = _LINKS / bridge.bridge / "ifalias", f"{BRIDGE_MARK}{network}"
            if alias.read_text().strip() != mark:
                alias.write_text(mark)

        with _translated():
            await asyncio.to_thread(make)

    async def networks(self) -> Sequence[str]:
        def look() -> list[str]:
            recorded = {entry for top in (self._cache, self._data) for entry in _directories(Path(top))}
            return sorted(recorded | set(_marked()))

        with _translated():
            return await asyncio.to_thread(look)

    async def holders(self, network: str) -> Sequence[str]:
        def look() -> list[str]:
            cached = {container for container, _ in ResultCache(Path(self._cache), network).list()}
            leased = set(host_local.leases(Path(self._data, network)).values())
            return sorted((cached | leased) - {""})

        with _translated():
            return await asyncio.to_thread(look)

    async def remove(self, network: str, conflist: str, bridge: str) -> bool:
        def remove() -> bool:
            records = Path(self._data, network)
            found = [Path(conflist).exists(), records.exists(), Path(self._cache, network).exists()]
            ResultCache(Path(self._cache), network).wipe()
            host_local.wipe(records)
            found.append(links.delete_link(bridge))
            Path(conflist).unlink(missing_ok=True)
            return any(found)

        self.members.drop(bridge)
        with _translated():
            return await asyncio.to_thread(remove)

    async def apply_firewall(self, wall: Wall) -> None:
        await self.members.enforce(wall)

    async def follow_firewall(self) -> NoReturn:
        await self._filter.follow()

    async def taken(self, ports: Sequence[Port]) -> Mapping[Port, str]:
        found: dict[Port, str] = {}
        for table, others in (await nftables.published_by_others(self._table)).items():
            found |= {port: f"the kukeon of nft table {table!r}" for port in ports if any(map(port.clashes, others))}
        for port in ports:
            if port not in found and (who := await asyncio.to_thread(listeners.look, port)):
                found[port] = who
        return found

    async def reserve(self, ports: Sequence[Port]) -> reservations.Reservation:
        reserving = asyncio.ensure_future(asyncio.to_thread(reservations.reserve, self._shared_lock, ports))
        try:
            return await asyncio.shield(reserving)
        except asyncio.CancelledError:
            # The thread goes on, and what it gets is nobody's.
            reserving.add_done_callback(_let_go)
            raise

    async def resolve(self, host: str) -> Resolution:
        return await self._resolver.resolve(host)

    def _network(self, path: str) -> Network:
        return Network(conflist.parse(Path(path).read_bytes()), cache_dir=self._cache)


class _MemberDoors:
    """What `Members` works by, on this host."""

    def __init__(self, packet_filter: PacketFilter) -> None:
        self._filter = packet_filter

    async def enforce(self, wall: Wall) -> None:
        await self._filter.enforce(wall)

    async def read(self, path: str) -> str | None:
        return await asyncio.to_thread(_read, Path(path))

    async def write(self, path: str, text: str) -> None:
        await asyncio.to_thread(_write, path, text.encode())

    async def forget(self, address: str) -> None:
        await asyncio.to_thread(conntrack.forget, address)


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return None  # the next write tells what is wrong


def _write(path: str, data: bytes) -> None:
    # Never made here: a cell that is on its way out must not get its file back.
    try:
        handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    except OSError as error:
        raise errors.HostError(f"cannot write {path!r}: {error.strerror}") from error
    try:
        # Longer first, then cut: a reader sees the old text or the new one, never an empty file.
        os.pwrite(handle, data, 0)
        os.ftruncate(handle, len(data))
    except OSError as error:
        raise errors.HostError(f"cannot write {path!r}: {error.strerror}") from error
    finally:
        os.close(handle)


def _directories(top: Path) -> list[str]:
    try:
        return [entry.name for entry in top.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
    except FileNotFoundError:
        return []


def _marked() -> Iterator[str]:
    """The networks that links on this host are marked with."""
    for alias in _LINKS.glob("*/ifalias"):
        with contextlib.suppress(FileNotFoundError):
            text = alias.read_text(errors="replace").strip()
            if text.startswith(BRIDGE_MARK):
                yield text.removeprefix(BRIDGE_MARK)


def _let_go(reserving: asyncio.Future[reservations.Reservation]) -> None:
    if not reserving.cancelled() and reserving.exception() is None:
        reserving.result().release()


def _cached(network: Network, container_id: str) -> observed.Attachment | None:
    try:
        result = network.cached(container_id)
    except cni.CniError:
        return None, True  # a record nobody can read is still a record
    if result is None:
        return None
    return (_address(result) if _in_place(result, network.network.bridge) else None), True


def _in_place(result: Result, bridge: str | None) -> bool:
    """Whether the links that ADD made on the host are there, and still ports of the bridge."""
    for each in result.interfaces:
        if each.sandbox:
            continue
        link = f"{_LINKS}/{each.name}"
        if not os.path.exists(link):  # noqa: PTH110 - text: this is done for every cell, now and then for all
            return False
        if bridge is not None and each.name != bridge and _master(link) != bridge:
            return False
    return True


def _master(link: str) -> str:
    """The name of what a link is a port of; empty when of nothing."""
    try:
        return os.path.basename(os.readlink(f"{link}/master"))  # noqa: PTH115, PTH119 - as above
    except OSError:
        return ""


def _address(result: Result) -> observed.Address | None:
    if result.ipv4 is None:
        return None
    return observed.Address(str(result.ipv4), str(result.gateway) if result.gateway else "")


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except cni.PluginNotFound as error:
        hint = error.hint or "install the CNI plugins (Debian: apt install containernetworking-plugins)"
        raise errors.CNIPluginNotFound(str(error), hint=hint) from error
    except cni.CniError as error:
        details = f": {error.details}" if error.details else ""
        raise errors.CNIPluginFailed(f"{error}{details}", hint=error.hint) from error
    except OSError as error:
        raise errors.HostError(f"cannot read the network configuration: {error}") from error
