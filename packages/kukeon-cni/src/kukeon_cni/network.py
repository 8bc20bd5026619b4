"""One network: ADD, CHECK, DEL over its list of plugins, per section 3 of the CNI specification."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from kukeon_cni import conflist, host_local, names, netns, plugin, result
from kukeon_cni.cache import Attachment, ResultCache
from kukeon_cni.conflist import NetworkList
from kukeon_cni.errors import (
    AlreadyAttached,
    CheckUnsupported,
    CniError,
    ErrorCode,
    NamespaceError,
    OwnNamespace,
)
from kukeon_cni.execution import to_the_end
from kukeon_cni.jsons import JsonObject
from kukeon_cni.plugin import DEFAULT_PLUGIN_DIRS, TIMEOUT_S
from kukeon_cni.result import Result

__all__ = ["DEFAULT_IFNAME", "Network"]

DEFAULT_IFNAME = "eth0"
_log = logging.getLogger(__name__)

PathLike = str | os.PathLike[str]
Args = Sequence[tuple[str, str]]


class Network:
    """A network that containers are added to and deleted from.

    Cheap to make, holds no resources: what it knows is in `cache_dir` and in the plugins' own records. Operations on
    one container of one network wait for each other within a process, as the specification demands; operations on
    different containers run at once. Across processes the caller must exclude itself.
    """

    def __init__(
        self,
        network: NetworkList,
        plugin_dirs: Sequence[PathLike] = DEFAULT_PLUGIN_DIRS,
        cache_dir: PathLike = "/run/kukeon/cni/cache",
        *,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        names.check_network_name(network.name)
        self.network = network
        self._dirs = tuple(plugin_dirs)
        self._plugin_path = plugin.plugin_path(self._dirs)
        self._cache = ResultCache(Path(cache_dir), network.name)
        self._timeout_s = timeout_s

    async def version(self) -> str:
        """Return the newest CNI version that the list allows and all its plugins support, asking them if need be.

        Raises `PluginNotFound`, and `CniError` (incompatible version) when there is none.
        """
        paths = {type_: plugin.find_plugin(type_, self._dirs) for type_ in self.network.types}
        supported = {
            type_: await plugin.supported_versions(path, timeout_s=self._timeout_s) for type_, path in paths.items()
        }
        return conflist.negotiate(self.network, supported)

    async def add(
        self,
        container_id: str,
        netns_path: PathLike,
        ifname: str = DEFAULT_IFNAME,
        args: Args = (),
        *,
        capability_args: JsonObject | None = None,
    ) -> Result:
        """Attach the namespace at `netns_path` and return the last plugin's result, which is cached.

        When a plugin fails, or the caller is cancelled, every plugin of the list gets a DEL in reverse order before
        the error is raised; what that could not undo is in the error's notes. Raises `AlreadyAttached`
        when the cache has this attachment, `OwnNamespace` for the namespace of this process, else `CniError`.
        """
        call = _Call.of(container_id, _usable_netns(netns_path), ifname, args, capability_args or {})
        async with self._exclusively(call):
            if self._cache.find(container_id, ifname) is not None:
                raise AlreadyAttached(
                    None,
                    f"cannot add {container_id!r} to network {self.network.name!r}: {ifname} was added before",
                    hint="delete it first",
                )
            version = await self.version()
            try:
                last = await self._add_all(version, call)
                self._cache.save(
                    Attachment(container_id, ifname, call.netns, call.args, call.capability_args, self.network, last)
                )
            except BaseException as error:
                for left in await to_the_end(self._undo(version, call)):
                    error.add_note(f"while undoing: {left}")
                    _log.warning("Undoing ADD of %s to network %s: %s", container_id, self.network.name, left)
                raise
            return last

    async def check(self, container_id: str, netns_path: PathLike, ifname: str = DEFAULT_IFNAME) -> None:
        """Return when every plugin finds the attachment as it made it; raise the first one's `CniError` otherwise.

        Raises `CheckUnsupported` when CHECK may not be asked: see that class.
        """
        call = _Call.of(container_id, _usable_netns(netns_path), ifname, (), {})
        async with self._exclusively(call):
            known = self._cache.find(container_id, ifname)
            if known is None:
                raise CheckUnsupported(
                    ErrorCode.UNKNOWN_CONTAINER,
                    f"cannot check {container_id!r} on network {self.network.name!r}: {ifname} was not added",
                )
            version = known.result.cni_version
            if known.network.disable_check or not _at_least(version, "0.4.0"):
                why = "its list disables it" if known.network.disable_check else f"CNI {version} has no CHECK"
                raise CheckUnsupported(None, f"cannot check network {self.network.name!r}: {why}")
            call = call.with_parameters_of(known)
            for config in known.network.plugins:
                await self._run(known.network, config, version, "CHECK", call, known.result.raw)

    async def delete(
        self,
        container_id: str,
        netns_path: PathLike | None = None,
        ifname: str = DEFAULT_IFNAME,
        args: Args = (),
    ) -> None:
        """Detach, in reverse order, with the parameters and the configuration of the ADD when they are cached.

        Idempotent. A namespace that is None, gone or no longer pinned is passed as empty, so that plugins
        release what lives outside it. The first failure ends it and keeps the cache for another try. Raises
        `OwnNamespace`, else `CniError`.
        """
        call = _Call.of(container_id, _deletable_netns(netns_path), ifname, args, {})
        async with self._exclusively(call):
            known = self._find_readable(container_id, ifname)
            if known is None:
                network, version, previous = self.network, await self.version(), None
            else:
                network, version, previous = known.network, known.result.cni_version, known.result.raw
                call = call.with_parameters_of(known)
            # Only since 0.4.0 does DEL get the result.
            previous = previous if _at_least(version, "0.4.0") else None
            for config in reversed(network.plugins):
                await self._run(network, config, version, "DEL", call, previous)
            self._cache.delete(container_id, ifname)

    async def purge(self, container_id: str, netns_path: PathLike | None = None) -> tuple[CniError, ...]:
        """Detach all that is left of a container by every means, and return what went wrong on the way.

        For crashes, missing plugins and lost caches: DEL for each cached interface (eth0 if none), a second DEL
        without the namespace when the first fails, then the address records and the cache by hand. Afterwards the
        container holds no address here; an interface is left at most inside a namespace that DEL failed in.
        Raises `OwnNamespace` and `InvalidName` only.
        """
        names.check_container_id(container_id)
        empty = _deletable_netns(netns_path) == ""
        problems: list[CniError] = []
        try:
            ifnames = [ifname for owner, ifname in self._cache.list() if owner == container_id]
        except CniError as error:
            problems.append(error)
            ifnames = []
        for ifname in ifnames or [DEFAULT_IFNAME]:
            for path in (None,) if empty else (netns_path, None):
                try:
                    await self.delete(container_id, path, ifname)
                except CniError as error:
                    problems.append(error)
                else:
                    break
        try:
            self.release_addresses(container_id)
            for ifname in ifnames:
                self._cache.delete(container_id, ifname)
        except CniError as error:
            problems.append(error)
        return tuple(problems)

    def cached(self, container_id: str, ifname: str = DEFAULT_IFNAME) -> Result | None:
        """Return the result of the ADD in force, or None; `CniError` when its file can not be understood."""
        known = self._cache.find(container_id, ifname)
        return known.result if known is not None else None

    def attachments(self) -> list[str]:
        """Return the container ids with a cached ADD, sorted, each once."""
        return sorted({container_id for container_id, _ in self._cache.list()})

    def leases(self) -> dict[host_local.Address, str]:
        """Return the container id that holds each address, by host-local's records."""
        found: dict[host_local.Address, str] = {}
        for directory in self.network.address_dirs:
            found |= host_local.leases(Path(directory))
        return found

    def release_addresses(self, container_id: str) -> tuple[host_local.Address, ...]:
        """Remove the container's host-local records without any plugin, and return their addresses."""
        names.check_container_id(container_id)
        released: list[host_local.Address] = []
        for directory in self.network.address_dirs:
            released += host_local.release(Path(directory), container_id)
        return tuple(released)

    def wipe(self) -> None:
        """Remove the cache and the address records of the whole network, for when its last container is gone.

        The bridge is the caller's to delete (`links.delete_link`): it may have ports of others.
        """
        self._cache.wipe()
        for directory in self.network.address_dirs:
            host_local.wipe(Path(directory))

    async def _add_all(self, version: str, call: "_Call") -> Result:
        last: Result | None = None
        for config in self.network.plugins:
            answer = await self._run(self.network, config, version, "ADD", call, last.raw if last else None)
            if answer is None:
                raise CniError(ErrorCode.UNDECODABLE, f"cannot ADD with plugin {config['type']!r}: it printed nothing")
            last = result.parse(answer, version)
        assert last is not None  # a list has at least one plugin
        return last

    async def _undo(self, version: str, call: "_Call") -> list[str]:
        left = []
        for config in reversed(self.network.plugins):
            try:
                await self._run(self.network, config, version, "DEL", call, None)
            except CniError as error:
                left.append(f"{error} ({error.details})" if error.details else str(error))
        return left

    async def _run(
        self,
        network: NetworkList,
        config: JsonObject,
        version: str,
        command: str,
        call: "_Call",
        previous: JsonObject | None,
    ) -> JsonObject | None:
        path = plugin.find_plugin(cast(str, config["type"]), self._dirs)
        stdin = conflist.execution_config(network, config, version, previous, call.capability_args)
        environment = {
            "CNI_CONTAINERID": call.container_id,
            "CNI_NETNS": call.netns,
            "CNI_IFNAME": call.ifname,
            "CNI_ARGS": names.format_args(call.args),
            "CNI_PATH": self._plugin_path,
        }
        return await plugin.run_plugin(path, command, stdin, environment, timeout_s=self._timeout_s)

    def _find_readable(self, container_id: str, ifname: str) -> Attachment | None:
        try:
            return self._cache.find(container_id, ifname)
        except CniError as error:
            # A DEL without the result cleans up nearly everything; refusing would clean up nothing.
            _log.warning("Deleting %s without its cached result: %s", container_id, error)
            return None

    @asynccontextmanager
    async def _exclusively(self, call: "_Call") -> AsyncIterator[None]:
        key = (str(self._cache.directory), call.container_id)
        held = _running.setdefault(key, _Held())
        held.users += 1
        try:
            async with held.lock:
                yield
        finally:
            held.users -= 1
            if not held.users:
                del _running[key]


class _Held:
    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.users = 0


# By cache directory (which contains the network's name) and container, for every Network of this process.
_running: dict[tuple[str, str], _Held] = {}


@dataclass(frozen=True)
class _Call:
    """The attachment parameters of one operation, checked."""

    container_id: str
    netns: str
    ifname: str
    args: tuple[tuple[str, str], ...]
    capability_args: JsonObject

    @classmethod
    def of(cls, container_id: str, netns_path: str, ifname: str, args: Args, capability_args: JsonObject) -> "_Call":
        names.check_container_id(container_id)
        names.check_ifname(ifname)
        names.format_args(args)
        return cls(container_id, netns_path, ifname, tuple(args), capability_args)

    def with_parameters_of(self, known: Attachment) -> "_Call":
        """The same as at the ADD, except the namespace: that one may be gone meanwhile."""
        return _Call(self.container_id, self.netns, self.ifname, known.args, known.capability_args)


def _usable_netns(path: PathLike) -> str:
    text = names.check_absolute("network namespace", os.fspath(path))
    if not netns.is_namespace(text, "net"):
        raise NamespaceError(None, f"cannot use '{text}': it is not a network namespace")
    return _foreign(text)


def _deletable_netns(path: PathLike | None) -> str:
    if path is None or not os.fspath(path):
        return ""
    text = names.check_absolute("network namespace", os.fspath(path))
    return _foreign(text) if netns.is_namespace(text, "net") else ""


def _foreign(text: str) -> str:
    if netns.is_own_netns(text):
        # A DEL would take eth0 away from the host.
        raise OwnNamespace(None, f"cannot use '{text}': it is the network namespace of this process")
    return text


def _at_least(version: str, least: str) -> bool:
    return conflist.VERSIONS.index(version) >= conflist.VERSIONS.index(least)
