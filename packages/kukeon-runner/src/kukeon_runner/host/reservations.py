"""Ports of this host that are about to be published, told to the other kukeons of the host (door).

What is published stands in nftables for everybody to see. Until then a port is held by a lock on a range of one file
that all instances share; the file itself stays empty. Ports and addresses are laid out so that two ranges overlap
exactly when two ports clash: each port number has four gigabytes, one byte for each IPv4 address, and a port of every
address takes them all. The kernel drops the locks of a process that dies (fcntl_locking(2), open file description
locks).
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

from kukeon_api import ports as published
from kukeon_runner import durable, flock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kukeon_api.ports import Port

_ADDRESSES = 1 << 32


@dataclass
class Reservation:
    """Ports that no other kukeon of this host can reserve until `release`, or until this process ends."""

    clash: Port | None
    """The first of the ports that another kukeon holds; none of them is reserved then."""
    _fd: int = -1

    def release(self) -> None:
        """Let others have the ports; twice is fine."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def reserve(path: str, ports: Iterable[Port]) -> Reservation:
    """Reserve all of `ports`, by the file `path`, or none. Waits for nobody. Raises HostError."""
    with durable.host_errors("lock", path):
        fd = flock.open_shared(path)
        try:
            for port in ports:
                if not _lock(fd, port):
                    os.close(fd)
                    return Reservation(port)
        except BaseException:
            os.close(fd)
            raise
    return Reservation(None, fd)


def _lock(fd: int, port: Port) -> bool:
    number = published.PROTOCOLS.index(port.protocol) * (published.MAX_PORT + 1) + port.host
    start, length = number * _ADDRESSES, _ADDRESSES
    if port.address != published.EVERYWHERE:
        start, length = start + int(IPv4Address(port.address)), 1
    # struct flock of fcntl(2): type, whence, start, length, pid; the last must be 0 for this kind of lock.
    wanted = struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
    try:
        fcntl.fcntl(fd, fcntl.F_OFD_SETLK, wanted)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            return False
        raise
    return True
