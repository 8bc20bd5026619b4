"""The places that serve a registry, as values."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import TypeAlias

from kukeon_runner.host.registry import origins


class Capability(enum.StrEnum):
    """What an endpoint is trusted with."""

    PULL = "pull"
    RESOLVE = "resolve"
    PUSH = "push"


@dataclasses.dataclass(frozen=True)
class TLS:
    """How an endpoint is known, and how it knows us. Files are PEM; an empty key is in the certificate's file."""

    ca: tuple[str, ...] = ()
    client: tuple[tuple[str, str], ...] = ()
    skip_verify: bool = False


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """One place that serves (part of) a registry. `url` is where its API is, usually ending in /v2."""

    url: str
    capabilities: frozenset[Capability] = frozenset(Capability)
    tls: TLS = TLS()
    headers: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
    """Sent with every request; people keep keys in them."""
    connect_s: float | None = None
    proxy: str = dataclasses.field(default="", repr=False)
    """May contain a login."""
    mirror_of: str = ""
    """The registry it stands in for, told to it as `ns`; empty for the registry itself."""
    plain_http: bool = False
    """Whether somebody has configured that it is talked to without TLS."""

    @property
    def origin(self) -> origins.Origin:
        """Where requests go."""
        return origins.origin(self.url)

    def for_origin(self, origin: origins.Origin) -> Endpoint:
        """Return how to talk to `origin`, where this endpoint has sent us for a token or for content.

        Whom the endpoint's configuration trusts is trusted there too, because such servers come together; what proves
        who we are stays at home.
        """
        if origin == self.origin:
            return self
        tls = dataclasses.replace(self.tls, client=())
        return Endpoint(str(origin), tls=tls, connect_s=self.connect_s, proxy=self.proxy, plain_http=self.plain_http)


Hosts: TypeAlias = Callable[[str], tuple[Endpoint, ...]]
"""Gives the endpoints of a registry, the ones to try first in front. May read files, and raise ValueError or ours."""


def unconfigured(registry: str) -> tuple[Endpoint, ...]:
    """Return where a registry is that nothing is configured for. Raises ValueError for what is no host."""
    return (Endpoint(f"{origins.default(registry)}/v2"),)
