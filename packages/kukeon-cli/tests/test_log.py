"""Logs: their format, their files, and following them while they are rotated."""

from __future__ import annotations

import os
import queue
import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from kukeon_api import model
from kukeon_cli import cri, rotated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Kuke

WEB = model.Ref("default", "default", "default", "web")
DEADLINE_S = 20


def entry(message: str, stream: str = "stdout", tag: str = "F") -> str:
    return f"2026-11-21T10:00:00.123456789Z {stream} {tag} {message}\n"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (entry("hello"), (1, b"hello\n")),
        (entry("bad", "stderr"), (2, b"bad\n")),
        (entry("half", tag="P"), (1, b"half")),
        (entry(""), (1, b"\n")),
        (entry("a  b "), (1, b"a  b \n")),
        ("no such format\n", (1, b"no such format\n")),
        ("2026-11-21T10:00:00Z stdin F x\n", (1, b"2026-11-21T10:00:00Z stdin F x\n")),
    ],
)
def test_a_line_of_the_format(line: str, expected: tuple[int, bytes]) -> None:
    assert tuple(cri.parse(line.encode())) == expected


def test_rotated_files_come_first(tmp_path: Path) -> None:
    (tmp_path / "log.2").write_text("one\n")
    (tmp_path / "log.1").write_text("two\nthr")
    (tmp_path / "log").write_text("ee\nfour")
    with rotated.RotatedLog(str(tmp_path / "log")) as log:
        assert list(log.lines()) == [b"one\n", b"two\n", b"three\n", b"four"]


@pytest.mark.parametrize("content", ["\r", "a\rb\n", "\x0c\x1c\n", ""])
def test_only_newlines_end_lines(tmp_path: Path, content: str) -> None:
    (tmp_path / "log").write_bytes(content.encode())
    with rotated.RotatedLog(str(tmp_path / "log")) as log:
        assert list(log.lines()) == ([content.encode()] if content else [])


def test_a_line_without_end_does_not_take_all_memory(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"x" * 3_000_000)
    with rotated.RotatedLog(str(tmp_path / "log")) as log:
        pieces = list(log.lines())
    assert sum(map(len, pieces)) == 3_000_000
    assert max(map(len, pieces)) < 1_200_000


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(OSError, match="not a regular file"):
        rotated.RotatedLog(str(tmp_path / "log"))
    with pytest.raises(FileNotFoundError):
        rotated.RotatedLog(str(tmp_path / "none"))


class Follower:
    """Follows a log on a thread and hands over its lines one by one."""

    def __init__(self, path: Path) -> None:
        self._lines: queue.Queue[bytes | None] = queue.Queue()
        self._path = str(path)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        with rotated.RotatedLog(self._path) as log:
            for line in log.lines(follow=True):
                self._lines.put(line)
        self._lines.put(None)

    def next(self) -> bytes | None:
        return self._lines.get(timeout=DEADLINE_S)

    def join(self) -> None:
        self._thread.join(DEADLINE_S)
        assert not self._thread.is_alive()


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "container"
    made.mkdir()
    yield made
    # A follower ends when the directory is removed, so no thread outlives a test that fails.
    shutil.rmtree(made, ignore_errors=True)


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_following_delivers_what_is_written_later(directory: Path) -> None:
    log = directory / "log"
    log.write_text("old\n")
    follower = Follower(log)
    assert follower.next() == b"old\n"
    append(log, "ne")
    append(log, "w\n")
    assert follower.next() == b"new\n"
    shutil.rmtree(directory)
    assert follower.next() is None
    follower.join()


def test_following_crosses_rotations(directory: Path) -> None:
    log = directory / "log"
    log.write_text("0\n")
    follower = Follower(log)
    assert follower.next() == b"0\n"
    expected = []
    for number in range(1, 60):
        append(log, f"{number}\n")
        expected.append(f"{number}\n".encode())
        if number % 3 == 0:
            # Twice in a row now and then: more than one file may have come since the last look.
            for older in (2, 1):
                if (directory / f"log.{older}").exists():
                    (directory / f"log.{older}").rename(directory / f"log.{older + 1}")
            log.rename(directory / "log.1")
            log.write_text("")
        assert follower.next() == expected[-1]
    shutil.rmtree(directory)
    assert follower.next() is None
    follower.join()


def test_nothing_is_lost_when_several_files_come_at_once(directory: Path) -> None:
    log = directory / "log"
    log.write_text("a\n")
    with rotated.RotatedLog(str(log)) as reader:
        lines = reader.lines(follow=True)
        assert next(lines) == b"a\n"
        append(log, "b\n")
        log.rename(directory / "log.1")
        log.write_text("c\n")
        (directory / "log.1").rename(directory / "log.2")
        log.rename(directory / "log.1")
        log.write_text("d\n")
        assert [next(lines) for _ in range(3)] == [b"b\n", b"c\n", b"d\n"]


def test_a_log_that_is_emptied_in_place_is_read_from_its_start(directory: Path) -> None:
    log = directory / "log"
    log.write_text("long enough\n")
    follower = Follower(log)
    assert follower.next() == b"long enough\n"
    with log.open("r+") as file:
        file.truncate(0)
        file.write("x\n")
    assert follower.next() == b"x\n"
    shutil.rmtree(directory)
    follower.join()


def test_waiting_for_the_first_line(directory: Path) -> None:
    log = directory / "log"
    done = threading.Event()

    def wait() -> None:
        rotated.wait_until_written(str(log))
        done.set()

    thread = threading.Thread(target=wait)
    thread.start()
    log.write_text("")
    thread.join(DEADLINE_S)
    assert done.is_set()
    with pytest.raises(FileNotFoundError):
        rotated.wait_until_written(str(directory / "none" / "log"))


def test_streams_go_where_they_came_from(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    memory.put(WEB)
    log = tmp_path / "log"
    log.write_text(entry("to ", tag="P") + entry("out") + entry("to err", "stderr"))
    memory.logs[WEB.child("web")] = str(log)
    for line in (("log", "web"), ("logs", "web", "-c", "web"), ("log", "web", "--container", "web")):
        result = kuke(*line)
        assert (result.code, result.out, result.err) == (0, "to out\n", "to err\n")


def test_the_log_of_a_terminal_is_taken_as_it_is(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    memory.put(WEB)
    log = tmp_path / "capture"
    log.write_text(entry("raw"))
    capture = model.LogContainerResult(host_capture_path=str(log))
    memory.log_container = lambda doc, *, timeout=None: capture  # type: ignore[method-assign]
    assert kuke("log", "web").out == entry("raw")


def test_which_container(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    memory.put(WEB)
    assert kuke("log", "web", "-c", "wbe").code == 3
    assert "did you mean 'web'" in kuke("log", "web", "-c", "wbe").err
    memory.load("default", "docker.io/library/busybox:latest")
    two = """
        {apiVersion: v1beta1, kind: Cell, metadata: {name: two},
         spec: {realmId: default, spaceId: default, stackId: default,
                containers: [{id: b, image: busybox}, {id: a, image: busybox}]}}"""
    assert kuke("apply", "-f", "-", stdin=two.encode()).code == 0
    result = kuke("log", "two")
    assert result.code == 2
    assert result.err == (
        "Error: cannot choose a container of cell 'default/default/default/two': it has a, b\n"
        "hint: pass -c/--container NAME\n"
    )


def test_a_container_that_never_wrote(kuke: Kuke, memory: MemoryClient, tmp_path: Path) -> None:
    memory.put(WEB)
    memory.logs[WEB.child("web")] = str(tmp_path / "none")
    result = kuke("log", "web")
    assert result.code == 5
    assert "has not written a log yet" in result.err


def test_ctrl_c_ends_following_and_is_no_failure(
    kuke: Kuke, memory: MemoryClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(self: object) -> None:
        raise KeyboardInterrupt

    memory.put(WEB)
    log = tmp_path / "log"
    log.write_text(entry("hello"))
    memory.logs[WEB.child("web")] = str(log)
    monkeypatch.setattr("kukeon_cli.inotify.Watch.wait", interrupt)
    result = kuke("log", "-f", "web")
    assert (result.code, result.out, result.err) == (0, "hello\n", "")


@pytest.mark.parametrize(
    ("mode", "gid", "words"), [(0o640, 990, "usermod -aG 990"), (0o600, 990, "sudo"), (0o640, 0, "sudo")]
)
def test_a_log_that_may_not_be_read_says_who_may(
    kuke: Kuke, memory: MemoryClient, directory: Path, monkeypatch: pytest.MonkeyPatch, mode: int, gid: int, words: str
) -> None:
    memory.put(WEB)
    log = directory / "log"
    log.write_text(entry("secret"))
    memory.logs[WEB.child("web")] = str(log)

    def refuse(path: str) -> None:
        raise PermissionError(13, "Permission denied", path)

    shown = os.stat_result((0o100000 | mode, 1, 1, 1, 0, gid, 1, 0, 0, 0))
    monkeypatch.setattr("kukeon_cli.rotated.RotatedLog", refuse)
    monkeypatch.setattr("kukeon_sdk.reach._refusing", lambda path: shown)
    result = kuke("log", "web")
    assert result.code == 6
    assert words in result.err.splitlines()[-1]
    assert ("usermod" in result.err) is (words != "sudo")
