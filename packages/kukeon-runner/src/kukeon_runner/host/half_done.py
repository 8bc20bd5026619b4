"""What containerd was cut off in when the process that asked for it died: found, and cleared away by the next one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host import runtime_words, shims
from kukeon_runner.host.containerd.tasks import TaskStatus
from kukeon_runner.together import together

if TYPE_CHECKING:
    from kukeon_runner.host.containerd.client import Containerd, Namespaced

log = logging.getLogger(__name__)

BUSY_TIMEOUT_S = 20.0
BUSY_PAUSE_S = 0.1
"""containerd tells nobody when it has taken back a creation that was cut off, so it is asked again."""
TAKEN_AWAY_TRIES = 4
"""Taking one back takes away, once, what a second one has begun. A runtime that is broken looks the same."""


class Patience:
    """Tells a creation that is in the way of another, and is being taken back, from what fails for good."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._taken_away = 0
        self.busy = False
        """Whether one was in the way when it was tried last."""

    def again(self, words: str) -> bool:
        """Say whether a creation that failed with these `words` is to be tried once more."""
        taken = runtime_words.is_taken_away(words)
        self._taken_away += taken
        self.busy = runtime_words.is_in_the_way(words) or (taken and self._taken_away < TAKEN_AWAY_TRIES)
        return self.busy and not self.over

    @property
    def over(self) -> bool:
        """Whether nothing is to be tried any more."""
        return self._waited_s() > BUSY_TIMEOUT_S

    @property
    def wearing_thin(self) -> bool:
        """Whether whoever takes it back ought to be done by now."""
        return self._waited_s() > BUSY_TIMEOUT_S / 2

    def _waited_s(self) -> float:
        return time.monotonic() - self._started


async def wait_forgotten(within: Namespaced, id: str) -> None:
    """Wait until containerd has cleaned up after a shim that is gone."""
    for _ in range(int(BUSY_TIMEOUT_S / BUSY_PAUSE_S)):
        if await within.tasks.find(id) is None:
            return
        await asyncio.sleep(BUSY_PAUSE_S)


async def forget_task(within: Namespaced, id: str) -> None:
    """Have containerd forget a task that is gone, if a deletion was cut off before it did; its shim then ends."""
    with contextlib.suppress(errors.NotFound):
        await within.tasks.delete(id)


async def clear(containerd: Containerd, namespace: str) -> frozenset[str]:
    """End shims that serve nothing, and forget tasks that are gone; return the ids of the tasks that are there.

    Nobody may be at work in the namespace meanwhile.
    """
    within = containerd.with_namespace(namespace)
    records, tasks = await together(within.containers.list(), within.tasks.list())
    # containerd waits two seconds for a shim, and then lists its tasks as unknown: gone, or only slow to answer.
    told = frozenset(task.id for task in tasks if task.pid or task.status is not TaskStatus.UNKNOWN)
    there = told | await asyncio.to_thread(shims.end_empty, containerd.socket, namespace, told)
    for id in sorted({record.id for record in records} - there):
        try:
            await forget_task(within, id)
        except errors.KukeonError as error:
            log.warning("cannot clear away the task of %s: %s", id, error)
    return there
