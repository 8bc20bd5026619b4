"""Logins for registries, as docker's config.json and its credential helpers keep them."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Login:
    """What proves to a registry who asks: a password, or an identity token, which stands for one (OAuth 2)."""

    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    identity_token: str = dataclasses.field(default="", repr=False)


_HUB_NAMES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com"})


def host_of(server: str) -> str:
    """Return the registry that a key of docker's config names: `https://index.docker.io/v1/` is docker.io."""
    host = server.strip().partition("://")[2] if "://" in server else server.strip()
    host = host.partition("/")[0].lower()
    return "docker.io" if host in _HUB_NAMES else host
