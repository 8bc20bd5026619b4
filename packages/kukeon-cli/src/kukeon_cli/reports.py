"""What is said on stderr when some of several documents failed: equal errors once, each hint once."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_cli import failures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_NAMED = 2
"""How many resources are named beside the first that failed for the same reason; their own lines are on stdout."""


@dataclass(frozen=True)
class Failure:
    """A resource and why it failed."""

    kind: str
    name: str
    error: errors.KukeonError

    @property
    def subject(self) -> str:
        return f"{self.kind.lower()} {self.name!r}"


def failure(kind: str, name: str, message: str, details: Mapping[str, str]) -> Failure:
    """Return what a result says about a failed document."""
    word = details.get("kind", "")
    cls = errors.KINDS.get(word, errors.HostError)
    return Failure(kind, name, cls(message, hint=details.get("hint", ""), kind=word or None))


def report(outcomes: Sequence[Failure | None]) -> int:
    """Print the errors of those that failed (None: it did not) and return the exit code of the whole.

    Equal errors are told once, with those that they are about; so is each hint.
    """
    alike: dict[str, list[Failure]] = {}
    for failed in outcomes:
        if failed is not None:
            # An error that names its resource is the same as one that names another in its place.
            key = re.sub(rf"\b{re.escape(failed.name)}\b", "\0", failed.error.message)
            alike.setdefault(key, []).append(failed)
    told: set[str] = set()
    for failed, *others in alike.values():
        hint = "" if failed.error.hint in told else failed.error.hint
        told.add(failed.error.hint)
        prefix = "" if len(outcomes) == 1 else f"{failed.subject}: "
        failures.error(failed.error, prefix=f"Error: {prefix}", hint=hint, more=_same(others))
    return failures.code_of_several([0 if failed is None else failed.error.exit_code for failed in outcomes])


def _same(others: Sequence[Failure]) -> str:
    """Return a line about those that failed for the same reason; few are named, many counted."""
    if not others:
        return ""
    named = ", ".join(failed.subject for failed in others[:_NAMED])
    rest = len(others) - _NAMED
    return f"the same: {named}" + (f" ... and {rest} more" if rest > 0 else "")
