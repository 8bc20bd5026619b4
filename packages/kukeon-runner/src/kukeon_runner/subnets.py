"""Which subnet each space has: the lowest free part of the pool, recorded in the space's directory (door).

A subnet is taken when another space's record or network configuration names it, or when the host has a route that
overlaps it. A record that can't be read doesn't stop the other spaces: its network configuration speaks for it.
"""

from __future__ import annotations

import contextlib
import ipaddress
import logging
import os
import shlex
import threading
from ipaddress import IPv4Network
from typing import TYPE_CHECKING

import msgspec

import kukeon_cni.errors
from kukeon_api import errors, names
from kukeon_api.model import Ref
from kukeon_cni import conflist, subnet
from kukeon_runner import durable, flock, tree
from kukeon_runner.instance import SPACE_PREFIX_LENGTH

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kukeon_runner.layout import Layout

log = logging.getLogger(__name__)

_VERSION = "v1"
_SUBNET_FILE = "network.json"
_CONFLIST_FILE = "network.conflist"

_SHORTEST_ROUTE = 4
"""A route shorter than this means "everywhere" (a default route, or one cut in halves by a VPN), not a neighbour."""


class _Record(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: str = _VERSION
    subnet_cidr: str = msgspec.field(name="subnetCIDR", default="")


class Subnets:
    """See the module. All methods block for a few small reads per space; they may be called from several threads.

    `exclusive` as in `Store`: without it, each change keeps other processes out for its time.
    """

    def __init__(self, layout: Layout, *, exclusive: bool = False, gid: int = 0) -> None:
        self._layout = layout
        self._exclusive = exclusive
        self._gid = gid
        # Looking and recording are one act: two spaces made at once must not both find the same part free.
        self._lock = threading.Lock()

    def find(self, space: Ref) -> IPv4Network | None:
        """Return the recorded subnet of `space`, None when there is none; SubnetStateCorrupt if it can't be read."""
        path = self._layout.subnet_file(space)
        content = self._read(space, _SUBNET_FILE)
        if content is None:
            return None
        try:
            record = msgspec.json.decode(content, type=_Record)
            if record.version != _VERSION:
                raise msgspec.ValidationError(f"version {record.version!r} is unknown")
            return IPv4Network(record.subnet_cidr)
        except ValueError as exc:  # That of msgspec is one, too.
            raise errors.SubnetStateCorrupt(
                f"cannot read the subnet of space {str(space)!r} from {path!r}:"
                f" {str(exc) if content.strip() else 'it is empty'}",
                hint=f"have it written anew from {_CONFLIST_FILE} beside it: sudo rm {shlex.quote(path)} &&"
                f" kuke create space {space.space} --realm {space.realm}",
            ) from exc

    def allocate(self, space: Ref, host_routes: Iterable[IPv4Network]) -> IPv4Network:
        """Return the subnet of `space`, giving it one if it has none.

        A space that lost its record gets back what its network configuration says, unless that is another's. Raises
        SubnetExhausted, a Conflict, and SubnetStateCorrupt when the space's own record can't be read.
        """
        with self._changing():
            own = self.find(space)
            if own is not None:
                return own
            taken = [network for other, network in self._known() if other != space]
            own = self._configured(space)
            if own is None or any(own.overlaps(network) for network in taken):
                routes = [network for network in host_routes if network.prefixlen >= _SHORTEST_ROUTE]
                own = self._free([*taken, *routes])
            self._record(space, own)
            return own

    def release(self, space: Ref) -> bool:
        """Forget the subnet of `space`; tell whether it had one on record, readable or not."""
        path = self._layout.subnet_file(space)
        with self._changing(), durable.host_errors("remove", path):
            try:
                with durable.directory(self._layout.run_path, tree.parts_of(space)) as fd:
                    return durable.remove(fd, _SUBNET_FILE)
            except FileNotFoundError:
                return False

    def recorded(self, space: Ref) -> bool:
        """Tell whether `space` has a subnet on record, readable or not."""
        return os.path.lexists(self._layout.subnet_file(space))

    def damage(self) -> list[errors.KukeonError]:
        """What is wrong with the records that cannot be read."""
        found = []
        for space in self._spaces():
            try:
                self.find(space)
            except errors.KukeonError as exc:
                found.append(exc)
        return found

    def allocated(self) -> list[tuple[Ref, IPv4Network]]:
        """Return the spaces on disk that have a subnet, in order, each once. What can't be read is logged."""
        networks: dict[Ref, IPv4Network] = {}
        for space, network in self._known():
            networks.setdefault(space, network)
        return sorted(networks.items())

    def _free(self, taken: list[IPv4Network]) -> IPv4Network:
        pool = self._layout.instance.pod_subnet
        try:
            return subnet.free_subnet(ipaddress.IPv4Network(pool), SPACE_PREFIX_LENGTH, taken)
        except kukeon_cni.errors.SubnetExhausted as exc:
            raise errors.SubnetExhausted(
                f"cannot give the space a subnet: no /{SPACE_PREFIX_LENGTH} of {pool} is free",
                hint="delete a space, or remove the host's route if one covers the pool (`ip route`);"
                " a new run path can have another pool",
            ) from exc

    def _known(self) -> Iterator[tuple[Ref, IPv4Network]]:
        """All that is recorded and configured, record first; a space may come twice, with different networks."""
        for space in self._spaces():
            recorded = None
            try:
                recorded = self.find(space)
            except errors.KukeonError as exc:
                log.warning("%s; going by the space's network configuration", exc)
            if recorded is not None:
                yield space, recorded
            configured = self._configured(space)
            if configured is not None and configured != recorded:
                yield space, configured

    def _spaces(self) -> Iterator[Ref]:
        # Directories, not documents: a half-made or half-deleted space still has its bridge.
        for realm in filter(names.is_name, tree.directories(self._layout, None)):
            try:
                spaces = tree.directories(self._layout, Ref(realm))
            except errors.KukeonError as exc:
                log.warning("%s", exc)
                continue
            yield from (Ref(realm, space) for space in spaces if names.is_name(space))

    def _configured(self, space: Ref) -> IPv4Network | None:
        """The subnet in the space's network configuration, None when there is none that can be understood."""
        path = self._layout.conflist(space)
        try:
            content = self._read(space, _CONFLIST_FILE)
            return conflist.parse(content).subnet if content is not None else None
        except (errors.KukeonError, kukeon_cni.errors.CniError) as exc:
            log.warning("cannot learn a subnet from %r: %s", path, exc)
            return None

    def _read(self, space: Ref, name: str) -> bytes | None:
        with durable.host_errors("read", f"{self._layout.space_dir(space)}/{name}"):
            try:
                with durable.directory(self._layout.run_path, tree.parts_of(space)) as fd:
                    return durable.read(fd, name)
            except FileNotFoundError:
                return None

    def _record(self, space: Ref, network: IPv4Network) -> None:
        content = msgspec.json.encode(_Record(subnet_cidr=str(network))) + b"\n"
        with (
            durable.host_errors("write", self._layout.subnet_file(space)),
            durable.directory(self._layout.run_path, tree.parts_of(space), create=True, gid=self._gid) as fd,
        ):
            durable.replace(fd, _SUBNET_FILE, content, gid=self._gid)

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        with contextlib.ExitStack() as held:
            held.enter_context(self._lock)
            if not self._exclusive:
                held.enter_context(flock.one_change(self._layout.run_path, gid=self._gid))
            yield
