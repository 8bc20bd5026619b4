"""Where the daemon listens: which address is meant when none is given, and what an address may look like."""

from __future__ import annotations

import os
import re

from kukeon_api import errors

ENVIRONMENT_VARIABLE = "KUKEON_HOST"
DEFAULT_SOCKET = "/run/kukeon/kukeond.sock"
DEFAULT_ADDRESS = f"unix://{DEFAULT_SOCKET}"

# sun_path of struct sockaddr_un holds 108 bytes with the closing NUL: unix(7).
MAX_SOCKET_PATH_BYTES = 107

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://|([A-Za-z][A-Za-z0-9+.-]+):")


UnsupportedSchemeError = errors.UnsupportedScheme
"""No transport of this version serves the address's scheme."""


def default_address() -> str:
    """Return `$KUKEON_HOST`, or the socket of the default instance when the variable is not set."""
    return os.environ.get(ENVIRONMENT_VARIABLE, DEFAULT_ADDRESS)


def socket_path(address: str | os.PathLike[str]) -> str:
    """Return the path that `address` (`unix:///a/path` or `/a/path`) names.

    Raises `UnsupportedSchemeError` for every other scheme and `Invalid` for a path that no socket can have, TypeError
    for what is neither text nor a path.
    """
    address = os.fspath(address)
    if address.startswith("/"):
        return check_socket_path(address)
    scheme = _SCHEME.match(address)
    if scheme is None:
        raise errors.Invalid(
            f"cannot use {address!r} as the address of kukeond: it is neither an absolute path nor a unix:// address",
            hint=f"write it like {DEFAULT_ADDRESS}",
        )
    name = (scheme[1] or scheme[2]).lower()
    if name == "ssh":
        raise UnsupportedSchemeError(
            f"cannot reach {address!r}: ssh:// is not supported yet",
            hint="forward the remote socket with `ssh -L /tmp/kukeond.sock:/run/kukeon/kukeond.sock HOST` "
            "and use unix:///tmp/kukeond.sock",
        )
    if name != "unix":
        raise UnsupportedSchemeError(
            f"cannot reach {address!r}: the scheme {name!r} is not supported",
            hint=f"use unix:// and an absolute path, like {DEFAULT_ADDRESS}",
        )
    path = address[scheme.end() :]
    if not path.startswith("/"):
        raise errors.Invalid(
            f"cannot use {address!r} as the address of kukeond: the path after unix:// must be absolute",
            hint=f"write it like {DEFAULT_ADDRESS}",
        )
    return check_socket_path(path)


def check_socket_path(path: str) -> str:
    """Return `path`, or raise `Invalid` when no unix socket can have it."""
    if "\0" in path:
        raise errors.Invalid(f"cannot use {path!r} as a socket: a path has no NUL character")
    size = len(os.fsencode(path))
    if size > MAX_SOCKET_PATH_BYTES:
        raise errors.Invalid(
            f"cannot use {path!r} as a socket: the path has {size} bytes, a unix socket has at most "
            f"{MAX_SOCKET_PATH_BYTES}",
            hint="use a shorter path",
        )
    return path
