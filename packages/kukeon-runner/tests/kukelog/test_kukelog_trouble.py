"""The container log writer where it cannot write, or is told to end: it never blocks, and says what it lost."""

import os
import re
import resource
import select
import signal
import time
from pathlib import Path

import pytest
from kukelog_process import DEADLINE_S, Start, entries, joined, pipe_bytes, wait_until

from kukeon_runner.host import mounts


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
