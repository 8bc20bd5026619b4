"""The client of the terminal protocol against the documented bytes."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from terminal_server import LIVE, PATIENCE_S, WELCOME, frame, output, receive

from kukeon_api import errors
from kukeon_sdk import attach

if TYPE_CHECKING:
    import socket

    from terminal_server import Server

GUIDE = Path(__file__).parents[3] / "docs/terminal-protocol.md"


def documented() -> list[tuple[str, bytes]]:
    example = GUIDE.read_text().split("```")[1]
    found = re.findall(r"^([<>]) ((?:[0-9a-f]+ )+)", example, re.MULTILINE)
    return [(side, bytes.fromhex(digits)) for side, digits in found]


def test_the_documented_conversation(server: Server) -> None:
    talk = documented()
    assert len(talk) == 7

    def play(connection: socket.socket) -> None:
        for side, data in talk:
            if side == "<":
                connection.sendall(data)
            else:
                assert receive(connection, len(data)) == data

    server.serve(play)
    with attach.Terminal(server.path) as terminal:
        assert terminal.read() == b"$ "
        terminal.write(b"ls\r")
        assert b"".join(terminal) == b"ls\r\n"
        assert (terminal.live, terminal.ended, terminal.code, terminal.position) == (True, True, 0, 6)
        assert terminal.read() == b""


def test_frames_in_any_pieces_and_of_unknown_kinds(server: Server) -> None:
    stream = WELCOME + output(b"one") + frame(0xF0, b"later") + output(b"two") + LIVE + frame(0x84)

    def play(connection: socket.socket) -> None:
        receive(connection, 15)
        for byte in stream:
            connection.sendall(bytes((byte,)))

    server.serve(play)
    with attach.Terminal(server.path) as terminal:
        assert b"".join(terminal) == b"onetwo"
        assert terminal.code is None


def test_flags_say_where_to_begin(server: Server) -> None:
    hellos: list[bytes] = []

    def play(connection: socket.socket) -> None:
        hellos.append(receive(connection, 15))
        connection.sendall(WELCOME)

    server.serve(play, play)
    attach.Terminal(server.path, position=258).close()
    attach.Terminal(server.path, replay=False).close()
    server.close()
    assert hellos == [
        bytes.fromhex("01 0000000a 01 01 0000000000000102"),
        bytes.fromhex("01 0000000a 01 02 0000000000000000"),
    ]


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (b"", errors.Unavailable, "hung up"),
        (frame(0x85, b"32 clients are the most"), errors.Unavailable, "32 clients"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", errors.Unsupported, "no terminal of kukeon"),
        (frame(0x82, b"x"), errors.Unsupported, "no terminal of kukeon"),
    ],
)
def test_who_does_not_welcome_us(server: Server, said: bytes, error: type[Exception], words: str) -> None:
    def play(connection: socket.socket) -> None:
        receive(connection, 15)
        connection.sendall(said)

    server.serve(play)
    with pytest.raises(error, match=words):
        attach.Terminal(server.path)


def test_what_was_shown_before_it_was_cut_off_is_not_lost(server: Server) -> None:
    def play(connection: socket.socket) -> None:
        receive(connection, 15)
        connection.sendall(WELCOME + output(b"last words") + frame(0x85, b"dropped: too slow"))

    server.serve(play)
    with attach.Terminal(server.path) as terminal:
        assert terminal.read() == b"last words"
        with pytest.raises(errors.Unavailable, match="too slow"):
            terminal.read()


def test_no_terminal_there(tmp_path: Path) -> None:
    with pytest.raises(errors.Unavailable, match="not there"):
        attach.Terminal(str(tmp_path / "none.sock"))


def test_closing_wakes_who_waits(server: Server) -> None:
    def play(connection: socket.socket) -> None:
        receive(connection, 15)
        connection.sendall(WELCOME + output(b"ready"))
        assert connection.recv(1) == b""

    server.serve(play)
    terminal = attach.Terminal(server.path)
    assert terminal.read() == b"ready"
    outcome: list[BaseException] = []

    def read() -> None:
        try:
            terminal.read()
        except errors.KukeonError as error:
            outcome.append(error)

    reading = threading.Thread(target=read, daemon=True)
    reading.start()
    terminal.close()
    terminal.close()
    reading.join(PATIENCE_S)
    assert [type(error) for error in outcome] == [errors.Conflict]
    for use in (terminal.read, terminal.take, lambda: terminal.write(b"x")):
        with pytest.raises(errors.Conflict, match="was closed"):
            use()


def test_a_process_with_many_open_files(server: Server) -> None:
    def play(connection: socket.socket) -> None:
        receive(connection, 15)
        connection.sendall(WELCOME)
        assert receive(connection, 5 + 1)
        connection.sendall(output(b"seen"))

    server.serve(play)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    with contextlib.ExitStack() as held:
        held.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        for _ in range(1024):
            held.enter_context(open(os.devnull, "rb"))
        terminal = held.enter_context(attach.Terminal(server.path))
        assert terminal.fileno() >= 1024
        terminal.write(b"x")
        assert terminal.read() == b"seen"
