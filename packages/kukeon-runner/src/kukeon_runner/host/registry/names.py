"""Looks up the names of registries, on threads of its own: a name server that is away holds a thread for minutes.

By the C library, not by our own resolver: what is not a container's has the host's whole configuration.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from concurrent.futures import ThreadPoolExecutor

from aiohttp import abc

_THREADS = ThreadPoolExecutor(8, thread_name_prefix="kukeon-names")
"""For all pulls together; made when they are needed. All doors of the daemon share the others."""


class Resolver(abc.AbstractResolver):
    """Raises OSError for a name without an address."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[abc.ResolveResult]:
        """Return the addresses of `host`."""
        ask = functools.partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        found = await asyncio.get_running_loop().run_in_executor(_THREADS, ask)
        return [
            abc.ResolveResult(
                hostname=host,
                host=str(address[0]),
                port=port,
                family=kind,
                proto=protocol,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for kind, _, protocol, _, address in found
        ]

    async def close(self) -> None:
        """Leave the threads to the next pull."""
