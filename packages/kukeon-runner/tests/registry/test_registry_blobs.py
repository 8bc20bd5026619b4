"""Blobs that a registry breaks off, drips, or gets wrong: each a distinct error, and what passes is taken up again."""

import asyncio
import os
from collections.abc import Callable
from typing import Any

import pytest
from asking import read, ref

from kukeon_api import errors
from kukeon_runner.host.registry import retries
from kukeon_runner.host.registry.client import Registry
from kukeon_runner.testing.registry import Call, Reply, ServedRegistry, error


async def stall(_call: Call, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n0123")
    await writer.drain()
    await asyncio.sleep(30)


async def say_nothing(_call: Call, _writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def drip(writer: asyncio.StreamWriter, beginning: bytes, piece: bytes) -> None:
    writer.write(beginning)
    while True:
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.05)


async def drip_content(_call: Call, writer: asyncio.StreamWriter) -> None:
    await drip(writer, b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"0")


async def drip_headers(_call: Call, writer: asyncio.StreamWriter) -> None:
    await drip(writer, b"HTTP/1.1 200 OK\r\nX-Long: ", b"0")


async def have_us_continue(_call: Call, writer: asyncio.StreamWriter) -> None:
    await drip(writer, b"", b"HTTP/1.1 100 Continue\r\n\r\n")


async def send_a_chunk_that_never_begins(_call: Call, writer: asyncio.StreamWriter) -> None:
    await drip(writer, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", b"x" * 1000)


async def close(_call: Call, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n0123")


async def close_at_once(_call: Call, _writer: asyncio.StreamWriter) -> None:
    return None


async def speak_another_protocol(_call: Call, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH_9.2p1\r\n" * 3)
    await writer.drain()


async def send_more(_call: Call, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(60):
        writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def send_less(_call: Call, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("behaviour", "kind", "words", "attempts"),
    [
        (stall, errors.RegistryStalled, "sent nothing, or next to nothing, for 0.2 s", 3),
        (say_nothing, errors.RegistryStalled, "sent nothing, or next to nothing, for 0.2 s", 3),
        (drip_content, errors.RegistryStalled, "sent nothing, or next to nothing, for 0.2 s", 3),
        (drip_headers, errors.RegistryStalled, "sent nothing, or next to nothing, for 0.2 s", 3),
        (have_us_continue, errors.RegistryStalled, "sent nothing, or next to nothing, for 0.2 s", 3),
        (send_a_chunk_that_never_begins, errors.RegistryStalled, "sent nothing, or next to nothing, for 0.2 s", 3),
        (close, errors.RegistryClosed, "closed the connection half-way", 3),
        (close_at_once, errors.RegistryClosed, "closed the connection half-way", 3),
        (speak_another_protocol, errors.NotARegistry, "does not answer in HTTP", 1),
        (send_more, errors.LengthMismatch, "sends more, and sha256:", 1),
        (send_less, errors.LengthMismatch, "ends 999995 bytes before, and sha256:", 1),
        (lambda *_: Reply(200, b"0123"), errors.LengthMismatch, "says 4 bytes, and sha256:", 1),
        (lambda *_: error(404, "BLOB_UNKNOWN", ""), errors.BlobNotFound, "has the image, but not its part", 1),
        (lambda *_: Reply(416), errors.LengthMismatch, "says that nothing is at", 1),
        (lambda *_: Reply(503), errors.RegistryFailed, "failed with status 503", 3),
        (lambda *_: Reply(429), errors.RegistryRateLimited, "takes no more requests", 3),
    ],
)  # fmt: skip
async def test_how_a_blob_may_fail(
    served: ServedRegistry,
    patience: retries.Patience,
    impatience: retries.Patience,
    behaviour: Callable[..., Any],
    kind: type[errors.KukeonError],
    words: str,
    attempts: int,
):
    stored = served.add_blob(os.urandom(1_000_000))
    served.behaviour = behaviour
    patience = impatience if kind is errors.RegistryStalled else patience
    async with Registry(patience=patience) as registry:
        with pytest.raises(kind, match=f"cannot pull .*{words}") as caught:
            await read(registry, served, stored)
    assert type(caught.value) is kind
    # A request that got no answer at all is repeated once on another connection by the HTTP library.
    # On a busy machine patience may end before the registry has read what it is asked.
    least = 0 if kind is errors.RegistryStalled else attempts
    assert least <= len(served.calls) <= 2 * attempts


async def test_a_lost_connection_is_taken_up_where_it_broke(served: ServedRegistry, patience: retries.Patience):
    content = os.urandom(3_000_000)
    stored = served.add_blob(content)

    async def lose_some(call: Call, writer: asyncio.StreamWriter) -> None:
        begin = int(call.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        span = f"Content-Range: bytes {begin}-2999999/3000000\r\n" if begin else ""
        status = "206 Partial" if begin else "200 OK"
        writer.write(f"HTTP/1.1 {status}\r\n{span}Content-Length: {3_000_000 - begin}\r\n\r\n".encode())
        writer.write(content[begin : begin + 1_200_000])
        await writer.drain()

    served.behaviour = lose_some
    async with Registry(patience=patience) as registry:
        assert await read(registry, served, stored) == content
    assert [call.headers.get("range") for call in served.calls] == [None, "bytes=1200000-", "bytes=2400000-"]


async def test_bytes_that_came_do_not_excuse_a_registry_for_ever(served: ServedRegistry, patience: retries.Patience):
    stored = served.add_blob(os.urandom(1_000_000))

    async def one_more(call: Call, writer: asyncio.StreamWriter) -> None:
        begin = int(call.headers.get("range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
        writer.write(f"HTTP/1.1 206 P\r\nContent-Range: bytes {begin}-999999/*\r\n\r\n0".encode())
        await writer.drain()
        writer.transport.abort()

    served.behaviour = one_more
    async with Registry(patience=patience) as registry:
        with pytest.raises((errors.RegistryClosed, errors.LengthMismatch)):
            await read(registry, served, stored)
    assert len(served.calls) <= 3


@pytest.mark.parametrize(
    "span", ["", "bytes 0-9/10", "bytes 5-9/11", "bytes x-9/10", "items 5-9/10"], ids=lambda span: span or "none"
)
async def test_the_wrong_part_is_no_part(served: ServedRegistry, patience: retries.Patience, span: str):
    stored = served.add_blob(b"0123456789")
    served.behaviour = lambda *_: Reply(206, b"56789", {"Content-Range": span})
    async with Registry(patience=patience) as registry:
        with pytest.raises(errors.LengthMismatch):
            await anext(aiter(registry.blob(ref(served.address), stored, offset=5)))
