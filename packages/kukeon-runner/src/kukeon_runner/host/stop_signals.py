"""Signals as images and manifests write them."""

from __future__ import annotations

import logging
import signal

log = logging.getLogger(__name__)


def number(name: str) -> int:
    """The number of `SIGTERM`, `TERM` or `15`: images write all three. Of what is none of them, SIGTERM's."""
    text = name.strip().upper()
    if (direct := _count(text)) and direct < signal.NSIG:
        return direct
    if text.startswith("SIGRTMIN+") and (above := _count(text.removeprefix("SIGRTMIN+"))) is not None:
        return min(signal.SIGRTMIN + above, signal.SIGRTMAX)
    try:
        return signal.Signals[text if text.startswith("SIG") else f"SIG{text}"].value
    except KeyError:
        log.warning("unknown stop signal %r, using SIGTERM", name[:100])
        return signal.SIGTERM


def _count(text: str) -> int | None:
    """A number of a few digits: the digits of other scripts, and thousands of them, int() refuses."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 5 else None
