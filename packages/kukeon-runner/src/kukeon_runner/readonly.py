"""A controller that only looks: for a process that does not hold the run path."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, methods
from kukeon_runner import flock

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from kukeon_runner.controller import Controller

KEEPS = ("bootstrap", "reconcile", "watch_events")
"""What keeps the daemon's promises is no method of the wire, and writes."""


def only(controller: Controller, run_path: str) -> Controller:
    """Have `controller` refuse what changes something, and return it; what merely tells what would happen works.

    Raises RunPathLocked then when another process holds the run path, else Denied.
    """
    for name in (*KEEPS, *(method.python for method in methods.METHODS.values() if method.writes)):
        setattr(controller, name, _guarded(getattr(controller, name), run_path))
    return controller


def _guarded(verb: Callable[..., Coroutine[Any, Any, Any]], run_path: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    signature = inspect.signature(verb)

    @functools.wraps(verb)
    async def guarded(*args: Any, **named: Any) -> Any:
        if signature.bind(*args, **named).arguments.get("dry_run"):
            return await verb(*args, **named)
        flock.check_free(run_path)
        what = verb.__name__.replace("_", " ")
        raise errors.Denied(
            f"cannot {what} at {run_path!r}: it was opened for reading", hint="open it for changing, or use the daemon"
        )

    return guarded
