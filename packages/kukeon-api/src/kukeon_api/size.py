"""Sizes as text: `4096`, `512Ki`, `10Mi`, `1.5Gi`; with `K`, `M`, `G`, `T` in powers of 1000, and a `B` if you like."""

from __future__ import annotations

import re

from kukeon_api import errors

_UNITS = {"": 1}
for _power, _letter in enumerate("KMGT", 1):
    _UNITS |= {_letter: 1000**_power, f"{_letter}i": 1024**_power}
_WHOLE = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,6})?)\s*([KMGTkmgt]i?)?B?")


def parse(text: str) -> int:
    """Return the bytes that `text` means; raises `Invalid`."""
    found = _WHOLE.fullmatch(text.strip())
    if found is None:
        raise errors.Invalid(
            f"cannot read {text[:64]!r} as a size", hint="write a number with a unit, like 512Ki or 10Mi"
        )
    number, unit = found[1], (found[2] or "").replace("k", "K").replace("m", "M").replace("g", "G").replace("t", "T")
    return int(float(number) * _UNITS[unit]) if "." in number else int(number) * _UNITS[unit]
