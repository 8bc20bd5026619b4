"""Logs on disk: their format, rotation while they are read, and which part of them is meant."""

from __future__ import annotations

import datetime as dt
import itertools
import os
import shutil
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kukeon_api import errors
from kukeon_api.logs import cri, inotify, reader, selection
from kukeon_api.model.streams import LogEntry, LogStream

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DEADLINE_S = 20
START = "\0start"


def stamp(second: int) -> str:
    return f"2026-11-21T10:{second // 60:02d}:{second % 60:02d}.123456789Z"


def line(text: str, second: int = 0, stream: str = "stdout", tag: str = "F") -> bytes:
    if text == START:
        return f"{stamp(second)} stderr F:start \n".encode()
    return f"{stamp(second)} {stream} {tag} {text}\n".encode()


def now(follower: reader.Reader) -> list[str]:
    """What there is to read for now."""
    entries: list[LogEntry] = []
    while more := follower.read():
        entries += more
    return [entry.data.decode() for entry in entries]


def everything(path: Path, wanted: selection.Selection | None = None, *, terminal: bool = False) -> list[LogEntry]:
    with reader.Reader(str(path), wanted or selection.Selection(), terminal=terminal) as found:
        entries: list[LogEntry] = []
        while more := found.read():
            entries += more
        return entries + list(found.finish())


def texts(path: Path, **wanted: object) -> list[str]:
    return [entry.data.decode() for entry in everything(path, selection.Selection(**wanted))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "stream", "partial", "said"),
    [
        (line("hello"), LogStream.STDOUT, False, b"hello"),
        (line("bad", stream="stderr"), LogStream.STDERR, False, b"bad"),
        (line("half", tag="P"), LogStream.STDOUT, True, b"half"),
        (line(""), LogStream.STDOUT, False, b""),
        (line("a  b "), LogStream.STDOUT, False, b"a  b "),
        (b"no such format\n", LogStream.STDOUT, False, b"no such format"),
        (line("x", stream="stdin "), LogStream.STDOUT, False, line("x", stream="stdin ")[:-1]),
        (line("x", tag="F:later"), LogStream.STDOUT, False, line("x", tag="F:later")[:-1]),
        (b"2026-11-21T10:00:00Z stdout F x\n", LogStream.STDOUT, False, b"2026-11-21T10:00:00Z stdout F x"),
    ],
)
def test_a_line_of_the_format(text: bytes, stream: LogStream, partial: bool, said: bytes) -> None:
    found = cri.parse(text[:-1])
    assert (found.stream, found.partial, found.text) == (stream, partial, said)


def test_an_entry_knows_its_time(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(line("x", 7) + b"other\n")
    first, second = everything(tmp_path / "log")
    assert first == LogEntry(
        stream=LogStream.STDOUT, data=b"x", at=dt.datetime(2026, 11, 21, 10, 0, 7, 123456, tzinfo=dt.UTC)
    )
    assert second == LogEntry(stream=LogStream.STDOUT, data=b"other")


def test_pieces_of_a_line_are_put_together_by_stream(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(
        line("one ", tag="P") + line("bad ", 1, "stderr", "P") + line("line") + line("er", 1, "stderr") + line("z")
    )
    found = [(entry.stream.value, entry.data, entry.partial) for entry in everything(tmp_path / "log")]
    assert found == [("stdout", b"one line", False), ("stderr", b"bad er", False), ("stdout", b"z", False)]


def test_a_line_that_has_not_ended_comes_as_far_as_it_is_written(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(line("one ", tag="P"))
    with reader.Reader(str(log), selection.Selection()) as found:
        assert [(entry.data, entry.partial) for entry in found.read()] == [(b"one ", True)]
        assert found.read() == ()
        with log.open("ab") as file:
            file.write(line("line"))
        assert [(entry.data, entry.partial) for entry in found.read()] == [(b"line", False)]


def test_a_line_without_end_does_not_take_all_memory(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(line("p" * 16384, tag="P") * 200 + b"x" * 3_000_000)
    entries = everything(tmp_path / "log")
    assert sum(len(entry.data) for entry in entries) == 200 * 16384 + 3_000_000
    assert max(len(entry.data) for entry in entries) < 2_200_000
    assert entries[0].partial


def test_rotated_files_come_first(tmp_path: Path) -> None:
    (tmp_path / "log.2").write_bytes(b"one\n")
    (tmp_path / "log.1").write_bytes(b"two\nthr")
    (tmp_path / "log").write_bytes(b"ee\nfour")
    assert texts(tmp_path / "log") == ["one", "two", "three", "four"]


@pytest.mark.parametrize("content", ["\r", "a\rb", "\x0c\x1c"])
def test_only_newlines_end_lines(tmp_path: Path, content: str) -> None:
    (tmp_path / "log").write_bytes(content.encode())
    assert texts(tmp_path / "log") == [content]


@pytest.mark.parametrize("kind", ["fifo", "link", "directory"])
def test_what_is_no_file_is_refused(tmp_path: Path, kind: str) -> None:
    if kind == "fifo":
        os.mkfifo(tmp_path / "log")
    elif kind == "link":
        (tmp_path / "log").symlink_to("/etc/passwd")
    else:
        (tmp_path / "log").mkdir()
    with pytest.raises(OSError, match=r"not a regular file|symbolic links"):
        reader.Reader(str(tmp_path / "log"), selection.Selection())


# Which part


def test_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.with_name("log.1").write_bytes(b"".join(line(f"a{number}", number) for number in range(3)))
    log.write_bytes(line("b", 3, tag="P") + line("b", 3) + line(START, 4) + line("c", 5))
    assert texts(log, tail=0) == []
    assert texts(log, tail=1) == ["c"]
    assert texts(log, tail=2) == ["bb", "c"]
    assert texts(log, tail=3) == ["a2", "bb", "c"]
    assert texts(log, tail=99) == ["a0", "a1", "a2", "bb", "c"]
    assert texts(log, tail=99, since=stamp(2).encode()) == ["a2", "bb", "c"]
    assert texts(tmp_path / "none", tail=5) == []


@given(
    sizes=st.lists(st.integers(0, 3 * 65536), max_size=6),
    cuts=st.lists(st.integers(0, 6), max_size=3),
    count=st.integers(0, 8),
    rest=st.booleans(),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_last_lines_of_a_transcript(
    tmp_path: Path, sizes: list[int], cuts: list[int], count: int, rest: bool
) -> None:
    directory = tmp_path / "tty"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    whole = [b"x" * size + b"\n" for size in sizes] + ([b"rest"] if rest else [])
    bounds = [0, *sorted(cut for cut in cuts if cut <= len(whole)), len(whole)]
    parts = [b"".join(whole[low:high]) for low, high in itertools.pairwise(bounds)]
    for number, part in enumerate(reversed(parts)):
        (directory / (f"capture.{number}" if number else "capture")).write_bytes(part)
    found = everything(directory / "capture", selection.Selection(tail=count), terminal=True)
    assert all(entry.stream is LogStream.TERMINAL for entry in found)
    assert b"".join(entry.data for entry in found) == b"".join(whole[len(whole) - min(count, len(whole)) :])


def test_what_was_written_since(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.with_name("log.2").write_bytes(line("a", 10))
    log.with_name("log.1").write_bytes(line("b", 20) + line("c", 30))
    log.write_bytes(line("d", 40) + line("clock was set back", 5) + line("e", 50))
    for second, expected in ((0, "abcd"), (20, "bcd"), (21, "cd"), (31, "d"), (41, ""), (60, "")):
        found = texts(log, since=stamp(second).encode())
        assert [text for text in found if len(text) == 1] == [*expected] + (["e"] if second <= 50 else [])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", b""),
        ("5m", b"2026-11-21T11:55:00.000000000Z"),
        ("-5m", b"2026-11-21T11:55:00.000000000Z"),
        ("0", b"2026-11-21T12:00:00.000000000Z"),
        ("2026-11-21T10:00:00Z", b"2026-11-21T10:00:00.000000000Z"),
        ("2026-11-21t10:00:00.5+02:00", b"2026-11-21T08:00:00.500000000Z"),
    ],
)
def test_reading_since(text: str, expected: bytes) -> None:
    assert cri.read_since(text, dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)) == expected


@pytest.mark.parametrize("text", ["x", "5", "yesterday", "2026-13-01T00:00:00Z", "99999999999999h", "0001-01-01T00:00"])
def test_since_that_is_none(text: str) -> None:
    with pytest.raises(errors.Invalid, match="as a time or an age"):
        cri.read_since(text, dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ([[START, "a", START, "b"]], ["a"]),
        ([[START, "a", START]], ["a"]),
        ([[START, "a"], ["b", START, "c"]], ["a", "b"]),
        ([["a", "b"], [START, "c"]], ["a", "b"]),
        ([[START, "a", START], ["b"]], ["a"]),
        ([[START], ["a"], [START, "b"]], ["a"]),
        # A start that failed wrote nothing.
        ([[START, "a", START, START, START, "b"]], ["a"]),
        ([[START, "a", START], [START], ["b"]], ["a"]),
        ([[START, "a", START, "b", START, "c"]], ["b"]),
        ([[START, f"{stamp(1)} stderr F:start ", START, "b"]], [f"{stamp(1)} stderr F:start "]),
    ],
)
def test_the_run_before(tmp_path: Path, files: list[list[str]], expected: list[str]) -> None:
    for number, lines in enumerate(reversed(files)):
        content = b"".join(line(text, second) for second, text in enumerate(lines))
        (tmp_path / (f"log.{number}" if number else "log")).write_bytes(content)
    assert texts(tmp_path / "log", previous=True) == expected
    assert texts(tmp_path / "log", previous=True, tail=1) == expected[-1:]


@pytest.mark.parametrize("lines", [[], ["a"], [START, "a"], [START], [START, START, "a"]])
def test_without_a_run_before(tmp_path: Path, lines: list[str]) -> None:
    (tmp_path / "log").write_bytes(b"".join(line(text) for text in lines))
    with pytest.raises(reader.NoPreviousRun):
        reader.Reader(str(tmp_path / "log"), selection.Selection(previous=True))


@given(runs=st.lists(st.lists(st.integers(0, 9000), max_size=30), min_size=1, max_size=5))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_runs_are_told_apart_over_long_files(tmp_path: Path, runs: list[list[int]]) -> None:
    log = tmp_path / "log"
    content = b"".join(line(START) + b"".join(line("x" * size) for size in run) for run in runs)
    log.write_bytes(content)
    written = [run for run in runs[:-1] if run]
    if not written:
        with pytest.raises(reader.NoPreviousRun):
            reader.Reader(str(log), selection.Selection(previous=True))
        return
    assert [len(text) for text in texts(log, previous=True)] == written[-1]


# Rotation while it is read


class Writer:
    """Writes as kukelog does; each step of a rotation is one of `steps`."""

    def __init__(self, log: Path, keep: int) -> None:
        self.log, self.keep, self.count = log, keep, 0
        log.touch()
        self._pending: Iterator[None] = iter(())

    def write(self) -> None:
        for _ in self._pending:
            pass
        with self.log.open("ab") as file:
            file.write(b"%d\n" % self.count)
        self.count += 1

    def step(self) -> None:
        """Do one step of the rotation under way, or begin one."""
        if next(self._pending, self) is self:
            self._pending = self._rotate()
            next(self._pending)

    def _rotate(self) -> Iterator[None]:
        names = [self.log, *(self.log.with_name(f"log.{number}") for number in range(1, self.keep))]
        for older, newer in itertools.pairwise(reversed(names)):
            if newer.exists():
                newer.rename(older)
                yield
        self.log.touch()
        yield


@given(
    keep=st.integers(2, 6),
    steps=st.lists(st.sampled_from(["write", "step", "read"]), max_size=200),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_order_nothing_comes_twice_or_out_of_order(tmp_path: Path, keep: int, steps: list[str]) -> None:
    directory = tmp_path / "container"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    writer = Writer(directory / "log", keep)
    found: list[int] = []
    with reader.Reader(str(directory / "log"), selection.Selection()) as follower:

        def read() -> None:
            while entries := follower.read():
                found.extend(int(entry.data) for entry in entries)

        for step in steps:
            {"write": writer.write, "step": writer.step, "read": read}[step]()
        writer.write()
        read()
        kept = b"".join(
            path.read_bytes() for path in sorted(directory.iterdir(), key=lambda path: path.suffix, reverse=True)[1:]
        )
    assert found == sorted(set(found))
    assert found[-1] == writer.count - 1
    # Lost is only what was rotated away for good before it was read.
    lost = set(range(writer.count)) - set(found)
    assert not lost & {int(text) for text in kept.split()}


@pytest.mark.parametrize(("lines_a_file", "total"), [(1, 1500), (3, 3000), (50, 9000)])
def test_a_fast_writer_and_many_rotations(tmp_path: Path, lines_a_file: int, total: int) -> None:
    directory = tmp_path / "container"
    directory.mkdir()
    log, keep = directory / "log", 8
    read = threading.Semaphore(lines_a_file * (keep - 3))
    """Bounds how far the reader is behind: rotated away for good is lost."""

    def write() -> None:
        file = log.open("ab", buffering=0)
        for number in range(total):
            assert read.acquire(timeout=DEADLINE_S)
            file.write(b"%d\n" % number)
            if number % lines_a_file == lines_a_file - 1:
                for older in range(keep - 1, 0, -1):
                    newer = log.with_name(f"log.{older - 1}") if older > 1 else log
                    if newer.exists():
                        newer.rename(log.with_name(f"log.{older}"))
                file.close()
                file = log.open("ab", buffering=0)
        file.close()

    log.touch()
    found: list[int] = []
    thread = threading.Thread(target=write)
    with reader.Reader(str(log), selection.Selection()) as follower, inotify.Watch() as watch:
        watch.cover([str(directory)])
        thread.start()
        deadline = time.monotonic() + 60
        while len(found) < total and time.monotonic() < deadline:
            if entries := follower.read():
                found += [int(entry.data) for entry in entries]
                read.release(len(entries))
            else:
                watch.wait()
    thread.join(DEADLINE_S)
    assert found == list(range(total))


def test_half_a_line_that_was_taken_back_does_not_come(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"a\nhal")
    with reader.Reader(str(log), selection.Selection()) as found:
        assert now(found) == ["a"]
        os.truncate(log, 2)
        assert found.read() == ()
        with log.open("ab") as file:
            file.write(b"b\n")
        assert now(found) == ["b"]


def test_a_log_that_is_emptied_in_place_is_read_from_its_start(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"long enough\n")
    with reader.Reader(str(log), selection.Selection()) as found:
        assert now(found) == ["long enough"]
        os.truncate(log, 0)
        with log.open("ab") as file:
            file.write(b"x\n")
        assert now(found) == ["x"]


def test_a_log_that_goes_piece_by_piece_repeats_nothing(tmp_path: Path) -> None:
    directory = tmp_path / "container"
    directory.mkdir()
    names = ["log.3", "log.2", "log.1", "log"]
    for order in itertools.permutations(names):
        directory.mkdir(exist_ok=True)
        for name in names:
            (directory / name).write_bytes(f"{name}\n".encode())
        with reader.Reader(str(directory / "log"), selection.Selection()) as found:
            assert now(found) == names
            for name in order:
                (directory / name).unlink()
                assert found.read() == ()
                assert not found.gone
            directory.rmdir()
            assert found.gone
            assert found.read() == ()


def test_a_log_that_an_operator_removed_goes_on_with_the_next_one(tmp_path: Path) -> None:
    directory = tmp_path / "container"
    directory.mkdir()
    (directory / "log.1").write_bytes(b"a\n")
    (directory / "log").write_bytes(b"b\n")
    with reader.Reader(str(directory / "log"), selection.Selection()) as found:
        assert now(found) == ["a", "b"]
        (directory / "log").unlink()
        (directory / "log").write_bytes(b"c\n")
        assert now(found) == ["c"]
        (directory / "log").rename(directory / "mine")
        (directory / "log").write_bytes(b"d\n")
        assert now(found) == ["d"]


def test_a_log_may_come_later_with_its_directory(tmp_path: Path) -> None:
    log = tmp_path / "container" / "log"
    with reader.Reader(str(log), selection.Selection(tail=1)) as found, inotify.Watch() as watch:
        assert not found.found
        assert found.read() == ()
        assert watch.cover([str(tmp_path), str(log.parent)])
        assert not watch.cover([str(tmp_path), str(log.parent)])
        log.parent.mkdir()
        watch.wait()
        assert watch.cover([str(tmp_path), str(log.parent)])
        log.write_bytes(b"a\nb\n")
        watch.wait()
        assert now(found) == ["a", "b"]


def test_without_inotify_files_are_looked_at_now_and_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(inotify.Inotify, "__init__", refuse)
    with inotify.Watch() as watch:
        assert not watch.cover([str(tmp_path)])
        before = time.monotonic()
        watch.wait()
        assert time.monotonic() - before < DEADLINE_S
