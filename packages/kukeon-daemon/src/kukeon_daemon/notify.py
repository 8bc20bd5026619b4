"""Telling systemd how we are: the datagram protocol of sd_notify(3), which needs no library."""

from __future__ import annotations

import asyncio
import logging
import os
import socket

log = logging.getLogger(__name__)


def notify(state: str) -> bool:
    """Send `state` (lines such as `READY=1`) to the service manager; False when there is none.

    Never raises: a manager that went away must not take the daemon with it.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    # A leading @ stands for the abstract namespace.
    target = "\0" + address[1:] if address.startswith("@") else address
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), target)
    except OSError as error:
        log.warning("cannot tell the service manager %r: %s", state, error)
        return False
    return True


def ready(status: str) -> bool:
    """Say that the socket answers."""
    return notify(f"READY=1\nSTATUS={status}\nMAINPID={os.getpid()}")


def status(text: str) -> bool:
    """Show `text` in `systemctl status`."""
    return notify(f"STATUS={text}")


def stopping() -> bool:
    """Say that shutdown has begun."""
    return notify("STOPPING=1\nSTATUS=stopping")


def watchdog_interval_s() -> float | None:
    """Return how often the manager wants a sign of life (half its limit), None when it does not."""
    limit_us, pid = os.environ.get("WATCHDOG_USEC", ""), os.environ.get("WATCHDOG_PID", "")
    if not limit_us.isdigit() or int(limit_us) == 0 or (pid and pid != str(os.getpid())):
        return None
    return int(limit_us) / 2_000_000


async def keep_alive() -> None:
    """Give signs of life from the event loop, so that a stuck loop is noticed; returns at once when none are wanted."""
    interval_s = watchdog_interval_s()
    if interval_s is None:
        return
    while True:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)
