"""Which part of a log is meant: its last lines, what came since, the run before."""

from __future__ import annotations

import datetime as dt
import itertools
import shutil
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_lines import START, everything, line, stamp, texts

from kukeon_api import errors
from kukeon_api.logs import cri, reader, selection
from kukeon_api.model.streams import LogStream

if TYPE_CHECKING:
    from pathlib import Path


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
