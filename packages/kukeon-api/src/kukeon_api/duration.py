"""Durations as text, in the notation of Go's time package: `30s`, `1m30s`, `1.5h`, `-1s`, `0`."""

from __future__ import annotations

import re

from kukeon_api import errors

_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(ns|us|µs|ms|s|m|h)")
_WHOLE = re.compile(rf"[+-]?(?:0|(?:{_PART.pattern})+)")


def parse(text: str) -> float:
    """Return the seconds that `text` means; raises `Invalid`."""
    if len(text) > 64 or not _WHOLE.fullmatch(text):
        raise errors.Invalid(
            f"cannot read {text[:64]!r} as a duration", hint="write a number with a unit, like 30s, 5m or 1h30m"
        )
    seconds = sum((float(number) * _SECONDS[unit] for number, unit in _PART.findall(text)), start=0.0)
    return -seconds if text.startswith("-") else seconds
