"""The line that says what takes so long."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from kukeon_cli import terminal
from kukeon_cli.commands import image

if TYPE_CHECKING:
    from collections.abc import Callable


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_shows_on_a_terminal_and_leaves_nothing_behind(until: Callable[[Callable[[], bool]], None]) -> None:
    stream = Terminal()
    with terminal.Progress("loading\x1b x", stream, after_s=0) as progress:
        until(lambda: "loading" in stream.getvalue())
        progress.update("unpacking")
        until(lambda: "unpacking" in stream.getvalue())
    text = stream.getvalue()
    assert "loading\\x1b x" in text
    assert text.endswith("\r")
    assert not text.rsplit("\r", 2)[1].strip()


def test_progress_stays_on_its_line(
    until: Callable[[Callable[[], bool]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminal, "width", lambda stream: 30)
    stream = Terminal()
    with terminal.Progress("pulling registry.example/team/a-rather-long-name:1", stream, after_s=0):
        until(lambda: "pulling" in stream.getvalue())
    assert max(map(len, stream.getvalue().split("\r"))) == 29


def test_progress_is_silent_elsewhere() -> None:
    stream = io.StringIO()
    with terminal.Progress("loading", stream, after_s=0):
        pass
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("sent", "total", "text"),
    [
        (512, None, "loading a.tar: 512 B"),
        (1 << 20, 4 << 20, "loading a.tar: 1.0 MiB of 4.0 MiB, 25 %"),
        (4 << 20, 4 << 20, "loading a.tar: unpacking"),
    ],
)
def test_progress_of_a_load(sent: int, total: int | None, text: str) -> None:
    assert image._progress("a.tar", sent, total) == text
