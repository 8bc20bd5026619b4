"""Logs on disk: their format, rotation while they are read, and which part of them is meant."""

from __future__ import annotations

import datetime as dt
import os
from typing import TYPE_CHECKING

import pytest
from log_lines import everything, line, texts

from kukeon_api.logs import cri, reader, selection
from kukeon_api.model.streams import LogEntry, LogStream

if TYPE_CHECKING:
    from pathlib import Path


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
