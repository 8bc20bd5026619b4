"""What links and routes the calling thread's network namespace has now, and their removal (door)."""

import socket
import struct
from dataclasses import dataclass
from ipaddress import IPv4Network

from kukeon_cni import netlink
from kukeon_cni.errors import CniError, ErrorCode
from kukeon_cni.names import check_ifname

__all__ = ["Link", "bridge_ports", "delete_link", "host_routes", "link_exists", "list_links"]

# <linux/rtnetlink.h>, <linux/if_link.h>
_RTM_DELLINK, _RTM_GETLINK, _RTM_GETROUTE = 17, 18, 26
_IFLA_IFNAME, _IFLA_MASTER, _IFLA_LINKINFO, _IFLA_INFO_KIND = 3, 10, 18, 1
_IFINFO = struct.Struct("=BxHiII")  # family, device type, index, flags, change mask
_RTMSG = struct.Struct("=BBBBBBBBI")  # family, destination bits, ..., route type, flags
_RTA_DST = 1
_RTN_UNICAST, _RTN_LOCAL = 1, 2


@dataclass(frozen=True)
class Link:
    """A network interface; `kind` is empty for hardware, `master` is the index of its bridge or 0."""

    index: int
    name: str
    kind: str
    master: int


def list_links() -> list[Link]:
    """Return every link. Raises `CniError`."""
    try:
        bodies = netlink.dump(_RTM_GETLINK, _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
    except OSError as error:
        raise _host_error("list links", error) from error
    return [_link(body) for body in bodies]


def link_exists(name: str) -> bool:
    """Say whether a link has this name."""
    check_ifname(name)
    try:
        socket.if_nametoindex(name)
    except OSError:  # ENODEV is the only way this fails
        return False
    return True


def bridge_ports(name: str) -> list[str]:
    """Return the names of the links enslaved to bridge `name`, sorted; empty when there is no such link."""
    links = list_links()
    indexes = {link.index for link in links if link.name == name}
    return sorted(link.name for link in links if link.master in indexes)


def delete_link(name: str, kind: str = "bridge") -> bool:
    """Delete the link and say whether it was there; raise `CniError` when it is not of `kind`, or refused.

    The kind is asked for so that a name taken by something else never costs the host that link.
    """
    check_ifname(name)
    link = next((link for link in list_links() if link.name == name), None)
    if link is None:
        return False
    if link.kind != kind:
        raise CniError(
            ErrorCode.INTERNAL,
            f"cannot delete link {name!r}: it is a {link.kind or 'hardware'} link, not a {kind}",
            hint=f"remove or rename it yourself if it is yours: ip link delete {name}",
        )
    try:
        netlink.ack(_RTM_DELLINK, _IFINFO.pack(socket.AF_UNSPEC, 0, link.index, 0, 0))
    except OSError as error:
        if not link_exists(name):
            return False  # somebody else was faster
        raise _host_error(f"delete link {name!r}", error) from error
    return True


def host_routes() -> list[IPv4Network]:
    """Return the IPv4 destinations this host reaches by a route of any table, or owns; sorted, each once.

    Default routes are left out, as are multicast, broadcast, and routes that only refuse (blackhole, unreachable).
    Raises `CniError`.
    """
    try:
        bodies = netlink.dump(_RTM_GETROUTE, _RTMSG.pack(socket.AF_INET, 0, 0, 0, 0, 0, 0, 0, 0))
    except OSError as error:
        raise _host_error("list routes", error) from error
    found = set()
    for body in bodies:
        family, bits, *_, type_, _flags = _RTMSG.unpack_from(body)
        destination = netlink.attributes(body, _RTMSG.size).get(_RTA_DST)
        if family == socket.AF_INET and bits and destination and type_ in (_RTN_UNICAST, _RTN_LOCAL):
            found.add(IPv4Network((destination, bits)))
    return sorted(found)


def _link(body: bytes) -> Link:
    _family, _type, index, _flags, _change = _IFINFO.unpack_from(body)
    attributes = netlink.attributes(body, _IFINFO.size)
    info = netlink.attributes(attributes.get(_IFLA_LINKINFO, b""))
    master = attributes.get(_IFLA_MASTER)
    return Link(
        index,
        _text(attributes.get(_IFLA_IFNAME, b"")),
        _text(info.get(_IFLA_INFO_KIND, b"")),
        struct.unpack("=I", master)[0] if master else 0,
    )


def _text(value: bytes) -> str:
    return value.rstrip(b"\x00").decode(errors="replace")


def _host_error(what: str, error: OSError) -> CniError:
    return CniError(ErrorCode.IO_FAILURE, f"cannot {what}: {error.strerror or error}")
