"""Published ports: how they are written, and when two of them want the same of a host.

`8080:80`, `127.0.0.1:8443:443/tcp`, `0.0.0.0:53:53/udp`: address and port of the host, port of the cell, protocol. The
one canonical form says all four: `127.0.0.1:8080:80/tcp`.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kukeon_api.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

LOCAL = "127.0.0.1"
"""Where a port is open that names no address: on the host itself and nowhere else."""
EVERYWHERE = "0.0.0.0"  # noqa: S104 - only where a manifest says so
PROTOCOLS = ("tcp", "udp")
MAX_PORT = 65535


@dataclass(frozen=True, order=True)
class Port:
    """A port of the host that leads to a port of a cell. `address` is one of the host's, or `EVERYWHERE`."""

    address: str
    host: int
    cell: int
    protocol: str

    def __str__(self) -> str:
        return f"{self.address}:{self.host}:{self.cell}/{self.protocol}"

    @property
    def place(self) -> str:
        """What it takes of the host: `127.0.0.1:8080/tcp`."""
        return f"{self.address}:{self.host}/{self.protocol}"

    def clashes(self, other: Port) -> bool:
        """Whether no host can have both open."""
        same = (self.host, self.protocol) == (other.host, other.protocol)
        return same and (self.address == other.address or EVERYWHERE in (self.address, other.address))


def parse(text: str) -> Port:
    """Return the port that `text` writes. Raises ValueError, saying what is wrong with it."""
    pair, slash, protocol = text.strip().partition("/")
    protocol = protocol.strip().lower() if slash else PROTOCOLS[0]
    if protocol not in PROTOCOLS:
        raise ValueError(f"{protocol[:20]!r} is neither tcp nor udp")
    if "[" in pair or pair.count(":") > 2:
        raise ValueError("an address must be IPv4: spaces have no IPv6 yet")
    parts = [part.strip() for part in pair.split(":")]
    if len(parts) == 1:
        raise ValueError("says one port: write HOST:CONTAINER, like 8080:80")
    address = _address(parts[0]) if len(parts) == 3 else LOCAL
    return Port(address, _number(parts[-2]), _number(parts[-1]), protocol)


def canonical(text: str) -> str:
    """Return `text` in canonical form. Raises ValueError."""
    return str(parse(text))


def problems(entries: Sequence[str]) -> Iterator[Problem]:
    """Yield what is wrong with the `ports` of one container."""
    first: dict[Port, int] = {}
    for index, text in enumerate(entries):
        path = f"ports[{index}]"
        try:
            port = parse(text)
        except ValueError as exc:
            yield Problem(path=path, message=f"{text[:80]!r} is not a port: {exc}")
            continue
        if other := next((each for each in first if each.clashes(port)), None):
            yield Problem(path=path, message=f"{port.place} is already taken by ports[{first[other]}]")
        first.setdefault(port, index)


def clashes(containers: Iterable[tuple[str, Sequence[str]]]) -> Iterator[Problem]:
    """Yield a problem for each port that two containers of a cell want of the host; `containers` are path and ports.

    What cannot be read, and what clashes within one container, is told by `problems`.
    """
    seen: list[tuple[Port, str]] = []
    for path, entries in containers:
        own = [(port, f"{path}.ports[{index}]") for index, port in _readable(entries)]
        for port, here in own:
            if there := next((where for each, where in seen if each.clashes(port)), None):
                yield Problem(path=here, message=f"{port.place} is already taken by {there}")
        seen += own


def of(entries: Iterable[str]) -> tuple[Port, ...]:
    """Return the ports in canonical `entries`, in order, each once. Raises ValueError."""
    return tuple(sorted({parse(each) for each in entries}))


def _readable(entries: Sequence[str]) -> Iterator[tuple[int, Port]]:
    for index, text in enumerate(entries):
        try:
            yield index, parse(text)
        except ValueError:
            continue


def _address(text: str) -> str:
    try:
        address = ipaddress.IPv4Address(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is not an IPv4 address") from None
    if address.is_multicast or str(address) == "255.255.255.255":
        raise ValueError(f"{text} is not an address of one host")
    return str(address)


def _number(text: str) -> int:
    if "-" in text:
        raise ValueError("ranges of ports are not supported yet: write each port")
    if not (text.isascii() and text.isdecimal() and len(text) <= 5 and 1 <= int(text) <= MAX_PORT):
        raise ValueError(f"{text[:20]!r} is not a number from 1 to {MAX_PORT}" if text else "a number is missing")
    return int(text)
