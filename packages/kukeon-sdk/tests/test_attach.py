"""The client of the terminal protocol against the documented bytes, and against a person's keyboard on a real pty."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors
from kukeon_sdk import attach, interaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 20.0
WELCOME = bytes.fromhex("81 0000000a 01 00 0000000000000000")
LIVE = bytes.fromhex("83 00000000")
GUIDE = Path(__file__).parents[3] / "docs/terminal-protocol.md"


def frame(kind: int, payload: bytes = b"") -> bytes:
    return bytes((kind,)) + len(payload).to_bytes(4, "big") + payload


def output(text: bytes) -> bytes:
    return frame(0x82, text)


class Server:
    """Plays kuketty: each connection is handed to `serve`, a function of the test."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._threads: list[threading.Thread] = []

    def serve(self, *conversations: Callable[[socket.socket], None]) -> None:
        def run() -> None:
            for conversation in conversations:
                connection, _ = self._listener.accept()
                with connection:
                    connection.settimeout(PATIENCE_S)
                    conversation(connection)

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()

    def close(self) -> None:
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        self._listener.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "tty.sock")
    yield made
    made.close()


def receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        assert piece, data
        data += piece
    return data


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


# A person: `interact` in a process of its own, whose keyboard and screen are a pty.

PERSON = """
import os, sys
from kukeon_sdk import interaction
def resize(rows, columns):
    print(f"[size {rows}x{columns}]", end="", flush=True)
try:
    over = interaction.interact(sys.argv[1], 0, 1, resize, reconnect_s=5)
    print(f"[{over.how} {over.code}]", flush=True)
finally:
    import termios
    print("[echo on]" if termios.tcgetattr(0)[3] & termios.ECHO else "[echo off]", flush=True)
"""


class Person:
    def __init__(self, path: str) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(self.master, (24, 80))
        self.process = subprocess.Popen(
            [sys.executable, "-c", PERSON, path], stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.seen = b""

    def sees(self, text: bytes) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.seen:
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, self.seen
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:
                raise AssertionError(self.seen) from None
        self.seen = self.seen.partition(text)[2]

    def types(self, text: bytes) -> None:
        os.write(self.master, text)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def person(server: Server) -> Iterator[Person]:
    made = Person(server.path)
    yield made
    made.close()


def echo(connection: socket.socket) -> None:
    """A program that shows what is typed, until the client leaves."""
    receive(connection, 15)
    connection.sendall(WELCOME + output(b"\x1b[?2004h$ ") + LIVE)
    while header := connection.recv(5):
        connection.sendall(output(receive(connection, int.from_bytes(header[1:], "big"))))


def test_a_person_types_resizes_and_leaves(server: Server, person: Person) -> None:
    server.serve(echo)
    person.sees(b"[size 24x80]")
    person.types(b"\x03\x1a")
    person.sees(b"\x03\x1a")
    termios.tcsetwinsize(person.master, (50, 120))
    os.kill(person.process.pid, signal.SIGWINCH)
    person.sees(b"[size 50x120]")
    person.types(b"a\x1d")
    person.sees(b"a\x1d")
    person.types(b"\x1d\x1d")
    person.sees(b"\x1b[?2004l")
    person.sees(b"[detached None]")
    person.sees(b"[echo on]")
    assert person.process.wait(PATIENCE_S) == 0


def test_the_end_of_the_program_is_the_end(server: Server, person: Person) -> None:
    def play(connection: socket.socket) -> None:
        receive(connection, 15)
        connection.sendall(WELCOME + LIVE + output(b"bye") + frame(0x84, (7).to_bytes(4, "big")))

    server.serve(play)
    person.sees(b"bye")
    person.sees(b"[ended 7]")
    person.sees(b"[echo on]")


def test_a_connection_that_is_cut_off_goes_on_where_it_was(server: Server, person: Person) -> None:
    hellos = []

    def cut(connection: socket.socket) -> None:
        receive(connection, 15)
        connection.sendall(WELCOME + output(b"first-half ") + LIVE)

    def resumed(connection: socket.socket) -> None:
        hellos.append(receive(connection, 15))
        connection.sendall(frame(0x81, bytes.fromhex("0100000000000000000b")) + output(b"second-half") + LIVE)
        connection.recv(1)

    server.serve(cut, resumed)
    person.sees(b"first-half ")
    person.sees(b"second-half")
    assert hellos == [bytes.fromhex("01 0000000a 01 01 000000000000000b")]
    person.types(b"\x1d\x1d")
    person.sees(b"[detached None]")


def test_a_signal_leaves_the_terminal_in_order(server: Server, person: Person) -> None:
    server.serve(echo)
    person.sees(b"$ ")
    person.process.terminate()
    person.sees(b"[echo on]")
    assert person.process.wait(PATIENCE_S) == 128 + signal.SIGTERM


def test_a_keyboard_that_is_none_is_refused(server: Server) -> None:
    def play(connection: socket.socket) -> None:
        receive(connection, 15)
        connection.sendall(WELCOME)
        connection.recv(1)

    server.serve(play)
    reading, writing = os.pipe()
    try:
        with pytest.raises(errors.Invalid, match="not a terminal"):
            interaction.interact(server.path, reading, writing)
    finally:
        os.close(reading)
        os.close(writing)
