"""What can go wrong between us and one endpoint, and how often we try again."""

from __future__ import annotations

import asyncio
import dataclasses
import random
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from kukeon_api import errors

_T = TypeVar("_T")


class Trouble(Exception):
    """What went wrong with one endpoint. `kind` is the error it becomes when nothing is left to try.

    `words` finish the sentence "cannot pull X: ", and name the host. `passing`: trying again may help.
    `retry_after_s` is how long the registry asked us to wait.
    """

    def __init__(
        self,
        kind: type[errors.KukeonError],
        words: str,
        *,
        hint: str = "",
        passing: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words
        self.hint = hint
        self.passing = passing
        self.retry_after_s = retry_after_s


@dataclasses.dataclass(frozen=True)
class Patience:
    """How often and how long we wait for a registry. The defaults end a lost case within half a minute."""

    attempts: int = 5
    first_wait_s: float = 0.5
    """The longest wait before the second attempt; it doubles from one to the next."""
    longest_wait_s: float = 15.0
    asked_wait_limit_s: float = 60.0
    """A registry that asks for more by Retry-After is told to the user instead."""
    connect_s: float = 30.0
    stall_s: float = 30.0
    """How long an endpoint may send nothing, or next to nothing."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    chance: Callable[[], float] = random.random

    def wait_s(self, trouble: Trouble, failures: int) -> float | None:
        """Return how long to wait after `failures` attempts that failed, this trouble the last; None to give up."""
        if not trouble.passing or failures >= self.attempts:
            return None
        asked = trouble.retry_after_s or 0.0
        if asked > self.asked_wait_limit_s:
            return None
        # Half of it by chance, so that many who were refused together do not come back together.
        wait = min(self.longest_wait_s, self.first_wait_s * 2.0 ** (failures - 1)) * (0.5 + self.chance() / 2)
        return max(asked, wait)

    async def persist(self, attempt: Callable[[], Awaitable[_T]]) -> _T:
        """Return what `attempt` returns, trying again while its trouble is passing. Raises the last Trouble."""
        failures = 0
        while True:
            try:
                return await attempt()
            except Trouble as trouble:
                failures += 1
                wait = self.wait_s(trouble, failures)
                if wait is None:
                    raise
            await self.sleep(wait)
