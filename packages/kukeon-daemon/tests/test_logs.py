"""Log lines, and what keeps running by itself."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys

import pytest

from kukeon_api import errors
from kukeon_daemon import background, logs
from kukeon_daemon.tasks import Tasks


def line(message: str, *, journal: bool = False, level: int = logging.INFO, exc_info: bool = False) -> str:
    caught = None
    if exc_info:
        try:
            raise ValueError("bad\nnews")
        except ValueError:
            caught = sys.exc_info()
    record = logging.LogRecord("x", level, "f", 1, message, (), caught)
    record.created, record.msecs = 0.0, 7.0
    return logs.LineFormatter(journal=journal).format(record)


def test_a_line() -> None:
    assert line("made it") == "1970-01-01T00:00:00.007Z INFO made it"


def test_a_line_for_the_journal_has_a_priority_and_no_time() -> None:
    assert line("made it", journal=True, level=logging.WARNING) == "<4>WARNING made it"


def test_nobody_can_forge_a_line_or_steer_a_terminal() -> None:
    text = line("a\n2026 INFO forged \x1b[31m")
    assert "\n" not in text
    assert "\x1b" not in text
    assert r"a\n2026 INFO forged \x1b[31m" in text


def test_a_traceback_is_indented_and_each_line_has_the_priority() -> None:
    lines = line("failed", journal=True, level=logging.ERROR, exc_info=True).splitlines()
    assert lines[0] == "<3>ERROR failed"
    assert len(lines) > 3
    assert all(each.startswith("<3>    ") for each in lines[1:])


def test_pairs() -> None:
    assert logs.pairs(a=1, b="x y", c=None, d="", e='q"=') == 'a=1 b="x y" e="q\\"="'


def test_the_journal_is_recognised_by_device_and_inode() -> None:
    script = (
        "import os, sys; from kukeon_daemon import logs; s = os.fstat(2);"
        "os.environ['JOURNAL_STREAM'] = sys.argv[1] or f'{s.st_dev}:{s.st_ino}';"
        "logs.configure('info'); logs.logging.getLogger('x').info('hello')"
    )
    for told, expected in (("", b"<6>INFO hello\n"), ("1:2", b"Z INFO hello\n")):
        done = subprocess.run([sys.executable, "-c", script, told], capture_output=True, check=True)
        assert done.stderr.endswith(expected)


class Clock:
    """Time that passes when somebody sleeps, and a work list."""

    def __init__(self, *durations: float) -> None:
        self.now_s = 0.0
        self.slept: list[float] = []
        self.durations = list(durations)

    async def work(self) -> None:
        if not self.durations:
            raise asyncio.CancelledError
        self.now_s += self.durations.pop(0)
        raise errors.Unavailable("containerd is away")

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def now(self) -> float:
        return self.now_s


async def test_failing_work_is_tried_again_later_and_later(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock(*[1.0] * 9)
    with pytest.raises(asyncio.CancelledError):
        await background.keep_running("events", clock.work, clock.sleep, clock.now)
    assert clock.slept == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert "events failed" in caplog.text
    assert "containerd is away" in caplog.text


async def test_a_group_of_errors_of_ours_needs_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    calls = 0

    async def work() -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise asyncio.CancelledError
        raise ExceptionGroup("several", [errors.Unavailable("containerd is away"), errors.HostError("no disk")])

    with pytest.raises(asyncio.CancelledError):
        await background.keep_running("events", work, Clock().sleep)
    assert "containerd is away; no disk" in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_stable_run_starts_the_waits_anew() -> None:
    clock = Clock(1.0, 1.0, background.STABLE_S, 1.0)
    with pytest.raises(asyncio.CancelledError):
        await background.keep_running("events", clock.work, clock.sleep, clock.now)
    assert clock.slept == [0.5, 1, 0.5, 1]


async def test_a_failing_pass_does_not_end_the_ticks(caplog: pytest.LogCaptureFixture) -> None:
    passes: list[int] = []
    slept: list[float] = []

    async def work() -> None:
        passes.append(len(passes))
        if len(passes) == 1:
            raise KeyError("a bug")

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await background.every(30, "reconcile", work, Tasks(), sleep)
    assert passes == [0, 1, 2]
    assert slept == [30, 30, 30]
    assert "reconcile failed" in caplog.text
    assert "Traceback" in caplog.text
