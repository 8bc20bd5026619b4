"""kuketty and those who wish it ill: whatever comes over a socket, it serves all others."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import resource
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kuketty_process import HEADER, Kuketty, Raw, Shim, until

from kukeon_api import errors, model
from kukeon_runner.host.terminal_stream import TerminalStream
from kukeon_runner.testing.cells import cell, container, prepared
from kukeon_runner.testing.host import FakeHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from kukeon_api.parts import Part

    MakeShim = Callable[..., Shim]

SH = ("/bin/sh", "-i")
HELLO, INPUT = 0x01, 0x02
LIVE = 0x83
MOST_CLIENTS = 32


def nonsense(chance: random.Random) -> bytes:
    """Bytes that are nearly what a client says."""
    said = b""
    for _ in range(chance.randrange(1, 8)):
        size = chance.choice((0, 1, 9, 10, 11, 65536, 65537, 1 << 31, chance.randrange(300)))
        payload = chance.randbytes(min(size, 70000))
        payload = chance.choice((payload, payload[: chance.randrange(len(payload) + 1)], b"\x01\x00" + bytes(8)))
        said += HEADER.pack(chance.choice((HELLO, 3, 0x81, 0xFF, 0)), chance.choice((size, len(payload)))) + payload
    return said


def type_for_ever(client: Raw) -> None:
    while True:
        client.send(INPUT, b"x" * 60000)


def test_nonsense_disturbs_nobody(tty: Kuketty, shim: MakeShim) -> None:
    opened = tty.open()
    shim(opened, *SH)
    chance = random.Random(7)
    with Raw(opened["socket"]) as staying:
        staying.next(LIVE)
        for number in range(300):
            with Raw(opened["socket"], hello=None) as strange, contextlib.suppress(OSError):
                strange.socket.settimeout(20 if number % 2 else 0)
                strange.socket.sendall(nonsense(chance))
                if number % 3:
                    strange.socket.shutdown(socket.SHUT_WR)
                    list(strange.frames())
        staying.send(INPUT, b"echo fine-$((1+1))\n")
        staying.wait_shown(b"fine-2")


def test_who_typed_into_a_program_that_does_not_read_and_left_takes_nobodys_place(tty: Kuketty, shim: MakeShim) -> None:
    opened = tty.open()
    shim(opened, "/bin/sh", "-c", "stty raw -echo; echo on; exec sleep 600")
    with Raw(opened["socket"]) as first:
        first.wait_shown(b"on")
        first.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            type_for_ever(first)
    for _ in range(2 * MOST_CLIENTS):
        with Raw(opened["socket"]) as client:
            client.next(LIVE)
            client.send(INPUT, b"y")


def test_without_descriptors_it_waits_and_goes_on_when_there_are_some(tty: Kuketty, shim: MakeShim) -> None:
    assert tty.process is not None
    opened = tty.open()
    shim(opened, *SH)
    with contextlib.ExitStack() as held:
        staying = held.enter_context(Raw(opened["socket"]))
        staying.next(LIVE)
        own = len(list(Path(f"/proc/{tty.process.pid}/fd").iterdir()))
        _, most = resource.prlimit(tty.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(tty.process.pid, resource.RLIMIT_NOFILE, (own + 3, most))
        for _ in range(3):
            held.enter_context(Raw(opened["socket"])).next(LIVE)
        waiting = held.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
        waiting.settimeout(20)
        waiting.connect(str(tty.control))
        waiting.sendall(b'{"do": "hello"}\n')
        until(lambda: "cannot accept" in tty.log.read_text(), "it to notice")
        for number in range(100):
            staying.send(INPUT, f"echo still-$(({number}+1))\n".encode())
            staying.wait_shown(f"still-{number + 1}\r\n".encode())
        assert tty.log.read_text().count("cannot accept") < 50, "it looks for a place now and then, not all the time"
        resource.prlimit(tty.process.pid, resource.RLIMIT_NOFILE, (own + 30, most))
        assert waiting.recv(1000).endswith(b"\n")


def test_control_takes_what_is_too_deep_and_what_comes_in_pieces(tty: Kuketty) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.connect(str(tty.control))
        connection.sendall(b"[" * 1_000_000 + b"\n")
        assert b"error" in connection.recv(1000)
        for piece in (b'{"do": ', b'"hello"}\n{"do": "hel', b'lo"}\n'):
            connection.sendall(piece)
        lines = connection.makefile("rb")
        assert [b"terminals" in lines.readline() for _ in range(2)] == [True, True]


def test_an_answer_that_a_socket_does_not_hold_comes_whole(tty: Kuketty) -> None:
    """Many tasks have long names; kukeond may be slow in reading."""
    for number in range(12):
        tty.open(task=f"r/{number:02}" + "x" * 60_000, name=f"{number:016x}", capture=str(tty.home / f"c{number}"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(20)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(str(tty.control))
        connection.sendall(b'{"do": "hello"}\n{"do": "hello"}\n')
        assert len(tty.ask("hello")["terminals"]) == 12, "nobody waits for who is slow"
        lines = connection.makefile("rb")
        assert [len(json.loads(lines.readline())["terminals"]) for _ in range(2)] == [12, 12]


async def test_kukeond_is_told_when_there_are_too_many_clients_and_does_not_try_for_ever(tty: Kuketty) -> None:
    opened = tty.open()
    with contextlib.ExitStack() as held:
        for _ in range(MOST_CLIENTS):
            held.enter_context(Raw(opened["socket"])).next(LIVE)
        stream = TerminalStream(opened["socket"])
        await stream.connect()
        try:
            async with asyncio.timeout(20):
                with pytest.raises(errors.Unavailable, match="32 clients are the most"):
                    await stream.read()
        finally:
            await stream.close()


async def test_a_size_that_cannot_be_told_does_not_keep_anybody_from_typing(
    tty: Kuketty, shim: MakeShim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while containerd is away."""
    opened = tty.open()
    shim(opened, *SH)
    host = FakeHost()
    found = await prepared(host, tmp_path / "run")
    await found.runner.cells.create(cell("hello", container("a", attachable=True)), start=False)
    host.kernel.files[opened["socket"]] = ""
    monkeypatch.setattr(type(found.runner.context.layout), "terminal_socket", lambda *_: opened["socket"])

    async def away(*_: object) -> None:
        raise errors.ConnectContainerd("containerd is away")

    async def asked() -> AsyncIterator[Part]:
        yield "resize", model.WindowSize(rows=20, columns=70)
        yield "input", b"echo heard-$((1+1)); exit\n"
        await asyncio.Event().wait()

    monkeypatch.setattr(host.containers, "resize", away)
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": "hello"}
    doc = model.ContainerDoc(metadata=model.Metadata(name="a"), spec=container("a", **place))
    shown = b""
    async with asyncio.timeout(20), contextlib.aclosing(found.attach(doc, 0, 0, 0, asked())) as told:
        async for name, value in told:
            shown += value if name == "output" else b""
            if b"heard-2" in shown:
                break
