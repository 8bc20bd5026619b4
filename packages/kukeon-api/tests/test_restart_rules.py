"""What may be said about starting again."""

from __future__ import annotations

from typing import Any

import pytest

from kukeon_api import model, restart_rules


def told(**settings: Any) -> list[tuple[str, str]]:
    spec = model.ContainerSpec(id="a", image="busybox", **settings)
    return [(problem.path, problem.suggestion) for problem in restart_rules.problems(spec)]


@pytest.mark.parametrize("policy", ["", *restart_rules.POLICIES])
def test_policies(policy: str) -> None:
    assert told(restart_policy=policy) == []


def test_a_slip_is_recognised() -> None:
    assert told(restart_policy="on_failure") == [("restartPolicy", 'did you mean "on-failure"?')]
    assert told(restart_policy="sometimes") == [("restartPolicy", "")]


@pytest.mark.parametrize("backoff_s", [-1, 3601])
def test_pauses_have_bounds(backoff_s: int) -> None:
    assert told(restart_policy="always", restart_backoff_seconds=backoff_s) == [("restartBackoffSeconds", "")]


@pytest.mark.parametrize("policy", ["", "no"])
def test_who_is_never_started_again_has_nothing_to_say_about_it(policy: str) -> None:
    assert [path for path, _ in told(restart_policy=policy, restart_backoff_seconds=1, restart_max_retries=1)] == [
        "restartBackoffSeconds",
        "restartMaxRetries",
    ]


@pytest.mark.parametrize("retries", [0, -1, 10**9])
def test_retries_have_bounds(retries: int) -> None:
    assert told(restart_policy="on-failure", restart_max_retries=retries) == [("restartMaxRetries", "")]


def test_retries_count_failures() -> None:
    assert told(restart_policy="always", restart_max_retries=3) == [("restartMaxRetries", "")]
