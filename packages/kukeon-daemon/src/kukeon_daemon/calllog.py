"""The account of what the daemon was asked to change: one line per call, never what is inside a document."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, model
from kukeon_daemon.logs import pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from kukeon_api.methods import Method

log = logging.getLogger("kukeond")


def target(arguments: Mapping[str, Any]) -> str:
    """Return what a call is about, by the names in its arguments."""
    doc = arguments.get("doc")
    if doc is not None:
        try:
            return str(model.ref_of(doc))
        except errors.Invalid:  # the controller will say so; a log line serves all the same
            return str(doc.metadata.name)
    realm, ref = arguments.get("realm"), arguments.get("ref")
    return "/".join(part for part in (realm, ref) if part)


def summary(result: object) -> dict[str, object]:
    """Return what is worth telling of a result: how many documents were done, and how many were not."""
    match result:
        case model.ApplyDocumentsResult(resources=applied):
            failed = sum(each.action is model.ApplyAction.FAILED for each in applied)
            return {"resources": len(applied), "failed": failed or None}
        case model.DeleteDocumentsResult(resources=deleted):
            failed = sum(each.action is model.DeleteAction.FAILED for each in deleted)
            return {"resources": len(deleted), "failed": failed or None}
        case _:
            return {}


@contextlib.contextmanager
def accounted(method: Method, arguments: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    """Log how the call in the block went, and turn what nobody foresaw into `HostError` with an id.

    What the block puts into the dict that it gets is told with its success.
    Calls that change something and calls that fail by our own fault are always logged, others at level debug.
    """
    started = time.monotonic()

    def say(level: int, outcome: str, **more: object) -> None:
        duration = f"{time.monotonic() - started:.3f}s"
        log.log(
            level, "%s %s", method.python, pairs(target=target(arguments), duration=duration, outcome=outcome, **more)
        )

    usual = logging.INFO if method.writes else logging.DEBUG
    more: dict[str, object] = {}
    try:
        yield more
    except errors.HostError as error:
        say(logging.WARNING, error.kind, error=error)
        raise
    except errors.Invalid as error:
        # What is wrong with an input may quote it, and inputs have secrets.
        say(usual, error.kind, problems=len(error.problems) or None)
        raise
    except errors.KukeonError as error:
        say(usual, error.kind, error=error)
        raise
    except asyncio.CancelledError:
        say(usual, "cancelled")
        raise
    except Exception as error:
        raise internal_error(method, error, say) from error
    say(usual, "ok", **more)


def internal_error(method: Method, error: Exception, say: Callable[..., None] | None = None) -> errors.HostError:
    """Log a bug with its traceback and an id; return what the client gets, which is the id to find it by."""
    ident = secrets.token_hex(4)
    if say is not None:
        say(logging.ERROR, "internal-error", id=ident)
    log.error("internal error %s", ident, exc_info=error)
    return errors.HostError(
        f"cannot do {method.name}: internal error {ident}",
        hint=f"look for {ident} in `kuke daemon logs` and report what stands there",
        kind=errors.UNKNOWN,
    )
