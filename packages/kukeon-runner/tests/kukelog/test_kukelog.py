"""The container log writer, as containerd's shim uses it: real pipes on fds 3, 4 and 5."""

import re
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kukelog_process import DEADLINE_S, ENTRY, START, Logger, Start, entries, joined, pipe_bytes, wait_until

from kukeon_api.logs import reader, selection
from kukeon_runner import native, native_build


def test_lines_have_time_stream_and_tag(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    before = time.time()
    logger = start("path", str(log))
    logger.wait_ready()
    logger.say(b"one\n\ntwo\n")
    logger.say(b"bad\n", "stderr")
    assert logger.finish() == 0
    assert sorted(entries(log)) == sorted(
        [("stdout", "F", b"one"), ("stdout", "F", b""), ("stdout", "F", b"two"), ("stderr", "F", b"bad")]
    )
    written = ENTRY.search(log.read_bytes())
    assert written is not None
    stamp = subprocess.run(["date", "-d", written.group(1), "+%s.%N"], capture_output=True, text=True, check=True)
    assert before - 1 <= float(stamp.stdout) <= time.time() + 1


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_file_mode_is_ours_whatever_the_umask(start: Start, tmp_path: Path, umask: int) -> None:
    log = tmp_path / "log"
    logger = start("path", str(log), umask=umask)
    logger.wait_ready()
    assert logger.finish() == 0
    assert log.stat().st_mode & 0o7777 == 0o640


@pytest.mark.kernel
@pytest.mark.parametrize(("gid", "group"), [("1234", 1234), ("", 0), ("root", 0), ("-1", 0)])
def test_a_new_file_gets_the_group_that_was_asked_for(start: Start, tmp_path: Path, gid: str, group: int) -> None:
    log = tmp_path / "log"
    logger = start("gid", gid, "path", str(log))
    logger.wait_ready()
    assert logger.finish() == 0
    assert (log.stat().st_gid, log.stat().st_mode & 0o7777) == (group, 0o640)


def test_mode_of_an_existing_file_is_kept(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch(mode=0o600)
    logger = start("path", str(log))
    logger.say(b"x\n")
    assert logger.finish() == 0
    assert log.stat().st_mode & 0o7777 == 0o600


@pytest.mark.parametrize(
    ("size", "pieces"), [(16383, [16383]), (16384, [16384]), (16385, [16384, 1]), (40000, [16384, 16384, 7232])]
)
def test_long_lines_come_in_pieces(start: Start, tmp_path: Path, size: int, pieces: list[int]) -> None:
    log = tmp_path / "log"
    logger = start("path", str(log))
    text = bytes(b"abcdefghij"[i % 10] for i in range(size))
    logger.say(text + b"\nnext\n")
    assert logger.finish() == 0
    found = entries(log)
    assert [(len(text), tag) for _, tag, text in found[:-1]] == [
        (piece, "F" if i == len(pieces) - 1 else "P") for i, piece in enumerate(pieces)
    ]
    assert joined(found, "stdout") == [text, b"next"]


def test_each_run_begins_with_a_line_that_no_program_can_write(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for text in (b"first\n", b"", b"2026-11-21T10:00:00.000000000Z stderr F:start \n"):
        logger = start("path", str(log))
        logger.wait_ready()
        logger.say(text)
        assert logger.finish() == 0
    lines = log.read_bytes().splitlines(keepends=True)
    assert [bool(START.fullmatch(line)) for line in lines] == [True, False, True, True, False]
    with reader.Reader(str(log), selection.Selection(previous=True)) as found:
        assert [entry.data for entry in found.read()] == [b"first"]


def test_unfinished_last_line_is_kept(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    logger = start("path", str(log))
    logger.say(b"done\nhalf")
    logger.say(b"other half", "stderr")
    assert logger.finish() == 0
    assert sorted(entries(log)) == [("stderr", "F", b"other half"), ("stdout", "F", b"done"), ("stdout", "F", b"half")]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    chunks=st.lists(
        st.tuples(
            st.sampled_from(["stdout", "stderr"]),
            st.one_of(
                st.binary(max_size=200),
                st.sampled_from([b"\n", b"\n\n\n", b"x" * 16384, b"y" * 16384 + b"\n", b"z" * 50000, b"\0\xff\r\n"]),
            ),
        ),
        max_size=12,
    )
)
def test_whatever_is_said_is_written(program: Path, tmp_path: Path, chunks: list[tuple[str, bytes]]) -> None:
    log = tmp_path / "log"
    log.unlink(missing_ok=True)
    logger = Logger(program, ["path", str(log), "max_size", str(1 << 30)])
    try:
        for stream, text in chunks:
            logger.say(text, stream)
        assert logger.finish() == 0
    finally:
        logger.abandon()
    for stream in ("stdout", "stderr"):
        said = b"".join(text for name, text in chunks if name == stream)
        lines = said.split(b"\n")
        assert joined(entries(log), stream) == (lines[:-1] if lines[-1] == b"" else lines)


@pytest.mark.parametrize(
    "arguments",
    [
        ["max_files", "3", "path", "{log}", "max_size", "8192"],
        ["path", "{log}", "unknown", "", "max_size", "99999999999999999999999999", "max_files", "0"],
        ["max_size", "-5", "max_files", "many", "path", "{log}", "gid", "", "flag"],
        ["", "", "path", "{log}", "max_size", "", "max_files", ""],
    ],
)
def test_arguments_in_any_order_and_of_any_quality(start: Start, tmp_path: Path, arguments: list[str]) -> None:
    log = tmp_path / "log"
    logger = start(*[argument.format(log=log) for argument in arguments])
    logger.say(b"x\n")
    assert logger.finish() == 0
    assert entries(log) == [("stdout", "F", b"x")]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], b"is required"),
        (["path", "relative/log"], b"is required"),
        (["max_size", "1", "path"], b"is required"),
        (["path", "/" + "x" * 5000], b"too long"),
    ],
)
def test_without_a_usable_path_it_says_so(start: Start, arguments: list[str], reason: bytes) -> None:
    logger = start(*arguments)
    assert logger.process.wait(DEADLINE_S) == 2
    assert logger.process.stderr is not None
    assert reason in logger.process.stderr.read()


def test_earlier_output_is_appended_to(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for text in (b"first\n", b"second\n"):
        logger = start("path", str(log))
        logger.say(text)
        assert logger.finish() == 0
    assert joined(entries(log), "stdout") == [b"first", b"second"]


def test_resident_memory_is_tiny(tmp_path: Path) -> None:
    if not native_build.standalone(native_build.machine()):
        pytest.skip(f"on {native_build.machine()} the program carries a C library")
    logger = Logger(native.path("kukelog"), ["path", str(tmp_path / "log")])
    try:
        logger.wait_ready()
        logger.say(b"some words\n" * 20000)
        wait_until(lambda: pipe_bytes(logger.stdout) == 0)
        status = Path(f"/proc/{logger.process.pid}/status").read_text()
        resident = re.search(r"VmRSS:\s+(\d+) kB", status)
        assert resident is not None
        assert int(resident.group(1)) <= 256
    finally:
        logger.abandon()
