"""Connections that the kernel keeps translating (door): ctnetlink, as far as it is needed.

A translated UDP exchange lives for as long as somebody sends, also when what it led to is gone and the address belongs
to another cell. Numbers are from <linux/netfilter/nfnetlink_conntrack.h>.
"""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import struct
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_cni import netlink

if TYPE_CHECKING:
    from collections.abc import Iterator

_NETLINK_NETFILTER = 12
_GET, _DELETE = (1 << 8) | 1, (1 << 8) | 2  # subsystem ctnetlink
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_NESTED = 0x8000
_ORIGINAL, _REPLY, _ID, _ZONE = 1, 2, 12, 18
_TUPLE_IP, _IP_SOURCE, _IP_DESTINATION = 1, 1, 2
_HEADER = struct.Struct("=IHHII")
_FAMILY = struct.pack("=BBH", socket.AF_INET, 0, 0)
_TIMEOUT_S = 5.0


def forget(address: str) -> int:
    """End the translation of every connection that was led to `address`; how many there were. Raises HostError."""
    wanted = IPv4Address(address).packed
    try:
        with _channel() as channel:
            found = [entry for entry in _request(channel, _GET, _DUMP, b"") if _led_to(entry, wanted)]
            for entry in found:
                _delete(channel, entry)
    except OSError as error:
        raise errors.HostError(f"cannot end connections to {address}: {error.strerror}") from error
    return len(found)


def _led_to(entry: bytes, address: bytes) -> bool:
    found = netlink.attributes(entry, len(_FAMILY))
    answers_from = _addresses(found.get(_REPLY, b"")).get(_IP_SOURCE)
    return answers_from == address != _addresses(found.get(_ORIGINAL, b"")).get(_IP_DESTINATION)


def _addresses(nested: bytes) -> dict[int, bytes]:
    return netlink.attributes(netlink.attributes(nested).get(_TUPLE_IP, b""))


def _delete(channel: socket.socket, entry: bytes) -> None:
    found = netlink.attributes(entry, len(_FAMILY))
    named = netlink.attribute(_ORIGINAL | _NESTED, found[_ORIGINAL])
    named += b"".join(netlink.attribute(each, found[each]) for each in (_ID, _ZONE) if each in found)
    try:
        for _ in _request(channel, _DELETE, _ACK, named):
            pass
    except OSError as error:
        if error.errno != errno.ENOENT:  # ended by itself
            raise


@contextlib.contextmanager
def _channel() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_NETFILTER) as channel:
        channel.settimeout(_TIMEOUT_S)
        channel.bind((0, 0))
        yield channel


def _request(channel: socket.socket, kind: int, flags: int, attributes: bytes) -> Iterator[bytes]:
    body = _FAMILY + attributes
    channel.sendto(_HEADER.pack(_HEADER.size + len(body), kind, flags | _REQUEST, 1, 0) + body, (0, 0))
    while True:
        data, (sender, _groups) = channel.recvfrom(1 << 16)
        offset = 0
        while sender == 0 and offset + _HEADER.size <= len(data):
            length, answer, *_ = _HEADER.unpack_from(data, offset)
            content = data[offset + _HEADER.size : offset + length]
            if answer == _DONE:
                return
            if answer == _ERROR:
                (number,) = struct.unpack_from("=i", content)
                if number:
                    raise OSError(-number, os.strerror(-number))
                return
            yield content
            if length < _HEADER.size:
                return
            offset += -(-length // 4) * 4
