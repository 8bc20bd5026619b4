"""Signals as images and manifests write them: whatever it is, a container can be stopped."""

from __future__ import annotations

import signal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_runner.host import stop_signals


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("SIGTERM", signal.SIGTERM),
        ("term", signal.SIGTERM),
        (" SIGQUIT ", signal.SIGQUIT),
        ("9", signal.SIGKILL),
        ("SIGRTMIN+3", signal.SIGRTMIN + 3),
        ("SIGRTMIN+999", signal.SIGRTMAX),
    ],
)
def test_names_and_numbers(name: str, number: int) -> None:
    assert stop_signals.number(name) == number


@pytest.mark.parametrize(
    "name", ["", "SIG", "SIGNOTHING", "0", "-1", "65", "1.5", "²", "SIGRTMIN+²", "9" * 5000, "SIGRTMIN+" + "9" * 5000]
)
def test_what_is_no_signal_is_the_usual_one(name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert stop_signals.number(name) in (signal.SIGTERM, signal.SIGRTMAX)
    assert len(caplog.text) < 500


@given(st.text() | st.text(alphabet="SIGRTMN+-0123456789²٣"))
def test_any_text_is_a_signal(name: str) -> None:
    assert 0 < stop_signals.number(name) <= signal.SIGRTMAX
