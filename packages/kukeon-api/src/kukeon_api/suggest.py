"""Near misses: what somebody probably meant."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


_NEAR = 0.7
"""How alike two words must be (difflib's ratio, 1: the same): two slips in a word of eight letters are a misspelling,
half a word in common (FOO and FOWNER, cpu and cmd) is chance."""


def nearest(text: str, known: Iterable[str]) -> str:
    """Return the nearest of the `known` words, "" when none is near.  Case does not count."""
    words = {_plain(word): word for word in known}
    near = difflib.get_close_matches(_plain(text[:80]), words, n=1, cutoff=_NEAR)
    return words[near[0]] if near else ""


def question(word: str) -> str:
    """Return `did you mean "x"?`, or "" for no word."""
    return f'did you mean "{word}"?' if word else ""


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """Return the question after the nearest of the `known` words, "" when none is near."""
    return question(nearest(text, known))


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "")
