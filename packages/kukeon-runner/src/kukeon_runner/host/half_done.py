"""What containerd was cut off in when the process that asked for it died: found, and cleared away by the next one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host import shims
from kukeon_runner.host.containerd.tasks import TaskStatus
from kukeon_runner.together import together

if TYPE_CHECKING:
    from kukeon_runner.host.containerd.client import Containerd, Namespaced

log = logging.getLogger(__name__)


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
