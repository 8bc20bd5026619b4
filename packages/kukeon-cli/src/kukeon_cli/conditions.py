"""What resources can be waited for: a state, that they are there, that they are gone, that they have ended."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, model, suggest
from kukeon_cli import columns, happenings, interruption, resources, terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_sdk.client import Client

_STATES: dict[str, type[Any]] = {
    "Realm": model.RealmState,
    "Space": model.SpaceState,
    "Stack": model.StackState,
    "Cell": model.CellState,
    "Container": model.ContainerState,
}
_ENDED = frozenset({"Exited", "Error", "Stopped", "Failed"})
WORDS = ("created", "deleted", "ended")
HINT = f"write --for=state=Ready, several states with commas, or one of {', '.join(WORDS)}"


@dataclass(frozen=True)
class Look:
    """What a look at a resource found: its state, None when it is not there, and what is said about that."""

    state: str | None
    said: str = ""


@dataclass(frozen=True)
class Condition:
    """What is waited for: one of WORDS, or any of `states`."""

    word: str
    states: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str, kinds: Sequence[str]) -> Condition:
        """Read `--for`, which is about resources of these kinds; raises `Invalid`."""
        word, separator, value = text.partition("=")
        if word.lower() == "state" and separator:
            return cls("state", tuple(_state(each.strip(), text, kinds) for each in value.split(",")))
        if not separator and word.lower() in WORDS:
            return cls(word.lower())
        raise errors.Invalid(f"cannot wait for {text!r} (--for)", hint=suggest.did_you_mean(text, WORDS) or HINT)

    def holds(self, look: Look) -> bool:
        """Tell whether it is so."""
        match self.word:
            case "created":
                return look.state is not None
            case "deleted":
                return look.state is None
            case "ended":
                return look.state is None or look.state in _ENDED
            case _:
                return look.state in self.states

    @property
    def needs_it(self) -> bool:
        """Whether a resource that is not there can't ever do."""
        return self.word == "state"

    def __str__(self) -> str:
        return " or ".join(self.states) if self.states else {"created": "there"}.get(self.word, self.word)


def _state(word: str, text: str, kinds: Sequence[str]) -> str:
    known = {str(each) for kind in kinds for each in _STATES[kind]}
    found = {each.lower(): each for each in known}.get(word.lower())
    if found is None:
        hint = suggest.did_you_mean(word, known) or f"states are {', '.join(sorted(known))}"
        raise errors.Invalid(
            f"cannot wait for {text!r} (--for): {word!r} is no state of a {kinds[0].lower()}", hint=hint
        )
    return found


def look(client: Client, ref: model.Ref) -> Look:
    """Return how a resource is now."""
    if ref.kind != "Container":
        doc = resources.find(client, ref)
        if doc is None:
            return Look(None)
        assert doc.status is not None
        return Look(str(doc.status.state), columns.message(doc))
    assert ref.parent is not None
    cell = resources.find(client, ref.parent)
    for row in resources.containers(cell) if isinstance(cell, model.CellDoc) else ():
        if row.doc.metadata.name == ref.name:
            return Look(str(row.status.state), row.status.message or row.status.reason)
    return Look(None)


def wait(client: Client, refs: Sequence[model.Ref], condition: Condition, timeout_s: float) -> dict[model.Ref, Look]:
    """Wait until the condition holds for each of `refs` and return how they were then; 0 s is no limit.

    A resource counts from the moment at which the condition held for it. Raises the `NotFound` of a resource that is
    not there, where it would have to be, and `TimedOut`.
    """
    end = time.monotonic() + timeout_s if timeout_s else None
    found: dict[model.Ref, Look] = {}
    left = list(refs)
    with (
        interruption.waiting("nothing was changed"),
        happenings.Happenings(client, _place(refs)) as events,
        terminal.Progress(f"waiting for {resources.described(left[0])}"),
    ):
        while True:
            looks = {ref: look(client, ref) for ref in left}
            for ref, each in looks.items():
                if condition.holds(each):
                    found[ref] = each
                elif each.state is None and condition.needs_it:
                    raise resources.missing(client, ref)
            left = [ref for ref in left if ref not in found]
            if not left:
                return found
            rest = None if end is None else end - time.monotonic()
            if rest is not None and rest <= 0:
                raise _late(left[0], looks[left[0]], condition, timeout_s)
            events.next(rest)
            events.pending()


def _place(refs: Sequence[model.Ref]) -> tuple[str, ...]:
    """Return the innermost place that all of `refs` are in, as far as events have one."""
    parts = refs[0].parts[:4]
    for ref in refs[1:]:
        same = 0
        while same < min(len(parts), len(ref.parts)) and parts[same] == ref.parts[same]:
            same += 1
        parts = parts[:same]
    return parts


def _late(ref: model.Ref, found: Look, condition: Condition, timeout_s: float) -> errors.TimedOut:
    now = "it is not there" if found.state is None else f"it is {found.state}"
    said = f": {found.said}" if found.said else ""
    return errors.TimedOut(
        f"{ref.kind.lower()} {str(ref)!r} is not {condition} after {timeout_s:g} s: {now}{said}",
        hint="allow more time: --timeout 5m",
    )
