"""Signals as images and manifests write them."""

from __future__ import annotations

import logging
import signal

log = logging.getLogger(__name__)


def number(name: str) -> int:
    """The number of `SIGTERM`, `TERM` or `15`: images write all three."""
    text = name.strip().upper()
    if text.isdigit() and 0 < int(text) < signal.NSIG:
        return int(text)
    if text.startswith("SIGRTMIN+") and text.removeprefix("SIGRTMIN+").isdigit():
        return min(signal.SIGRTMIN + int(text.removeprefix("SIGRTMIN+")), signal.SIGRTMAX)
    try:
        return signal.Signals[text if text.startswith("SIG") else f"SIG{text}"].value
    except KeyError:
        log.warning("unknown stop signal %r, using SIGTERM", name)
        return signal.SIGTERM
