"""Logs that are rotated, emptied or removed while they are read."""

from __future__ import annotations

import itertools
import os
import shutil
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_lines import DEADLINE_S, now

from kukeon_api.logs import inotify, reader, selection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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
