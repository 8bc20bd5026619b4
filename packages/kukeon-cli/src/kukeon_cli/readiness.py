"""Waiting until kukeond answers, and saying why when it does not."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_cli import service as services

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from kukeon_api import model
    from kukeon_cli.server import Server
    from kukeon_cli.service import Service
    from kukeon_sdk.client import Client

DEADLINE_S = 30.0
_PING_TIMEOUT_S = 2.0
_PAUSE_S = 0.05
_LOG_LINES = 5


def ping(dial: Callable[[str], Client], address: str) -> model.PingResult | None:
    """Return the answer of the kukeond at `address`, None when none answers. Raises `Denied` and `Invalid`."""
    client = dial(address)
    try:
        return client.ping(timeout=_PING_TIMEOUT_S)
    except (errors.Unavailable, errors.TimedOut):
        return None
    finally:
        client.close()


def wait(
    dial: Callable[[str], Client],
    server: Server,
    service: Service,
    *,
    log_start: int = 0,
    deadline_s: float = DEADLINE_S,
) -> model.PingResult:
    """Return kukeond's first answer; raises `HostError` with the end of its log when it gives up or takes too long.

    `log_start` is the size that the log had before kukeond was started.
    """
    end = time.monotonic() + deadline_s
    while True:
        answer = ping(dial, server.address)
        if answer is not None:
            return answer
        complaint = service.complaint()
        # Ours gives up when somebody else started one at the same moment: then that one is waited for.
        if complaint is not None and service.pid() is None:
            raise _failure(complaint, server, log_start)
        if time.monotonic() >= end:
            raise _failure(f"it did not answer at {server.address} within {deadline_s:g} s", server, log_start)
        time.sleep(_PAUSE_S)


def _failure(why: str, server: Server, log_start: int) -> errors.HostError:
    lines = services.last_lines(server.log, _LOG_LINES, log_start)
    said = "".join(f"\n  {line}" for line in lines)
    return errors.HostError(
        f"cannot start kukeond: {why}{said}", hint=f"see more with: kuke{server.option} daemon logs"
    )


def size_of(log: Path) -> int:
    """Return the size of the log in bytes, 0 when there is none."""
    try:
        return log.stat().st_size
    except OSError:
        return 0
