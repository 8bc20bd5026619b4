"""Addresses of names, with the time for which they hold (door). libc's resolver tells no times.

A stub resolver as RFC 1035 has it, for A records over UDP, and over TCP for an answer that does not fit. /etc/hosts
comes first. Answers are taken from who was asked only, and only for what was asked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import struct
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.egress import Resolution

if TYPE_CHECKING:
    from collections.abc import Sequence

HOSTS, RESOLV_CONF = Path("/etc/hosts"), Path("/etc/resolv.conf")
HOSTS_TTL_S = 30.0
"""For how long an entry of /etc/hosts is taken for true."""
TIMEOUT_S, ATTEMPTS, MOST_SERVERS = 2.0, 2, 3  # resolv.conf(5) has 5 s, 2 and 3; an apply waits for this
_PORT = 53
_HEADER = struct.Struct("!HHHHHH")  # id, flags, questions, answers, authorities, additions
_RECORD = struct.Struct("!HHIH")  # type, class, TTL, length
_A, _CNAME, _OPT, _IN = 1, 5, 41, 1
_ANSWER, _TRUNCATED, _WANT_RECURSION = 0x8000, 0x0200, 0x0100
_NO_SUCH_NAME = 3
_MOST_BYTES = 1232  # what crosses every network unfragmented (DNS flag day 2020)
_MOST_ALIASES = 16
_MOST_TTL = 2**31 - 1  # RFC 2181, 8


class Malformed(Exception):
    """An answer that cannot be understood."""


class Resolver:
    def __init__(self, servers: Sequence[tuple[str, int]] | None = None, hosts: Path = HOSTS) -> None:
        """`servers` are addresses and ports; those of /etc/resolv.conf when None, read anew each time."""
        self._servers = servers
        self._hosts = hosts

    async def resolve(self, host: str) -> Resolution:
        """Return the IPv4 addresses of `host`, at least one. Raises HostError."""
        if local := await asyncio.to_thread(_from_hosts, self._hosts, host):
            return Resolution(local, HOSTS_TTL_S)
        servers = self._servers if self._servers is not None else await asyncio.to_thread(_configured)
        why = "no name server is configured"
        for server in [*servers][:MOST_SERVERS] * ATTEMPTS:
            try:
                async with asyncio.timeout(TIMEOUT_S):
                    found = await _ask(server, host)
            except (OSError, TimeoutError, Malformed) as error:
                why = f"{server[0]} did not answer" if isinstance(error, TimeoutError) else f"{server[0]}: {error}"
                continue
            if found is not None and found.addresses:
                return found
            raise _unknown(host, "it has no IPv4 address")
        raise _unknown(host, why)


def _unknown(host: str, why: str) -> errors.HostError:
    return errors.HostError(
        f"cannot look up {host!r}: {why}", hint="correct the name, or see /etc/resolv.conf of this host"
    )


def _from_hosts(path: Path, host: str) -> tuple[str, ...]:
    found = []
    for words in map(str.split, _lines(path)):
        if len(words) > 1 and host in (word.lower() for word in words[1:]) and _is_ipv4(words[0]):
            found.append(words[0])
    return tuple(dict.fromkeys(found))


def _configured() -> list[tuple[str, int]]:
    words = [line.split() for line in _lines(RESOLV_CONF)]
    # resolv.conf(5): without an entry, the name server on this machine.
    return [(each[1], _PORT) for each in words if len(each) > 1 and each[0] == "nameserver"] or [("127.0.0.1", _PORT)]


def _lines(path: Path) -> list[str]:
    try:
        return [line.partition("#")[0] for line in path.read_text(errors="replace").splitlines()]
    except OSError:
        return []


def _is_ipv4(text: str) -> bool:
    try:
        ipaddress.IPv4Address(text)
    except ValueError:
        return False
    return True


async def _ask(server: tuple[str, int], host: str) -> Resolution | None:
    """What `server` says of `host`; None for a name that does not exist."""
    number = secrets.randbelow(1 << 16)
    question = _question(host)
    query = (
        _HEADER.pack(number, _WANT_RECURSION, 1, 0, 0, 1)
        + question
        + b"\0"
        + struct.pack("!HHIH", _OPT, _MOST_BYTES, 0, 0)
    )
    answer = await _over_udp(server, query, number, question)
    if int.from_bytes(answer[2:4], "big") & _TRUNCATED:
        answer = await _over_tcp(server, query)
        if not _replies(answer, number, question):
            raise Malformed("an answer to another question")
    return parse(answer, host)


class _Reply(asyncio.DatagramProtocol):
    def __init__(self, number: int, question: bytes) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._number, self._question = number, question

    def datagram_received(self, data: bytes, _from: object) -> None:
        if not self.answer.done() and _replies(data, self._number, self._question):
            self.answer.set_result(data)

    def error_received(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


async def _over_udp(server: tuple[str, int], query: bytes, number: int, question: bytes) -> bytes:
    # A connected socket of its own, with a port that the kernel draws: nobody else can answer, or guess where to.
    loop = asyncio.get_running_loop()
    transport, reply = await loop.create_datagram_endpoint(lambda: _Reply(number, question), remote_addr=server)
    try:
        transport.sendto(query)
        return await reply.answer
    finally:
        reply.answer.cancel()
        transport.close()


async def _over_tcp(server: tuple[str, int], query: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(*server)
    try:
        writer.write(struct.pack("!H", len(query)) + query)
        await writer.drain()
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        return await reader.readexactly(length)
    except asyncio.IncompleteReadError as error:
        raise Malformed("an answer that ends early") from error
    finally:
        writer.close()


def _question(host: str) -> bytes:
    labels = [label.encode("idna") if not label.isascii() else label.encode() for label in host.split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0" + struct.pack("!HH", _A, _IN)


def _replies(data: bytes, number: int, question: bytes) -> bool:
    """Whether `data` is an answer to the question, spelled in whatever case."""
    if len(data) < _HEADER.size + len(question):
        return False
    found, flags, questions, *_ = _HEADER.unpack_from(data)
    asked = data[_HEADER.size : _HEADER.size + len(question)]
    return found == number and bool(flags & _ANSWER) and questions == 1 and asked.lower() == question.lower()


def parse(data: bytes, host: str) -> Resolution | None:
    """What an answer to the question for `host` says; None when there is no such name. Raises Malformed."""
    try:
        return _parse(data, host)
    except (struct.error, IndexError, ValueError) as error:
        raise Malformed("an answer that cannot be understood") from error


def _parse(data: bytes, host: str) -> Resolution | None:
    _number, flags, questions, answers, *_ = _HEADER.unpack_from(data)
    code = flags & 0xF
    if code == _NO_SUCH_NAME:
        return None
    if code:
        raise Malformed(f"it answered with code {code}")
    offset = _HEADER.size
    for _ in range(questions):
        _name, offset = _read_name(data, offset)
        offset += 4
    addresses: dict[str, list[tuple[str, int]]] = {}
    aliases: dict[str, tuple[str, int]] = {}
    for _ in range(answers):
        name, offset = _read_name(data, offset)
        type_, class_, ttl_s, length = _RECORD.unpack_from(data, offset)
        offset += _RECORD.size
        ttl_s = ttl_s if ttl_s <= _MOST_TTL else 0
        if (type_, class_, length) == (_A, _IN, 4):
            addresses.setdefault(name, []).append((str(ipaddress.IPv4Address(data[offset : offset + 4])), ttl_s))
        elif (type_, class_) == (_CNAME, _IN):
            aliases[name] = _read_name(data, offset)[0], ttl_s
        offset += length
    name, times = host.lower(), []
    for _ in range(_MOST_ALIASES):
        if name not in aliases:
            break
        name, ttl_s = aliases[name]
        times.append(ttl_s)
    found = addresses.get(name, [])
    times += [ttl_s for _, ttl_s in found]
    return Resolution(tuple(dict.fromkeys(address for address, _ in found)), float(min(times, default=0)))


def _read_name(data: bytes, offset: int) -> tuple[str, int]:
    """The name at `offset`, in lower case, and what comes after it. Each pointer leads further back, so it ends."""
    labels: list[str] = []
    end, lowest = 0, offset
    while (length := data[offset]) != 0:
        if length & 0xC0 == 0xC0:
            end = end or offset + 2
            offset = int.from_bytes(data[offset : offset + 2], "big") & 0x3FFF
            if offset >= lowest:
                raise ValueError("a pointer that leads nowhere")
            lowest = offset
            continue
        if length & 0xC0:
            raise ValueError("a label of an unknown kind")
        labels.append(data[offset + 1 : offset + 1 + length].decode("ascii", "replace").lower())
        offset += 1 + length
    return ".".join(labels), end or offset + 1
