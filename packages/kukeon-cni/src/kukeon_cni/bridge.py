"""Make the bridge of a network before its first container: a subnet that the host routes is a subnet nobody else takes.

The bridge plugin finds such a bridge and uses it as it is. rtnetlink(7); numbers are from <linux/rtnetlink.h>,
<linux/if_link.h> and <linux/if_addr.h>.
"""

import errno
import socket
import struct
from ipaddress import IPv4Interface

from kukeon_cni import links, netlink
from kukeon_cni.errors import CniError, ErrorCode
from kukeon_cni.names import check_ifname

__all__ = ["ensure_bridge"]

_RTM_NEWLINK, _RTM_NEWADDR = 16, 20
_NLM_F_EXCL, _NLM_F_CREATE = 0x200, 0x400
_IFF_UP = 1
_IFLA_IFNAME, _IFLA_LINKINFO, _IFLA_INFO_KIND = 3, 18, 1
_IFA_ADDRESS, _IFA_LOCAL, _IFA_BROADCAST = 1, 2, 4
_IFINFO = struct.Struct("=BxHiII")  # family, type, index, flags, change
_IFADDR = struct.Struct("=BBBBI")  # family, prefix length, flags, scope, index


def ensure_bridge(name: str, address: IPv4Interface) -> bool:
    """Have the bridge `name`, up and with `address`; say whether it was made. Raises `CniError`.

    A link of that name which is no bridge is somebody else's and refused.
    """
    check_ifname(name)
    try:
        made = _make(name)
        index = socket.if_nametoindex(name)
        _assign(index, address)
        netlink.ack(_RTM_NEWLINK, _IFINFO.pack(socket.AF_UNSPEC, 0, index, _IFF_UP, _IFF_UP))
    except OSError as error:
        raise CniError(ErrorCode.IO_FAILURE, f"cannot make bridge {name!r}: {error.strerror or error}") from error
    return made


def _make(name: str) -> bool:
    kind = netlink.attribute(_IFLA_INFO_KIND, b"bridge")
    request = (
        _IFINFO.pack(socket.AF_UNSPEC, 0, 0, 0, 0)
        + netlink.attribute(_IFLA_IFNAME, name.encode() + b"\0")
        + netlink.attribute(_IFLA_LINKINFO, kind)
    )
    try:
        netlink.ack(_RTM_NEWLINK, request, _NLM_F_CREATE | _NLM_F_EXCL)
    except FileExistsError:
        kinds = [link.kind for link in links.list_links() if link.name == name]
        if kinds != ["bridge"]:
            raise CniError(
                ErrorCode.INTERNAL,
                f"cannot make bridge {name!r}: a {''.join(kinds) or 'hardware'} link has that name",
                hint=f"remove or rename it if it is yours: ip link delete {name}",
            ) from None
        return False
    return True


def _assign(index: int, address: IPv4Interface) -> None:
    request = _IFADDR.pack(socket.AF_INET, address.network.prefixlen, 0, 0, index) + b"".join(
        (
            netlink.attribute(_IFA_LOCAL, address.packed),
            netlink.attribute(_IFA_ADDRESS, address.packed),
            netlink.attribute(_IFA_BROADCAST, address.network.broadcast_address.packed),
        )
    )
    try:
        netlink.ack(_RTM_NEWADDR, request, _NLM_F_CREATE | _NLM_F_EXCL)
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise
