"""Whether a port of this host is free to be published (door)."""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from kukeon_api.ports import Port

TAKEN = "a program on this host"


def look(port: Port) -> str:
    """Return who keeps `port` from being published, "" when nobody does. Raises HostError.

    Asked of the kernel by binding for a moment. SO_REUSEADDR lets connections that linger pass, and no listener; UDP
    has none that linger, and several may have one port with that option.
    """
    kind = socket.SOCK_STREAM if port.protocol == "tcp" else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind | socket.SOCK_CLOEXEC) as trying:
        if port.protocol == "tcp":
            trying.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trying.bind((port.address, port.host))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return TAKEN
            if error.errno == errno.EADDRNOTAVAIL:
                return ""  # an address that may come later, as after a reboot
            raise errors.HostError(f"cannot look whether {port.place} is free: {error.strerror}") from error
    return ""
