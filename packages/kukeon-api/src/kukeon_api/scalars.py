"""Read scalars by the type that is wanted, from their source text.

`name: 8080` is the text "8080" and `1000:10` stays text, whatever YAML's own rules would make of them.
"""

from __future__ import annotations

import enum
import re
from typing import Any

from kukeon_api import suggest

_TRUE = frozenset(("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y"))
_FALSE = frozenset(("false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N"))

_DECIMAL = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_BASED = re.compile(r"(?P<sign>[-+]?)0(?:[xX](?P<x>[0-9a-fA-F]+)|[bB](?P<b>[01]+)|[oO]?(?P<o>[0-7]+))")
_SIZE = re.compile(r"(?P<number>[0-9]{1,12}) ?(?P<unit>[kKMGT])(?P<binary>i?)[bB]?")
_POWERS = {"k": 1, "K": 1, "M": 2, "G": 3, "T": 4}

INT_MIN, INT_MAX = -(2**63), 2**63 - 1


class Unreadable(Exception):
    """The text is not of the wanted type."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


def read(text: str, plain: bool, wanted: type) -> Any:
    """Return `text` as a `wanted`; `plain` tells that it was not quoted.  Raises `Unreadable`."""
    if wanted is str:
        return text
    if wanted is bool:
        return _bool(text, plain)
    if wanted is int:
        return _int(text, plain)
    if issubclass(wanted, enum.StrEnum):
        return _word(text, wanted)
    raise TypeError(f"manifests have no fields of type {wanted.__name__}")


def _bool(text: str, plain: bool) -> bool:
    if plain and text in _TRUE:
        return True
    if plain and text in _FALSE:
        return False
    quoted = not plain and (text in _TRUE or text in _FALSE)
    raise Unreadable(f"{text[:80]!r} is not true or false", "leave out the quotes" if quoted else "")


def _int(text: str, plain: bool) -> int:
    if not plain:
        raise Unreadable(
            f"{text[:80]!r} is text, not a whole number", "leave out the quotes" if _DECIMAL.fullmatch(text) else ""
        )
    # Python refuses conversions of thousands of digits by itself; 30 are more than 64 bits in any notation but binary.
    if len(text) > 70:
        raise Unreadable(f"{text[:40] + '...'!r} is not a whole number of 64 bits")
    if _DECIMAL.fullmatch(text):
        value = int(text)
    elif based := _BASED.fullmatch(text):
        digits, base = next((based[key], base) for key, base in (("x", 16), ("b", 2), ("o", 8)) if based[key])
        value = int(based["sign"] + digits, base)
    else:
        raise Unreadable(f"{text[:80]!r} is not a whole number", _size(text))
    if not INT_MIN <= value <= INT_MAX:
        raise Unreadable(f"{text[:80]!r} is not a whole number of 64 bits")
    return value


def _size(text: str) -> str:
    size = _SIZE.fullmatch(text)
    if not size:
        return ""
    return f"write {int(size['number']) * (1024 if size['binary'] else 1000) ** _POWERS[size['unit']]}"


def _word(text: str, wanted: type[enum.StrEnum]) -> enum.StrEnum:
    try:
        return wanted(text)
    except ValueError:
        known = [str(word) for word in wanted]
        raise Unreadable(f"{text[:80]!r} is none of {', '.join(known)}", suggest.did_you_mean(text, known)) from None
