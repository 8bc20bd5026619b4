"""Where a request goes: origins, and what may be sent to them.  Pure."""

from __future__ import annotations

import ipaddress
import re
import urllib.parse
from dataclasses import dataclass

HUB = "docker.io"
"""The name of Docker Hub in references; its API is at `HUB_API`."""
HUB_API = "registry-1.docker.io"


@dataclass(frozen=True)
class Origin:
    """Scheme, host and port of an URL (RFC 6454); logins belong to one."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """The host, with the port where it is not the scheme's own: as references and credentials name it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def is_private(self) -> bool:
        """Tell whether nobody on the way can read along."""
        return self.scheme == "https" or is_loopback(self.host)

    def __str__(self) -> str:
        """Return it as the beginning of an URL."""
        return f"{self.scheme}://{self.netloc}"


_NO_ADDRESS = re.compile(r"[^!-~]")
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._-]{1,253}|[0-9a-f:.]{2,45}", re.ASCII)


def origin(url: str) -> Origin:
    """Return the origin of an absolute URL. Raises ValueError for what we do not send requests to."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in _PORTS:
        raise ValueError("it is no http or https address")
    if not parts.hostname:
        raise ValueError("it names no host")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it contains a login")
    # Other readers of addresses disagree about where a host with anything else in it ends.
    if not _HOST.fullmatch(parts.hostname):
        raise ValueError("its host is none")
    return Origin(parts.scheme, parts.hostname.lower(), parts.port or _PORTS[parts.scheme])


def quoted(address: str) -> str:
    """Return an address with what may not stand in one written as %XX; all else is left alone, signatures above all."""
    return _NO_ADDRESS.sub(lambda found: urllib.parse.quote(found[0].encode("utf-8", "replace")), address)


def is_loopback(host: str) -> bool:
    """Tell whether `host` is this machine by what it is, not by what a name server says (RFC 6761 for localhost)."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def default(registry: str) -> str:
    """Return the address of a registry that nothing is configured for: by TLS, without it on this machine alone.

    Raises ValueError for what is no host.
    """
    if registry == HUB:
        return f"https://{HUB_API}"
    secure = origin(f"https://{registry}")
    return f"http://{registry}" if is_loopback(secure.host) else f"https://{registry}"
