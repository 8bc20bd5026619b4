"""What others change in nftables, as the kernel tells it (door).

The kernel multicasts every change, nlmsghdr and nfgenmsg in front; numbers are from <linux/netlink.h>,
<linux/netfilter/nfnetlink.h> and <linux/netfilter/nf_tables.h>. Our own small reader, since a monitor process would
cost more memory than the rest of the network's upkeep.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_cni import netlink
from kukeon_runner import firewall_foreign

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_NETLINK_NETFILTER = 12
_NFNLGRP_NFTABLES = 7
_NFNL_SUBSYS_NFTABLES = 10
_NFPROTO_INET, _NFPROTO_IPV4 = 1, 2
_NEWTABLE, _DELTABLE, _NEWCHAIN, _DELCHAIN, _NEWRULE, _DELRULE, _NEWGEN = 0, 2, 3, 5, 6, 8, 15
_TABLE = 1  # the attribute is the same for tables, chains, rules, sets and elements
_NAME_OF = {_NEWCHAIN: 3, _DELCHAIN: 3, _NEWRULE: 2, _DELRULE: 2}
"""The attribute that names the chain."""

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port of who asked
_NFGENMSG_BYTES = 4
_RECEIVE_BYTES = 1 << 16
# A flush of a big rule set comes at one stroke; what does not fit is told as ENOBUFS.
_BUFFER_BYTES = 1 << 20
# Read at most so many datagrams in a row before others of the loop have their turn.
_MOST_AT_ONCE = 64


@dataclass(frozen=True)
class Touched:
    """What of ours others have touched."""

    own: bool = False
    """The table of our own."""
    foreign: bool = False
    """A chain of others that our rules are in."""

    def __or__(self, other: Touched) -> Touched:
        return Touched(self.own or other.own, self.foreign or other.foreign)

    def __bool__(self) -> bool:
        return self.own or self.foreign


ALL = Touched(own=True, foreign=True)


class Changes:
    """The changes from the moment of making on, in the network namespace of the calling thread. Close it."""

    def __init__(self, table: str, own_ports: Collection[int]) -> None:
        """`own_ports` are the netlink ports whose changes are ours, looked at when a change is read.

        Raises HostError where the kernel has no nftables, or refuses.
        """
        self._table = table
        self._own_ports = own_ports
        try:
            self._socket = socket.socket(
                socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, _NETLINK_NETFILTER
            )
        except OSError as error:
            raise _refused(error) from error
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER_BYTES)
            self._socket.bind((0, 1 << (_NFNLGRP_NFTABLES - 1)))
        except OSError as error:
            self._socket.close()
            raise _refused(error) from error

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Changes:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def wait(self) -> Touched:
        """Return what others have touched, once there is something."""
        while not (found := self.read()):
            await self._readable()
        return found

    def read(self) -> Touched:
        """Return what others have touched by now; waits for nothing."""
        found = Touched()
        for _ in range(_MOST_AT_ONCE):
            try:
                data, (sender, _groups) = self._socket.recvfrom(_RECEIVE_BYTES)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise _refused(error) from error
                found = ALL  # more happened than was kept for us
                continue
            if sender == 0:  # any process may send to us; the kernel is port 0
                found |= touched(data, self._table, self._own_ports)
        return found

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        ready = asyncio.Event()
        loop.add_reader(self._socket.fileno(), ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(self._socket.fileno())


def touched(data: bytes, table: str, own_ports: Collection[int]) -> Touched:
    """Return what a datagram of notifications says of our table and of the chains of others that concern us."""
    found = Touched()
    for kind, family, port, attributes in _notifications(data):
        if port in own_ports or kind == _NEWGEN:
            continue
        named = _text(attributes.get(_TABLE, b""))
        if family == _NFPROTO_INET and named == table:
            found |= Touched(own=True)
        elif family == _NFPROTO_IPV4:
            found |= Touched(foreign=_concerns(kind, named, attributes))
    return found


def _concerns(kind: int, table: str, attributes: dict[int, bytes]) -> bool:
    tables = {place[1] for place in firewall_foreign.CHAINS}
    if kind in (_NEWTABLE, _DELTABLE):
        return table in tables
    chain = _text(attributes.get(_NAME_OF.get(kind, -1), b""))
    return ("ip", table, chain) in firewall_foreign.CHAINS


def _notifications(data: bytes) -> Iterator[tuple[int, int, int, dict[int, bytes]]]:
    """Kind, family, netlink port of who asked for it, and attributes of each notification about nftables."""
    offset = 0
    while offset + _HEADER.size + _NFGENMSG_BYTES <= len(data):
        length, type_, _flags, _sequence, port = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size + _NFGENMSG_BYTES:
            return
        if type_ >> 8 == _NFNL_SUBSYS_NFTABLES:
            body = data[offset + _HEADER.size : offset + length]
            yield type_ & 0xFF, body[0], port, netlink.attributes(body, _NFGENMSG_BYTES)
        offset += -(-length // 4) * 4


def _text(value: bytes) -> str:
    return value.rstrip(b"\x00").decode(errors="replace")


def _refused(error: OSError) -> errors.HostError:
    hint = "run as root, or with CAP_NET_ADMIN" if error.errno == errno.EPERM else ""
    return errors.HostError(f"cannot follow changes of the packet rules: {error.strerror}", hint=hint)
