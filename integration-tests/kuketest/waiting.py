"""Waiting for a condition with a deadline: the only place of the stories that sleeps."""

import os
import time
from collections.abc import Callable
from typing import TypeVar

IN_VM = bool(os.environ.get("KUKEON_TEST_IN_VM"))

# Under software emulation everything is slower by an order of magnitude, and nothing there is a measurement.
PATIENCE = 10 if IN_VM else 1

T = TypeVar("T")


def until(condition: Callable[[], T], what: str, seconds: float = 30.0) -> T:
    """Return the first true answer of `condition`; fail with `what` and the last answer when none comes in time."""
    deadline = time.monotonic() + seconds * PATIENCE
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds * PATIENCE:.0f} s for {what}; the last answer was {answer!r}")
        time.sleep(0.02)


def until_equal(read: Callable[[], T], wanted: T, what: str, seconds: float = 30.0) -> None:
    """Return when `read` answers `wanted`; fail with `what` and the last answer when it does not in time."""
    last: list[T] = []

    def equal() -> bool:
        last[:] = [read()]
        return last[0] == wanted

    try:
        until(equal, what, seconds)
    except AssertionError as error:
        raise AssertionError(f"{what}: wanted {wanted!r}, the last answer was {last[0]!r}") from error
