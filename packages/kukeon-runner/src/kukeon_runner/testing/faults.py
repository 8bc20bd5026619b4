"""What a host in memory does wrong when a test asks for it: refuse, fail after the deed, or go away half-way."""

from __future__ import annotations

import asyncio
import contextlib
import enum
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator


class Crash(BaseException):
    """Raised in place of SIGKILL: no code of ours takes it for an error, and nothing can be done to the host after."""


class Failure(enum.Enum):
    """How one thing goes wrong."""

    REFUSED = "it is not done"
    LATE = "it is done, but the answer is an error"
    CRASH = "it is not done, nor is anything after it"
    LATE_CRASH = "it is done, and nothing after it"


class Faults:
    """Counts what is done to a host, notes it in `log`, and lets one thing fail."""

    def __init__(self) -> None:
        self.done = 0
        self.log: list[str] = []
        self.turns: Callable[[], int] = lambda: 0
        """How many turns of the loop the next thing takes, twice: others may come between asking and doing."""
        self._fail_at = 0
        self._failure = Failure.REFUSED
        self._crashed = False

    @contextlib.asynccontextmanager
    async def act(self, what: str) -> AsyncIterator[None]:
        """Do one thing in the body."""
        self._check_alive()
        self.done += 1
        failure = self._failure if self.done == self._fail_at else None
        await self._pass_time()
        if failure is Failure.REFUSED:
            raise errors.HostError(f"cannot {what}: told to fail")
        if failure is Failure.CRASH:
            self._crashed = True
        self._check_alive()
        self.log.append(what)
        yield
        if failure is Failure.LATE_CRASH:
            self._crashed = True
        await self._pass_time()
        self._check_alive()
        if failure is Failure.LATE:
            raise errors.HostError(f"cannot {what}: told to fail after doing it")

    @contextlib.contextmanager
    def failing_at(self, number: int, failure: Failure = Failure.REFUSED) -> Iterator[None]:
        """Let the `number`-th thing done in the body fail."""
        self.done, self._fail_at, self._failure = 0, number, failure
        try:
            yield
        finally:
            self._fail_at, self._crashed = 0, False

    async def _pass_time(self) -> None:
        for _ in range(self.turns()):
            await asyncio.sleep(0)

    def _check_alive(self) -> None:
        if self._crashed:
            raise Crash
