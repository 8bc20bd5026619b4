"""What somebody probably meant: a suggestion that is far off is worse than none."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LETTERS_PER_SLIP = 3
"""One slip (a letter too many, missing, wrong, or two swapped) in so many letters is likely; more is another word."""


def nearest(word: str, known: Iterable[str]) -> str:
    """Return the nearest of the `known` words, the first one when several are equally near; "" when none is near."""
    found, least = "", len(word)
    for other in known:
        if word != other and other.startswith(word) and len(word) >= _LETTERS_PER_SLIP:
            slips = 1
        else:
            slips = distance(word, other)
        if slips <= max(len(word), len(other)) // _LETTERS_PER_SLIP and slips < least:
            found, least = other, slips
    return found


def distance(one: str, other: str) -> int:
    """Return how many slips lead from `one` to `other`: the edit distance in which swapped neighbours count once."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, above, row = row, before, [i]
        for j, b in enumerate(other, 1):
            slips = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if above and j > 1 and a == other[j - 2] and one[i - 2] == b:
                slips = min(slips, above[j - 2] + 1)
            row.append(slips)
    return row[-1]
