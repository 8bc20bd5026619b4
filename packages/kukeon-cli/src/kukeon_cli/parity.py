"""Two views of the same resources: what kukeond says is there, and what this process reads from its run path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kukeon_api.model import Kind
    from kukeon_sdk.client import Client

_KINDS: tuple[Kind, ...] = ("Realm", "Space", "Stack", "Cell")
_LOOKS = 3
"""Something may change between the two looks; what differs as often is no coincidence."""


@dataclass(frozen=True)
class Parity:
    """How the two views of one kind compare."""

    noun: str
    count: int
    differing: tuple[str, ...]
    """The places where they differ, in words for people."""


def compare(daemon: Client, inside: Client) -> list[Parity]:
    """Return how the views compare, kind by kind. Raises what reading raises."""
    return [_compare(daemon, inside, kind) for kind in _KINDS]


def _compare(daemon: Client, inside: Client, kind: Kind) -> Parity:
    found = Parity(f"{kind.lower()}s", 0, ())
    for _ in range(_LOOKS):
        theirs, ours = _documents(daemon, kind), _documents(inside, kind)
        differing = tuple(_differences(theirs, ours))
        found = Parity(f"{kind.lower()}s", len(theirs), differing)
        if not differing:
            break
    return found


def _documents(client: Client, kind: Kind) -> dict[str, Any]:
    from kukeon_cli import output, resources

    return {"/".join(resources.place(doc)): output.document(doc) for doc in resources.listed(client, kind)}


def _differences(theirs: dict[str, Any], ours: dict[str, Any]) -> list[str]:
    found = [f"{place} is unknown to this process" for place in sorted(theirs.keys() - ours.keys())]
    found += [f"{place} is unknown to kukeond" for place in sorted(ours.keys() - theirs.keys())]
    both = sorted(theirs.keys() & ours.keys())
    return found + [f"{place} differs" for place in both if theirs[place] != ours[place]]
