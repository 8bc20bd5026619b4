"""Looking names up: real servers on loopback, and answers that no server should give."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_api import errors
from kukeon_runner.egress import Resolution
from kukeon_runner.host import dns
from kukeon_runner.host.dns import Malformed, Resolver

Answer = Callable[[bytes], bytes | None]


def name(text: str) -> bytes:
    return b"".join(bytes([len(label)]) + label.encode() for label in text.split(".")) + b"\0"


def a(host: str, address: str, ttl_s: int = 60) -> bytes:
    return name(host) + struct.pack("!HHIH", 1, 1, ttl_s, 4) + socket.inet_aton(address)


def alias(host: str, target: str, ttl_s: int = 60) -> bytes:
    return name(host) + struct.pack("!HHIH", 5, 1, ttl_s, len(name(target))) + name(target)


def answer(query: bytes, *records: bytes, flags: int = 0x8180) -> bytes:
    question = query[12 : query.index(b"\0", 12) + 5]
    return query[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0) + question + b"".join(records)


class Server(asyncio.DatagramProtocol):
    def __init__(self, answers: Answer) -> None:
        self.answers, self.queries = answers, 0

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, peer: object) -> None:
        self.queries += 1
        if (reply := self.answers(data)) is not None:
            self.transport.sendto(reply, peer)  # type: ignore[arg-type]


@contextlib.asynccontextmanager
async def server(answers: Answer) -> AsyncIterator[tuple[str, int]]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Server(answers), ("127.0.0.1", 0))
    try:
        yield transport.get_extra_info("sockname")[:2]
    finally:
        transport.close()


async def resolve(answers: Answer, host: str = "web.example") -> Resolution:
    async with server(answers) as at:
        return await Resolver([at], Path("/nonexistent")).resolve(host)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "TIMEOUT_S", 0.3)


async def test_addresses_and_the_shortest_time() -> None:
    found = await resolve(lambda q: answer(q, a("web.example", "192.0.2.1", 90), a("web.example", "192.0.2.2", 30)))
    assert found == Resolution(("192.0.2.1", "192.0.2.2"), 30)


async def test_aliases_are_followed_and_count_in_the_time() -> None:
    records = (
        alias("web.example", "a.cdn.example", 20),
        alias("a.cdn.example", "b.cdn.example"),
        a("b.cdn.example", "192.0.2.1"),
    )
    assert await resolve(lambda q: answer(q, *records)) == Resolution(("192.0.2.1",), 20)
    assert await resolve(lambda q: answer(q, *records[::-1])) == Resolution(("192.0.2.1",), 20)


async def test_addresses_of_other_names_are_not_its() -> None:
    with pytest.raises(errors.HostError, match="no IPv4 address"):
        await resolve(lambda q: answer(q, a("evil.example", "192.0.2.66")))


@pytest.mark.parametrize("flags", [0x8180, 0x8183])
async def test_a_name_without_addresses_is_an_error_at_once(flags: int) -> None:
    asked = []

    def reply(query: bytes) -> bytes:
        asked.append(query)
        return answer(query, flags=flags)

    with pytest.raises(errors.HostError, match=r"cannot look up 'web\.example': it has no IPv4 address"):
        await resolve(reply)
    assert len(asked) == 1


async def test_a_server_that_fails_is_passed_over() -> None:
    async with (
        server(lambda query: answer(query, flags=0x8182)) as failing,
        server(lambda query: None) as silent,
        server(lambda query: answer(query, a("web.example", "192.0.2.1"))) as good,
    ):
        found = await Resolver([failing, silent, good], Path("/nonexistent")).resolve("web.example")
    assert found.addresses == ("192.0.2.1",)


async def test_nobody_answers() -> None:
    with pytest.raises(errors.HostError, match="did not answer"):
        await resolve(lambda query: None)
    with pytest.raises(errors.HostError, match="no name server"):
        await Resolver([], Path("/nonexistent")).resolve("web.example")
    closed = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    closed.bind(("127.0.0.1", 0))
    port = closed.getsockname()[1]
    closed.close()
    with pytest.raises(errors.HostError, match=r"cannot look up 'web.example': 127\.0\.0\.1"):
        await Resolver([("127.0.0.1", port)], Path("/nonexistent")).resolve("web.example")


async def test_answers_to_others_are_not_heard() -> None:
    def reply(query: bytes) -> bytes:
        stolen = bytes([query[0] ^ 1]) + query[1:]
        return answer(stolen, a("web.example", "192.0.2.66"))

    with pytest.raises(errors.HostError):
        await resolve(reply)
    with pytest.raises(errors.HostError):
        await resolve(lambda q: answer(q[:12] + name("evil.example") + q[-16:], a("web.example", "192.0.2.66")))


async def test_a_long_answer_comes_over_tcp() -> None:
    many = [a("web.example", f"192.0.2.{number}") for number in range(200)]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        reply = answer(await reader.readexactly(length), *many)
        writer.write(struct.pack("!H", len(reply)) + reply)
        await writer.drain()
        writer.close()

    async with server(lambda query: answer(query, flags=0x8380)) as (host, port):
        listening = await asyncio.start_server(serve, host, port)
        async with listening:
            found = await Resolver([(host, port)], Path("/nonexistent")).resolve("web.example")
    assert len(found.addresses) == 200


async def test_the_hosts_file_comes_first(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# web.example\n::1 web.example\n192.0.2.7\tx Web.Example # mine\n192.0.2.8 web.example\n")
    found = await Resolver([], hosts).resolve("web.example")
    assert found == Resolution(("192.0.2.7", "192.0.2.8"), dns.HOSTS_TTL_S)


@given(st.binary(max_size=300))
def test_whatever_comes_is_understood_or_refused(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        dns.parse(data, "web.example")


@given(st.binary(max_size=200))
def test_whatever_follows_the_header_is_understood_or_refused(data: bytes) -> None:
    with contextlib.suppress(Malformed):
        dns.parse(struct.pack("!HHHHHH", 1, 0x8180, 1, 3, 0, 0) + data, "web.example")


def test_pointers_in_a_circle_end() -> None:
    with pytest.raises(Malformed):
        dns.parse(struct.pack("!HHHHHH", 1, 0x8180, 1, 1, 0, 0) + b"\xc0\x0c" + b"\0" * 20, "web.example")
