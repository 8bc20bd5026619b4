"""A controller that only looks: for a process that does not hold the run path."""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, methods
from kukeon_runner import flock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from kukeon_runner.controller import Controller

KEEPS = ("bootstrap", "reconcile", "watch_events")
"""What keeps the daemon's promises is no method of the wire, and writes."""


def only(controller: Controller, run_path: str) -> Controller:
    """Have `controller` refuse what changes something, and return it; what merely tells what would happen works.

    Raises RunPathLocked then when another process holds the run path, else Denied.
    """
    for name in (*KEEPS, *(method.python for method in methods.METHODS.values() if method.writes)):
        verb = getattr(controller, name, None)
        if verb is None:
            continue
        guard = _guarded_stream if inspect.isasyncgenfunction(verb) else _guarded
        setattr(controller, name, guard(verb, run_path))
    return controller


def _guarded_stream(verb: Callable[..., Any], run_path: str) -> Callable[..., AsyncIterator[Any]]:
    @functools.wraps(verb)
    async def guarded(*_: Any, **__: Any) -> AsyncIterator[Any]:
        raise _refusal(verb, run_path)
        yield  # this makes it a generator, as what it stands for

    return guarded


def _guarded(verb: Callable[..., Coroutine[Any, Any, Any]], run_path: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    signature = inspect.signature(verb)

    @functools.wraps(verb)
    async def guarded(*args: Any, **named: Any) -> Any:
        if signature.bind(*args, **named).arguments.get("dry_run"):
            return await verb(*args, **named)
        raise _refusal(verb, run_path)

    return guarded


def _refusal(verb: Callable[..., Any], run_path: str) -> errors.KukeonError:
    """Raises RunPathLocked when another process holds the run path."""
    flock.check_free(run_path)
    what = verb.__name__.replace("_", " ")
    return errors.Denied(
        f"cannot {what} at {run_path!r}: it was opened for reading", hint="open it for changing, or use the daemon"
    )
