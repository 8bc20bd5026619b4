"""A person's keyboard and screen, on a real pty, and a terminal at the other end, by its socket and through kukeond."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from terminal_server import LIVE, PATIENCE_S, WELCOME, frame, output, receive
from web import WEB

from kukeon_api import errors, model
from kukeon_sdk import interaction

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from terminal_server import Server

    from conftest import Daemon
    from kukeon_api.parts import Part
    from kukeon_sdk import UnixClient


# A person: `interact` in a process of its own, whose keyboard and screen are a pty.

PERSON = """
import os, sys
import kukeon_sdk
from kukeon_api import errors, model
from kukeon_sdk import interaction
kind, path = sys.argv[1:]
patience_s = 5
if kind in ("socket", "away until somebody types"):
    connect = interaction.at_socket(path)
else:
    spec = model.ContainerSpec(id="web", realm_id="r", space_id="s", stack_id="t", cell_id="c")
    doc = model.ContainerDoc(metadata=model.Metadata(name="web"), spec=spec)
    connect = interaction.through(kukeon_sdk.dial(path), doc)
if kind == "away until somebody types":
    patience_s, at_once, really_read, typed = 20, connect, os.read, []
    def read(fd, size):
        typed.append(fd)
        return really_read(fd, size)
    def connect(position=None, /):
        if position is not None and 0 not in typed:
            print("[away]", end="", flush=True)
            raise errors.Unavailable("cannot connect yet")
        return at_once(position)
    os.read = read
def resize(rows, columns):
    print(f"[size {rows}x{columns}]", end="", flush=True)
try:
    over = interaction.interact(connect, 0, 1, resize, reconnect_s=patience_s)
    print(f"[{over.how} {over.code}]", flush=True)
finally:
    import termios
    print("[echo on]" if termios.tcgetattr(0)[3] & termios.ECHO else "[echo off]", flush=True)
"""


class Person:
    def __init__(self, kind: str, path: str) -> None:
        self.master, slave = pty.openpty()
        termios.tcsetwinsize(self.master, (24, 80))
        self.process = subprocess.Popen(
            [sys.executable, "-c", PERSON, kind, path], stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.seen = b""

    def sees(self, text: bytes) -> None:
        self._read_until(lambda: text in self.seen)
        self.seen = self.seen.partition(text)[2]

    def sees_all(self, *texts: bytes) -> None:
        """In whatever order."""
        self._read_until(lambda: all(text in self.seen for text in texts))
        for text in texts:
            self.seen = self.seen.replace(text, b"", 1)

    def _read_until(self, enough: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not enough():
            ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
            assert ready, self.seen
            try:
                self.seen += os.read(self.master, 65536)
            except OSError:
                raise AssertionError(self.seen) from None

    def types(self, text: bytes) -> None:
        os.write(self.master, text)

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        os.close(self.master)


@pytest.fixture
def person(server: Server) -> Iterator[Person]:
    made = Person("socket", server.path)
    yield made
    made.close()


@pytest.fixture
def caller(daemon: Daemon) -> Iterator[Callable[[], Person]]:
    """Makes a person who has only kukeond."""
    made: list[Person] = []

    def make() -> Person:
        made.append(Person("stream", str(daemon.path)))
        return made[-1]

    yield make
    for each in made:
        each.close()


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


def test_what_is_typed_right_before_leaving_is_typed(server: Server, person: Person) -> None:
    typed = []

    def play(connection: socket.socket) -> None:
        receive(connection, 15)
        connection.sendall(WELCOME + output(b"$ ") + LIVE)
        typed.append(receive(connection, 5 + 3))

    server.serve(play)
    person.sees(b"$ ")
    person.types(b"ls\r\x1d\x1d")
    person.sees(b"[detached None]")
    server.close()
    assert typed == [frame(0x02, b"ls\r")]


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


@pytest.mark.parametrize(("resumed_at", "arrives"), [(5, True), (0, False)])
def test_what_is_typed_while_the_connection_is_cut_off_is_for_the_same_program(
    resumed_at: int, arrives: bool, server: Server
) -> None:
    typed = []

    def cut(connection: socket.socket) -> None:
        receive(connection, 15)
        connection.sendall(WELCOME + output(b"first") + LIVE)

    def resumed(connection: socket.socket) -> None:
        receive(connection, 15)
        connection.sendall(frame(0x81, b"\x01\x00" + resumed_at.to_bytes(8, "big")) + LIVE + output(b"back"))
        while data := connection.recv(100):
            typed.append(data)

    person = Person("away until somebody types", server.path)
    try:
        server.serve(cut, resumed)
        person.sees(b"[away]")
        person.types(b"ls\r")
        person.sees(b"back")
        person.types(b"\x1d\x1d")
        person.sees(b"[detached None]")
    finally:
        person.close()
    server.close()
    assert b"".join(typed) == (frame(0x02, b"ls\r") if arrives else b"")


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
            interaction.interact(interaction.at_socket(server.path), reading, writing)
    finally:
        os.close(reading)
        os.close(writing)


def shows_keys(asked: Iterator[Part], **start: Any) -> Iterator[Part]:
    """A terminal that shows what is typed, until `q`."""
    yield "started", True
    yield "position", 0
    yield "output", b"\x1b[?1049h$ "
    for name, value in asked:
        if name == "input":
            yield "output", value
            if value == b"q":
                yield "ended", model.AttachEnded(code=4)
                return


def test_through_kukeond_a_person_types_and_sees_the_end(daemon: Daemon, caller: Callable[[], Person]) -> None:
    daemon.answers["attach"] = shows_keys
    person = caller()
    person.sees(b"$ ")
    person.types(b"\x03a\x1a")
    person.sees(b"\x03a\x1a")
    person.types(b"q")
    person.sees(b"q\x1b[m\x1b[?1049l")
    person.sees(b"[ended 4]")
    person.sees(b"[echo on]")


def test_through_kukeond_a_person_leaves(daemon: Daemon, caller: Callable[[], Person]) -> None:
    gone = threading.Event()

    def attach(asked: Iterator[Part], **start: Any) -> Iterator[Part]:
        try:
            yield from shows_keys(asked)
        finally:
            gone.set()

    daemon.answers["attach"] = attach
    person = caller()
    person.sees(b"$ ")
    person.types(b"\x1d\x1d")
    person.sees(b"[detached None]")
    assert gone.wait(PATIENCE_S)


def test_through_kukeond_it_goes_on_where_it_was(daemon: Daemon, caller: Callable[[], Person]) -> None:
    """Also when bytes are missing: positions are those that the terminal tells."""
    begun: list[int] = []
    seen = threading.Event()

    def attach(asked: Iterator[Part], position: int, **start: Any) -> Iterator[Part]:
        begun.append(position)
        yield "started", True
        if len(begun) == 1:
            yield "position", 100
            yield "output", b"first "
            yield "position", 1000
            yield "output", b"second "
            raise errors.Unavailable("cannot go on with Attach: kukeond is stopping")
        yield "position", position
        yield "output", b"third"
        assert seen.wait(PATIENCE_S)
        yield "ended", model.AttachEnded()

    daemon.answers["attach"] = attach
    person = caller()
    # The size is told by a thread of its own, at any of these moments.
    person.sees_all(b"[size 24x80]", b"first ", b"second ", b"third")
    seen.set()
    person.sees(b"[ended None]")
    assert begun == [0, 1007]


def test_through_kukeond_everything_comes_however_slowly_it_is_taken(daemon: Daemon, client: UnixClient) -> None:
    sent = bytes(range(256)) * 40_000

    def attach(asked: Iterator[Part], position: int, **start: Any) -> Iterator[Part]:
        yield "started", True
        yield "position", position
        for at in range(0, len(sent), 100_000):
            yield "output", sent[at : at + 100_000]
        yield "ended", model.AttachEnded(code=0)

    daemon.answers["attach"] = attach
    terminal = interaction.through(client, WEB)(7)
    got = bytearray()
    with contextlib.closing(terminal):
        while not terminal.ended:
            assert select.select([terminal], [], [], PATIENCE_S)[0]
            while piece := terminal.take():
                got += piece
                assert terminal.position == len(got) + 7
        assert terminal.code == 0
    assert bytes(got) == sent
    terminal.close()


def test_the_first_way_that_works_is_taken_and_kept(
    daemon: Daemon, client: UnixClient, tmp_path: Path, server: Server
) -> None:
    daemon.answers["attach"] = shows_keys
    nowhere = interaction.at_socket(str(tmp_path / "none.sock"))
    connect = interaction.first_of(nowhere, interaction.through(client, WEB))
    for _ in range(2):
        terminal = connect()
        assert select.select([terminal], [], [], PATIENCE_S)[0]
        assert b"$ " in terminal.take()
        terminal.close()
    server.serve(echo)
    connect = interaction.first_of(interaction.at_socket(server.path), interaction.through(client, WEB))
    connect().close()
    server.close()
    with pytest.raises(errors.Unavailable):
        connect()
    both = interaction.first_of(nowhere, interaction.at_socket(str(tmp_path / "nor.sock")))
    with pytest.raises(errors.Unavailable, match=r"nor\.sock"):
        both()
