"""When a task is to be created once more: while another creation of it is in the way, and not for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_runner.host import half_done

if TYPE_CHECKING:
    import pytest

IN_THE_WAY = "mkdir /run/c/io.containerd.runtime.v2.task/n/id: file exists: unknown"
TAKEN_AWAY = "failed to start shim: write /run/c/address: no such file or directory"


def test_one_that_is_in_the_way_is_waited_for() -> None:
    patience = half_done.Patience()
    assert [patience.again(IN_THE_WAY) for _ in range(100)] == [True] * 100
    assert (patience.busy, patience.wearing_thin, patience.over) == (True, False, False)


def test_one_that_was_taken_away_is_made_again_a_few_times() -> None:
    patience = half_done.Patience()
    assert [patience.again(TAKEN_AWAY) for _ in range(5)] == [True, True, True, False, False]


def test_what_fails_by_itself_fails() -> None:
    patience = half_done.Patience()
    assert patience.again(IN_THE_WAY)
    assert not patience.again("exec format error")
    assert not patience.busy


def test_what_the_runtime_finds_in_the_way_is_in_the_containers_own_files() -> None:
    """An image can have a file where a volume is to go: waiting does not help, and nothing of it is to be removed."""
    words = f"failed to create shim task: OCI runtime create failed: runc create failed: {IN_THE_WAY}"
    assert not half_done.Patience().again(words)


def test_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    patience = half_done.Patience()
    monkeypatch.setattr(half_done, "BUSY_TIMEOUT_S", -1.0)
    assert not patience.again(IN_THE_WAY)
    assert patience.wearing_thin
    assert patience.over
