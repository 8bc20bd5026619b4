"""What makes a realm's registry credentials right.  No message shows a password."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kukeon_api import docker_config
from kukeon_api.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kukeon_api import model

# A host name or an address, and a port: what stands before the first slash of an image reference.
_SERVER = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9.]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?")
# Of the header that carries them a registry takes 8 KiB at most, and both travel as base64.
_MAX_BYTES = 4096


def problems(credentials: Sequence[model.RegistryCredentials]) -> Iterator[Problem]:
    """Yield every problem, with paths relative to the realm's spec."""
    seen: dict[str, str] = {}
    for index, each in enumerate(credentials):
        path = f"registryCredentials[{index}]"
        yield from _login(path, each)
        server = each.server_address.lower()
        if server and not _is_server(server):
            yield Problem(
                path=f"{path}.serverAddress",
                message=f"{server[:80]!r} is not a registry's host",
                suggestion=_meant(server),
            )
            continue
        # Without one it is Docker Hub, which has several names.
        server = docker_config.host_of(server or docker_config.HUB)
        if server in seen:
            yield Problem(path=f"{path}.serverAddress", message=f"{server!r} already has credentials: {seen[server]}")
        seen.setdefault(server, path)


def _login(path: str, credentials: model.RegistryCredentials) -> Iterator[Problem]:
    user = credentials.username
    if not user:
        yield Problem(path=f"{path}.username", message="is required")
    elif ":" in user:
        # RFC 7617: the first colon ends the name.
        yield Problem(path=f"{path}.username", message="must not contain ':'")
    for name, value in (("username", user), ("password", credentials.password)):
        if any(ord(character) < 32 or ord(character) == 127 for character in value):
            yield Problem(path=f"{path}.{name}", message="must not contain control characters, like the end of a line")
        elif len(value.encode("utf-8", "surrogatepass")) > _MAX_BYTES:
            yield Problem(path=f"{path}.{name}", message=f"is longer than {_MAX_BYTES} bytes")


def _is_server(text: str) -> bool:
    return bool(_SERVER.fullmatch(text)) and ".." not in text


def _meant(server: str) -> str:
    host = server.partition("://")[2].partition("/")[0] or server.partition("/")[0]
    return f"write {host}" if host != server and _is_server(host) else "write it like registry.example.org:5000"
