"""The container log writer makes a new file of a full one: nothing is lost on the way, and the oldest go."""

import time
from pathlib import Path

import pytest
from kukelog_process import Logger, Start, entries, joined

from kukeon_api.logs import inotify, reader, selection


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
