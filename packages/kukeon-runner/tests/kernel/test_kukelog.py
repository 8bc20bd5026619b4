"""The container log writer, as containerd's shim uses it: real pipes on fds 3, 4 and 5."""

import array
import fcntl
import os
import re
import resource
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kukeon_api.logs import inotify, reader, selection
from kukeon_runner import native, native_build
from kukeon_runner.host import mounts

SOURCES = Path(__file__).resolve().parents[2] / "src" / "kukeon_runner" / "native"
ENTRY = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (stdout|stderr) ([PF]) ([^\n]*)\n")
START = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z stderr F:start \n")
DEADLINE_S = 20.0

# What the shim does: its three descriptors become 3, 4 and 5 of the program.
LAUNCH = """
import fcntl, os, sys
given = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 50) for fd in sys.argv[1:4]]
for fd, place in zip(given, (3, 4, 5)):
    os.dup2(fd, place)
os.closerange(6, 100)
os.execv(sys.argv[4], sys.argv[4:])
"""


class Logger:
    """A running kukelog and the ends of its pipes that a container and the shim hold."""

    def __init__(self, program: Path, arguments: list[str], umask: int = 0o022) -> None:
        out, self.stdout = os.pipe()
        err, self.stderr = os.pipe()
        self.ready, ready = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-IS", "-c", LAUNCH, str(out), str(err), str(ready), str(program), *arguments],
            pass_fds=(out, err, ready),
            stderr=subprocess.PIPE,
            umask=umask,
            env={"ASAN_OPTIONS": "detect_leaks=0"},
        )
        for fd in (out, err, ready):
            os.close(fd)
        self.open = {self.stdout, self.stderr, self.ready}

    def wait_ready(self) -> None:
        assert select.select([self.ready], [], [], DEADLINE_S)[0], "fd 5 was not closed"
        assert os.read(self.ready, 1) == b""

    def say(self, text: bytes, stream: str = "stdout") -> None:
        fd = self.stdout if stream == "stdout" else self.stderr
        while text:
            assert select.select([], [fd], [], DEADLINE_S)[1], "the program was blocked"
            text = text[os.write(fd, text[:4096]) :]

    def close(self, fd: int) -> None:
        self.open.discard(fd)
        os.close(fd)

    def finish(self) -> int:
        for fd in list(self.open):
            self.close(fd)
        _, trouble = self.process.communicate(timeout=DEADLINE_S)
        assert trouble == b""
        return self.process.returncode

    def abandon(self) -> None:
        for fd in list(self.open):
            self.close(fd)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture(scope="module")
def checked_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same program, watched by the address and undefined behaviour sanitizers."""
    target = tmp_path_factory.mktemp("native") / "kukelog-checked"
    flags = ["-std=gnu11", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-DKUKEON_LIBC"]
    try:
        compiler = native_build.compiler()
    except native_build.BuildFailed as error:
        pytest.skip(str(error))
    command = [*compiler, *flags, "-Wall", "-Wextra", "-Werror", "-o", str(target)]
    subprocess.run([*command, str(SOURCES / "logger.c")], check=True)
    return target


@pytest.fixture(params=["shipped", "checked"])
def program(request: pytest.FixtureRequest, checked_program: Path) -> Path:
    return native.path("kukelog") if request.param == "shipped" else checked_program


Start = Callable[..., Logger]


@pytest.fixture
def start(program: Path) -> Iterator[Start]:
    started: list[Logger] = []

    def begin(*arguments: str, umask: int = 0o022) -> Logger:
        started.append(Logger(program, list(arguments), umask))
        return started[-1]

    yield begin
    for logger in started:
        logger.abandon()


def entries(*paths: Path) -> list[tuple[str, str, bytes]]:
    """Return (stream, tag, text) of every line but those that begin runs; every byte must belong to one."""
    found = []
    for path in paths:
        content = START.sub(b"", path.read_bytes())
        matches = list(ENTRY.finditer(content))
        assert b"".join(match.group(0) for match in matches) == content
        found += [(match.group(2).decode(), match.group(3).decode(), match.group(4)) for match in matches]
    return found


def joined(found: list[tuple[str, str, bytes]], stream: str) -> list[bytes]:
    """Return a stream's lines as the program wrote them."""
    lines, part = [], b""
    for name, tag, text in found:
        if name == stream:
            part += text
            if tag == "F":
                lines.append(part)
                part = b""
    assert part == b""
    return lines


def wait_until(condition: Callable[[], bool], nudge: Callable[[], None] = lambda: None) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        nudge()
        time.sleep(0.01)


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


def test_a_program_that_is_started_again_and_again_does_not_fill_the_disk(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for _ in range(120):
        logger = start("path", str(log), "max_size", "4096", "max_files", "2")
        assert logger.finish() == 0
    assert log.stat().st_size <= 4096
    assert log.with_name("log.1").stat().st_size <= 4096


def test_following_a_flood_over_many_rotations(program: Path, tmp_path: Path) -> None:
    """The logger and the reader that goes with it: small files, and a program that never waits but for the reader."""
    directory = tmp_path / "container"
    directory.mkdir()
    log, total, ahead = directory / "log", 20_000, 300
    logger = Logger(program, ["path", str(log), "max_size", "4096", "max_files", "20"])
    found: list[int] = []
    try:
        logger.wait_ready()
        with reader.Reader(str(log), selection.Selection()) as follower, inotify.Watch() as watch:
            watch.cover([str(directory)])
            said = 0
            deadline = time.monotonic() + 60
            while len(found) < total and time.monotonic() < deadline:
                if said < total and said - len(found) < ahead:
                    logger.say(b"".join(b"%d\n" % number for number in range(said, min(said + 100, total))))
                    said = min(said + 100, total)
                elif entries := follower.read():
                    found += [int(entry.data) for entry in entries]
                else:
                    watch.wait()
        assert logger.finish() == 0
    finally:
        logger.abandon()
    assert found == list(range(total))


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


def test_rotation_loses_nothing(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    logger = start("path", str(log), "max_size", "65536", "max_files", "100")
    lines = [b"line %06d %s" % (i, b"." * (i % 97)) for i in range(30000)]
    logger.say(b"\n".join(lines) + b"\n")
    assert logger.finish() == 0
    files = [*(log.with_name(f"log.{i}") for i in range(99, 0, -1)), log]
    files = [path for path in files if path.exists()]
    assert len(files) > 20
    assert all(path.stat().st_size <= 65536 for path in files)
    assert all(path.stat().st_mode & 0o7777 == 0o640 for path in files)
    assert joined(entries(*files), "stdout") == lines


@pytest.mark.parametrize("count", [1, 2, 4])
def test_rotation_keeps_the_newest(start: Start, tmp_path: Path, count: int) -> None:
    log = tmp_path / "log"
    logger = start("path", str(log), "max_size", "4096", "max_files", str(count))
    lines = [b"%06d" % i for i in range(2000)]
    logger.say(b"\n".join(lines) + b"\n")
    assert logger.finish() == 0
    names = ["log", *(f"log.{i}" for i in range(1, count))]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    kept = joined(entries(*(tmp_path / name for name in reversed(names))), "stdout")
    assert kept == lines[-len(kept) :]
    assert len(kept) > (count - 1) * 80


def test_rotation_that_fails_keeps_the_file_within_twice_its_size(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    (tmp_path / "log.1").mkdir()
    logger = start("path", str(log), "max_size", "8192", "max_files", "2")
    logger.say(b"".join(b"%06d\n" % i for i in range(5000)))
    assert logger.finish() == 0
    assert log.stat().st_size <= 2 * 8192
    kept = joined(entries(log), "stdout")
    assert kept == [b"%06d" % i for i in range(len(kept))]


def test_an_oversized_line_still_fits_a_small_file(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    logger = start("path", str(log), "max_size", "4096", "max_files", "3")
    logger.say(b"x" * 16000 + b"\n" + b"y\n")
    assert logger.finish() == 0
    assert joined(entries(tmp_path / "log.1", log), "stdout") == [b"x" * 16000, b"y"]


def test_earlier_output_is_appended_to(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    for text in (b"first\n", b"second\n"):
        logger = start("path", str(log))
        logger.say(text)
        assert logger.finish() == 0
    assert joined(entries(log), "stdout") == [b"first", b"second"]


def test_half_a_line_of_a_killed_writer_stays_alone(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"2026-11-21T10:00:00.000000000Z stdout F cut")
    logger = start("path", str(log))
    logger.say(b"whole\n")
    assert logger.finish() == 0
    assert joined(entries(log), "stdout") == [b"cut", b"whole"]


def test_a_limit_on_the_file_costs_lines_and_says_how_many(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    logger = start("path", str(log))
    logger.wait_ready()
    resource.prlimit(logger.process.pid, resource.RLIMIT_FSIZE, (10000, resource.RLIM_INFINITY))
    logger.say(b"".join(b"%06d\n" % i for i in range(20000)))
    wait_until(lambda: pipe_bytes(logger.stdout) == 0)
    resource.prlimit(logger.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    logger.say(b"after\n")
    assert logger.finish() == 0
    check_nothing_unaccounted(log, 20000, b"file too large")


def pipe_bytes(fd: int) -> int:
    held = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, held)
    return held[0]


def check_nothing_unaccounted(log: Path, count: int, reason: bytes) -> None:
    found = entries(log)
    notes = [text for _, _, text in found if text.startswith(b"kukelog: ")]
    dropped = 0
    for note in notes:
        match = re.fullmatch(rb"kukelog: (\d+) lines dropped: (.+)", note)
        assert match is not None
        assert match.group(2) == reason
        dropped += int(match.group(1))
    lines = joined([entry for entry in found if entry[2] not in notes], "stdout")
    assert dropped > 0
    assert lines[-1] == b"after"
    assert len(lines) - 1 + dropped == count
    assert lines[:-1] == sorted(lines[:-1])


@pytest.mark.kernel
def test_a_full_disk_costs_lines_and_never_blocks(start: Start, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounts.tmpfs(disk, size_bytes=256 * 1024, mode=0o700)
    try:
        filler = disk / "filler"
        filler.write_bytes(b"\0" * 128 * 1024)
        log = disk / "log"
        logger = start("path", str(log), "max_size", str(1 << 30))
        logger.say(b"".join(b"%06d\n" % i for i in range(50000)))
        wait_until(lambda: pipe_bytes(logger.stdout) == 0)
        filler.unlink()
        logger.say(b"after\n")
        assert logger.finish() == 0
        check_nothing_unaccounted(log, 50000, b"no space left on device")
    finally:
        mounts.unmount(disk, lazy=True)


def test_a_directory_that_comes_later_is_used(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "later" / "log"
    logger = start("path", str(log))
    logger.wait_ready()
    logger.say(b"lost\n")
    wait_until(lambda: pipe_bytes(logger.stdout) == 0)
    log.parent.mkdir()
    # The lost line may still be between pipe and file: then it is not lost.
    wait_until(log.exists, lambda: logger.say(b"kept\n"))
    assert logger.finish() == 0
    assert joined(entries(log), "stdout")[-1] == b"kept"


def test_a_file_that_was_renamed_or_removed_is_made_again(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    logger = start("path", str(log))
    logger.wait_ready()
    log.rename(tmp_path / "moved")
    wait_until(log.exists, lambda: logger.say(b"x\n"))
    log.unlink()
    wait_until(log.exists, lambda: logger.say(b"y\n"))
    assert logger.finish() == 0
    assert entries(log)


@pytest.mark.parametrize("kind", ["symlink", "fifo", "directory"])
def test_only_a_regular_file_is_written(start: Start, tmp_path: Path, kind: str) -> None:
    log = tmp_path / "log"
    victim = tmp_path / "victim"
    victim.write_bytes(b"")
    if kind == "symlink":
        log.symlink_to(victim)
    elif kind == "fifo":
        os.mkfifo(log)
    else:
        log.mkdir()
    logger = start("path", str(log))
    logger.wait_ready()
    logger.say(b"x\n" * 100000)
    assert logger.finish() == 0
    assert victim.read_bytes() == b""


def test_told_to_end_it_finishes_although_a_writer_is_left(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    logger = start("path", str(log))
    logger.wait_ready()
    lines = [b"%06d" % i for i in range(9000)]
    logger.say(b"\n".join(lines) + b"\ntail")
    logger.process.send_signal(signal.SIGHUP)
    logger.process.send_signal(signal.SIGTERM)
    assert logger.process.wait(DEADLINE_S) == 0
    assert joined(entries(log), "stdout") == [*lines, b"tail"]


def test_told_to_end_it_does_not_wait_for_a_writer_that_never_rests(start: Start, tmp_path: Path) -> None:
    logger = start("path", str(tmp_path / "log"))
    logger.wait_ready()
    logger.process.send_signal(signal.SIGTERM)
    before = time.monotonic()
    os.set_blocking(logger.stdout, False)
    while logger.process.poll() is None:
        assert time.monotonic() - before < DEADLINE_S
        if select.select([], [logger.stdout], [], 0.05)[1]:
            try:
                os.write(logger.stdout, b"x\n" * 100)
            except BrokenPipeError:
                break
    assert logger.process.wait(DEADLINE_S) == 0
    # The shim waits for 12 s and kills it then.
    assert time.monotonic() - before < 11


def test_a_stream_may_end_before_the_other(start: Start, tmp_path: Path) -> None:
    log = tmp_path / "log"
    logger = start("path", str(log))
    logger.close(logger.stderr)
    logger.wait_ready()
    logger.say(b"alone\n")
    assert logger.finish() == 0
    assert joined(entries(log), "stdout") == [b"alone"]


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
