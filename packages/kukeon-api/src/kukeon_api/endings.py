"""How programs end, in the words of statuses and events. Pure."""

from __future__ import annotations

import signal

ASKED_TO_END = "AskedToEnd"
"""Reason of a single container that an operator stopped or killed while its cell goes on."""


def signal_name(code: int) -> str:
    """`SIGKILL` for 137: runtimes report the end by signal n as 128 + n."""
    try:
        return signal.Signals(code - 128).name if code > 128 else ""
    except ValueError:
        return ""
