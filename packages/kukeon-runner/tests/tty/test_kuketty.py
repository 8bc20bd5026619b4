"""kuketty as a real process, with a real program on a real pty behind it."""

from __future__ import annotations

import contextlib
import os
import resource
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kuketty_process import Kuketty, Raw, Shim, until

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeShim = Callable[..., Shim]

SH = ("/bin/sh", "-i")
INPUT, RESIZE = 0x02, 0x03
WELCOME, OUTPUT, LIVE, ENDED, NOTICE, REFUSED = 0x81, 0x82, 0x83, 0x84, 0x85, 0x86


def position(payload: bytes) -> int:
    version, flags, where = struct.unpack("!BBQ", payload)
    assert (version, flags) == (1, 0)
    return int(where)


def type_for_ever(client: Raw) -> None:
    while True:
        client.send(INPUT, b"x" * 60000)


def was_dropped(client: Raw) -> bool:
    """Read what is there: a word of having been dropped, or all that the program wrote."""
    for kind, payload in client.frames():
        if kind == NOTICE:
            return True
        client.shown = client.shown[-100:] + payload
        if b"over\r\n" in client.shown:
            return False
    raise AssertionError("hung up without a word")


class TestOneTerminal:
    def test_what_is_typed_reaches_the_program_and_its_output_everybody(self, tty: Kuketty, shim: MakeShim) -> None:
        opened = tty.open()
        shim(opened, *SH)
        with Raw(opened["socket"]) as one, Raw(opened["socket"]) as other:
            one.next(LIVE)
            other.next(LIVE)
            one.send(INPUT, b"echo from-$((40+1))\n")
            one.wait_shown(b"from-41")
            other.wait_shown(b"from-41")
            other.send(INPUT, b"echo from-$((40+2))\n")
            one.wait_shown(b"from-42")
        until(lambda: b"from-42" in (tty.home / "capture").read_bytes(), "the capture")

    def test_a_late_client_sees_recent_output_first(self, tty: Kuketty, shim: MakeShim) -> None:
        opened = tty.open()
        shim(opened, *SH)
        with Raw(opened["socket"]) as first:
            first.next(LIVE)
            first.send(INPUT, b"seen=yes; echo early-$((1+1))\n")
            first.wait_shown(b"early-2\r\n")
        with Raw(opened["socket"]) as late:
            assert position(late.next(WELCOME)) == 0
            late.next(LIVE)
            assert b"early-2" in late.shown
            late.send(INPUT, b"echo again-$seen\n")
            late.wait_shown(b"again-yes")

    def test_the_end_is_told_after_the_last_output_and_nothing_is_left(self, tty: Kuketty, shim: MakeShim) -> None:
        opened = tty.open()
        running = shim(opened, *SH)
        with Raw(opened["socket"]) as client:
            client.next(LIVE)
            client.send(INPUT, b"echo last-$((1+1)); exit 3\n")
            until(lambda: running.process.poll() is not None, "the exit")
            tty.ask("ended", task="r/c", code=3)
            assert struct.unpack("!i", client.next(ENDED)) == (3,)
            assert b"last-2" in client.shown
            assert list(client.frames()) == []
        until(lambda: tty.ask("hello")["terminals"] == [], "the terminal to go")
        assert [each.name for each in tty.directory.iterdir()] == [".bind"]

    def test_an_end_whose_code_nobody_tells_is_told_without(self, tty: Kuketty, shim: MakeShim) -> None:
        opened = tty.open()
        shim(opened, "/bin/true")
        with Raw(opened["socket"]) as client:
            assert client.next(ENDED) == b""

    def test_a_new_program_gets_a_fresh_terminal_and_the_same_capture_file(self, tty: Kuketty, shim: MakeShim) -> None:
        shim(tty.open(), "/bin/echo", "first program")
        until(lambda: tty.ask("hello")["terminals"] == [], "the first to end")
        opened = tty.open()
        shim(opened, *SH)
        with Raw(opened["socket"]) as client:
            assert position(client.next(WELCOME)) == 0
            client.next(LIVE)
            assert b"first program" not in client.shown
            client.send(INPUT, b"echo second-$((1+1))\n")
            client.wait_shown(b"second-2")
        text = (tty.home / "capture").read_bytes()
        assert text.index(b"first program") < text.index(b"second-2")

    def test_closing_drops_clients_and_removes_the_socket(self, tty: Kuketty, shim: MakeShim) -> None:
        opened = tty.open()
        shim(opened, *SH)
        with Raw(opened["socket"]) as client:
            client.next(LIVE)
            assert tty.ask("close", task="r/c") == {"known": True}
            assert client.next(ENDED) == b""
        assert not os.path.lexists(opened["socket"])
        assert tty.ask("close", task="r/c") == {"known": False}

    def test_what_was_typed_before_hanging_up_is_typed(self, tty: Kuketty, shim: MakeShim) -> None:
        opened = tty.open()
        shim(opened, "/bin/sh", "-c", "while read line; do echo got-$line; done")
        for number in range(20):
            with Raw(opened["socket"]) as hasty:
                hasty.send(INPUT, b"%d.\n" % number)
        until(lambda: b"got-19." in (tty.home / "capture").read_bytes(), "the last line")
        got = (tty.home / "capture").read_bytes()
        assert [number for number in range(20) if b"got-%d." % number not in got] == []

    def test_modes(self, tty: Kuketty) -> None:
        opened = tty.open()
        assert stat.S_IMODE(Path(opened["socket"]).stat().st_mode) == 0o660
        assert stat.S_IMODE(Path(tty.control).stat().st_mode) == 0o600
        assert stat.S_IMODE(Path(opened["stdin"]).stat().st_mode) == 0o600
        assert stat.S_IMODE(Path(tty.home / "capture").stat().st_mode) == 0o640
        assert stat.S_IMODE(Path(tty.directory / ".bind").stat().st_mode) == 0o700
        assert list((tty.directory / ".bind").iterdir()) == []


class TestTyping:
    def test_it_is_typed_after_the_first_output(self, tty: Kuketty, shim: MakeShim) -> None:
        opened = tty.open(typing="PS1='ready> '\necho typed-$((1+1))\n")
        shim(opened, *SH)
        with Raw(opened["socket"]) as client:
            client.wait_shown(b"typed-2\r\nready> ")

    def test_it_is_typed_into_a_silent_program_half_a_second_after_its_start(
        self, tty: Kuketty, shim: MakeShim
    ) -> None:
        opened = tty.open(typing="hello there\n")
        shim(opened, "/bin/sh", "-c", "stty -echo; read line; echo got $line")
        tty.ask("started", task="r/c")
        with Raw(opened["socket"]) as client:
            client.wait_shown(b"got hello there")

    def test_a_restart_does_not_type_it_again(self, tty: Kuketty, shim: MakeShim) -> None:
        opened = tty.open(typing="echo typed-$((1+1))\n")
        shim(opened, *SH)
        tty.ask("started", task="r/c")
        with Raw(opened["socket"]) as client:
            client.wait_shown(b"typed-2")
        hold = os.open(opened["stdin"], os.O_RDWR | os.O_NONBLOCK)
        tty.kill()
        tty.start()
        os.close(hold)
        with Raw(opened["socket"]) as client:
            client.next(LIVE)
            client.send(INPUT, b"echo mine-$((1+1))\n")
            client.wait_shown(b"mine-2")
        assert (tty.home / "capture").read_bytes().count(b"typed-2") == 1


class TestRestart:
    def test_the_program_goes_on_and_so_does_a_client_without_gap(self, tty: Kuketty, shim: MakeShim) -> None:
        opened = tty.open()
        running = shim(opened, *SH)
        with Raw(opened["socket"]) as client:
            begun = position(client.next(WELCOME))
            client.next(LIVE)
            client.send(INPUT, b"keep=me; echo before-$((1+1))\n")
            seen = client.wait_shown(b"before-2")
        hold = os.open(opened["stdin"], os.O_RDWR | os.O_NONBLOCK)
        tty.kill()
        os.write(running.master, b"echo meanwhile-$((1+1))\n")
        tty.start()
        os.close(hold)
        assert not running.input_died.is_set()
        known = begun + len(seen)
        hello = b"\x01\x00\x00\x00\x0a" + struct.pack("!BBQ", 1, 1, known)
        with Raw(opened["socket"], hello) as client:
            assert position(client.next(WELCOME)) == known
            client.wait_shown(b"meanwhile-2")
            client.send(INPUT, b"echo after-$keep\n")
            client.wait_shown(b"after-me")
        assert (tty.home / "capture").read_bytes().count(b"before-2") == 1

    def test_what_belongs_to_no_terminal_is_removed(self, tty: Kuketty) -> None:
        opened = tty.open()
        tty.kill()
        (tty.directory / "ab.sock").touch()
        (tty.directory / ("cd" * 8 + ".json")).write_text("{}")
        tty.start()
        assert tty.ask("hello")["terminals"] == ["r/c"]
        assert {each.name.partition(".")[0] for each in tty.directory.iterdir()} == {"", "00" * 8}
        assert "cannot use" in tty.log.read_text()
        assert Path(opened["stdin"]).exists()


class TestTrouble:
    def test_a_flood_with_nobody_attached_ends_and_the_capture_is_bounded(self, tty: Kuketty, shim: MakeShim) -> None:
        opened = tty.open(max_bytes=1 << 20, max_files=2)
        running = shim(opened, "/bin/sh", "-c", "head -c 8000000 /dev/zero | tr '\\0' 'x' | fold -w 99; echo over")
        until(lambda: running.process.poll() is not None, "the flood to end")
        until(lambda: tty.ask("hello")["terminals"] == [], "the last output")
        sizes = {each.name: each.stat().st_size for each in tty.home.glob("capture*")}
        assert set(sizes) == {"capture", "capture.1"}
        assert max(sizes.values()) <= (1 << 20)
        assert (tty.home / "capture").read_bytes().endswith(b"over\r\n")
        lines = (tty.home / "capture.1").read_bytes() + (tty.home / "capture").read_bytes()
        assert {len(line) for line in lines.split(b"\r\n")[1:-3]} == {99}

    def test_a_client_that_takes_nothing_is_dropped_with_a_word_and_blocks_nobody(
        self, tty: Kuketty, shim: MakeShim
    ) -> None:
        opened = tty.open()
        running = shim(
            opened, "/bin/sh", "-c", "read go; head -c 5000000 /dev/zero | tr '\\0' 'x' | fold -w 99; read x"
        )
        with Raw(opened["socket"]) as slow, Raw(opened["socket"]) as quick:
            slow.next(LIVE)
            quick.next(LIVE)
            quick.send(INPUT, b"go\n")
            shown = 0
            for kind, payload in quick.frames():
                assert kind == OUTPUT
                shown += len(payload)
                if shown > 5_000_000:
                    break
            assert b"dropped" in slow.next(NOTICE)
            assert len(slow.shown) < 4_000_000
            assert list(slow.frames()) == []
        assert running.process.poll() is None

    def test_many_clients_that_take_nothing_take_no_more_together_than_a_few(
        self, tty: Kuketty, shim: MakeShim
    ) -> None:
        opened = tty.open()
        # Not enough for a single client to be dropped.
        shim(
            opened, "/bin/sh", "-c", "read go; head -c 900000 /dev/zero | tr '\\0' 'x' | fold -w 99; echo over; read x"
        )
        with contextlib.ExitStack() as stack:
            slow = [stack.enter_context(Raw(opened["socket"])) for _ in range(30)]
            for each in slow:
                each.next(LIVE)
            quick = stack.enter_context(Raw(opened["socket"]))
            quick.next(LIVE)
            quick.send(INPUT, b"go\n")
            quick.wait_shown(b"over\r\n")
            assert tty.resident_kb() < 26_000
            assert {was_dropped(each) for each in slow} == {True, False}

    def test_a_client_that_vanishes_disturbs_nobody(self, tty: Kuketty, shim: MakeShim) -> None:
        opened = tty.open()
        shim(opened, *SH)
        with Raw(opened["socket"]) as staying:
            staying.next(LIVE)
            for _ in range(5):
                gone = Raw(opened["socket"])
                gone.send(INPUT, b"true\n")
                gone.socket.close()
            staying.send(INPUT, b"echo fine-$((1+1))\n")
            staying.wait_shown(b"fine-2")

    def test_a_program_that_reads_nothing_holds_up_only_those_who_type(self, tty: Kuketty, shim: MakeShim) -> None:
        opened = tty.open()
        shim(opened, "/bin/sh", "-c", "stty raw -echo; echo on; read x < /dev/null; sleep 600")
        with Raw(opened["socket"]) as typist, Raw(opened["socket"]) as other:
            typist.wait_shown(b"on")
            typist.socket.settimeout(0.3)
            with pytest.raises(TimeoutError):
                type_for_ever(typist)
            other.next(LIVE)
            assert tty.ask("hello")["terminals"] == ["r/c"]
        assert tty.resident_kb() < 25_000

    def test_a_disk_that_takes_no_more_costs_the_capture_and_not_the_program(
        self, tty: Kuketty, shim: MakeShim
    ) -> None:
        opened = tty.open()
        shim(opened, *SH)
        assert tty.process is not None
        _, most = resource.prlimit(tty.process.pid, resource.RLIMIT_FSIZE)
        with Raw(opened["socket"]) as client:
            client.next(LIVE)
            resource.prlimit(tty.process.pid, resource.RLIMIT_FSIZE, (1000, most))
            client.send(INPUT, b"seq 1 1000; echo works-$((1+1))\n")
            client.wait_shown(b"works-2")
            assert (tty.home / "capture").stat().st_size == 1000
            resource.prlimit(tty.process.pid, resource.RLIMIT_FSIZE, (most, most))

            def captured() -> bool:
                client.send(INPUT, b"echo again-$((1+1))\n")
                client.wait_shown(b"again-2")
                return b"again-2" in (tty.home / "capture").read_bytes()

            until(captured, "the capture to go on")
        assert b"bytes of output are missing here: File too large" in (tty.home / "capture").read_bytes()
        assert "File too large" in tty.log.read_text()

    @pytest.mark.parametrize(
        ("said", "told"),
        [
            (b"\x02\x00\x00\x00\x01x", b"before the hello"),
            (b"\x01\x00\x00\x00\x02\x01\x00", b"a hello of 2 bytes"),
            (b"\x01\x00\x00\x00\x0a\x00\x00" + b"\0" * 8, b"version 0"),
            (b"\x01\xff\xff\xff\xff", b"the most is 65536"),
            (b"GET / HTTP/1.1\r\n\r\n", b"the most is"),
        ],
    )
    def test_who_speaks_something_else_is_told_so(self, tty: Kuketty, said: bytes, told: bytes) -> None:
        opened = tty.open()
        with Raw(opened["socket"], said) as client:
            assert told in client.next(NOTICE)
            assert list(client.frames()) == []

    def test_a_newer_client_is_answered_in_our_version(self, tty: Kuketty) -> None:
        opened = tty.open()
        with Raw(opened["socket"], b"\x01\x00\x00\x00\x0a\x09\x00" + b"\0" * 8) as client:
            assert position(client.next(WELCOME)) == 0

    def test_a_resize_and_what_is_unknown_are_refused_and_the_connection_goes_on(
        self, tty: Kuketty, shim: MakeShim
    ) -> None:
        opened = tty.open()
        shim(opened, *SH)
        with Raw(opened["socket"]) as client:
            client.next(LIVE)
            client.send(RESIZE, b"\x00\x18\x00\x50")
            assert client.next(REFUSED)[:1] == bytes((RESIZE,))
            client.send(0x7F)
            assert client.next(REFUSED) == b"\x7funknown"
            client.send(INPUT, b"echo on-$((1+1))\n")
            client.wait_shown(b"on-2")

    def test_too_many_clients_are_told_so(self, tty: Kuketty) -> None:
        opened = tty.open()
        many = [Raw(opened["socket"]) for _ in range(33)]
        try:
            assert b"32 clients" in many[-1].next(NOTICE)
            many[0].next(LIVE)
        finally:
            for each in many:
                each.socket.close()

    def test_control_refuses_nonsense_and_goes_on(self, tty: Kuketty) -> None:
        assert "error" in tty.ask("run")
        assert "error" in tty.ask("open", name="../../etc/x", task="a/b", capture="/x", max_bytes=1, max_files=1)
        assert "error" in tty.ask("open", name="ab" * 8, task="a/b", capture="/x", max_bytes=0, max_files=1)
        assert "error" in tty.ask("close", wrong="x")
        tty.open()
        assert (
            "that of r/c"
            in tty.ask("open", name="00" * 8, task="other/c", capture="/tmp/x", max_bytes=1, max_files=1)["error"]
        )
        assert tty.ask("hello")["terminals"] == ["r/c"]


def test_twenty_terminals_fit_into_25_megabytes(tty: Kuketty, shim: MakeShim) -> None:
    for number in range(20):
        opened = tty.open(task=f"r/c{number}", name=f"{number:016x}", capture=str(tty.home / f"capture-{number}"))
        shim(opened, "/bin/sh", "-c", "head -c 300000 /dev/zero | tr '\\0' 'x' | fold -w 99; read x")
        with Raw(opened["socket"]) as client:
            client.next(LIVE)
    until(lambda: all(each.stat().st_size > 300_000 for each in tty.home.glob("capture-*")), "all output")
    assert tty.resident_kb() < 25_000
    print(f"{tty.resident_kb()} kB resident")
