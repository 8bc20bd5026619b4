"""The few rtnetlink requests this package needs, of the calling thread's network namespace (door).

rtnetlink(7), netlink(7); all numbers are from <linux/netlink.h>, <linux/rtnetlink.h> and <linux/if_link.h>, all
fields in the machine's byte order. A netlink library would cost every process 160 ms and 18 MB at import.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator

__all__ = ["ack", "attribute", "attributes", "dump"]

_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ATTRIBUTE = struct.Struct("=HH")  # length, type
_NLMSG_ERROR, _NLMSG_DONE = 2, 3
_NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_DUMP_INTR, _NLM_F_DUMP = 0x1, 0x4, 0x10, 0x300
# The two top bits of an attribute's type are flags (nested, byte order).
_TYPE_MASK = 0x3FFF
# The kernel fills dumps in pieces of 32 KiB at most.
_RECEIVE_BYTES = 1 << 16
_TIMEOUT_S = 5.0
# A dump during which the table changed is inconsistent and repeated.
_MOST_DUMPS = 8


def dump(type_: int, request: bytes) -> list[bytes]:
    """Return the body of every object that `type_` (an RTM_GET* number) lists. Raises `OSError`."""
    for _ in range(_MOST_DUMPS):
        bodies, interrupted = [], False
        for flags, body in _exchange(type_, _NLM_F_DUMP, request):
            bodies.append(body)
            interrupted |= bool(flags & _NLM_F_DUMP_INTR)
        if not interrupted:
            return bodies
    raise OSError(errno.EAGAIN, "the table kept changing while it was read")


def ack(type_: int, request: bytes, flags: int = 0) -> None:
    """Send a change and wait for the kernel's answer. `flags` are NLM_F_*. Raises `OSError` with its errno."""
    for _ in _exchange(type_, _NLM_F_ACK | flags, request):
        pass


def attribute(type_: int, data: bytes) -> bytes:
    """Return one attribute, padded as the next one needs it."""
    length = _ATTRIBUTE.size + len(data)
    return _ATTRIBUTE.pack(length, type_) + data + bytes(-length % 4)


def attributes(body: bytes, offset: int = 0) -> dict[int, bytes]:
    """Return the attributes by type that begin at `offset` in `body`, also for the content of a nested one."""
    found = {}
    while offset + _ATTRIBUTE.size <= len(body):
        length, type_ = _ATTRIBUTE.unpack_from(body, offset)
        if length < _ATTRIBUTE.size:
            break
        found[type_ & _TYPE_MASK] = body[offset + _ATTRIBUTE.size : offset + length]
        offset += -(-length // 4) * 4
    return found


def _exchange(type_: int, flags: int, request: bytes) -> Iterator[tuple[int, bytes]]:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE) as channel:
        channel.settimeout(_TIMEOUT_S)
        channel.bind((0, 0))
        length = _HEADER.size + len(request)
        channel.sendto(_HEADER.pack(length, type_, flags | _NLM_F_REQUEST, 1, 0) + request, (0, 0))
        while True:
            data, (sender, _groups) = channel.recvfrom(_RECEIVE_BYTES)
            if sender != 0:  # any process may send to us; the kernel is port 0
                continue
            for kind, answer_flags, body in _messages(data):
                if kind == _NLMSG_DONE:
                    return
                if kind == _NLMSG_ERROR:
                    (number,) = struct.unpack_from("=i", body)
                    if number:
                        raise OSError(-number, os.strerror(-number))
                    return
                yield answer_flags, body


def _messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, flags, _sequence, _port = _HEADER.unpack_from(data, offset)
        if length < _HEADER.size:
            return
        yield kind, flags, data[offset + _HEADER.size : offset + length]
        offset += -(-length // 4) * 4
