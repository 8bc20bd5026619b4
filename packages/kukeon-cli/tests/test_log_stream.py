"""Following a log through a kukeond that is restarted: everything once."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any, cast

import pytest

from kukeon_api import errors, model
from kukeon_cli import log_stream

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kukeon_sdk.client import Client

WEB = model.ContainerDoc(metadata=model.Metadata(name="web"), spec=model.ContainerSpec(id="web"))
START = dt.datetime(2026, 11, 21, 10, 0, 0, 123456, dt.UTC)
LINES = [
    model.LogEntry(
        stream=model.LogStream.STDOUT,
        data=f"line {number}".encode(),
        at=START + dt.timedelta(seconds=number // 3),
    )
    for number in range(10)
]
SHOWN = b"0123456789" * 3


class Restarted:
    """A kukeond that dies after so many entries each time; the last time it does not."""

    def __init__(self, *lives: int, entries: list[model.LogEntry]) -> None:
        self.lives = list(lives)
        self.entries = entries
        self.asked: list[dict[str, Any]] = []

    def logs(
        self, doc: model.ContainerDoc, *, follow: bool, tail: int = -1, since: str = ""
    ) -> Iterator[model.LogEntry]:
        self.asked.append({"tail": tail, "since": since})
        found = [
            each for each in self.entries if not since or (each.at and each.at >= dt.datetime.fromisoformat(since))
        ]
        found = found[-tail:] if tail > 0 else found
        if not self.lives:
            return iter(found)
        return self._dying(found[: self.lives.pop(0)])

    def _dying(self, entries: list[model.LogEntry]) -> Iterator[model.LogEntry]:
        yield from entries
        raise errors.Unavailable("cannot finish Logs: kukeond ended during the call")


def follow(kukeond: Restarted, **how: Any) -> list[model.LogEntry]:
    return list(log_stream.follow(cast("Client", kukeond), WEB, **how))


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kukeon_cli.happenings.AGAIN_S", 0.0)


@pytest.mark.parametrize("lives", [(), (0,), (1,), (2, 1), (4, 0, 3), (5, 4, 3), (10,)])
def test_lines_come_once_and_none_is_missing(lives: tuple[int, ...]) -> None:
    assert follow(Restarted(*lives, entries=LINES)) == LINES


def test_the_last_lines_go_on_with_what_follows() -> None:
    assert follow(Restarted(2, 2, entries=LINES), tail=4) == LINES[-4:]


@pytest.mark.parametrize("lives", [(), (0,), (1,), (2, 1), (3,)])
def test_a_transcript_comes_once(lives: tuple[int, ...]) -> None:
    pieces = [
        model.LogEntry(stream=model.LogStream.TERMINAL, data=SHOWN[at : at + 7]) for at in range(0, len(SHOWN), 7)
    ]
    assert b"".join(each.data for each in follow(Restarted(*lives, entries=pieces))) == SHOWN


def test_the_end_of_a_transcript_cannot_go_on() -> None:
    piece = model.LogEntry(stream=model.LogStream.TERMINAL, data=SHOWN)
    with pytest.raises(errors.Unavailable):
        follow(Restarted(1, entries=[piece]), tail=1)


def test_it_is_not_waited_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kukeon_cli.happenings.RECONNECT_S", 0.0)
    with pytest.raises(errors.Unavailable):
        follow(Restarted(*[1] * 1000, entries=LINES[:1]))
