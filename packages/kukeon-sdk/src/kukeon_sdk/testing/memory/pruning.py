"""Prune in memory: what a selector matches and the input does not name any more is deleted, children first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import errors, labels, model
from kukeon_api.selector import Selector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from kukeon_sdk.testing.memory.removal import Removal

Action = model.ApplyAction


def selector(text: str) -> Selector:
    """Read the selector of a prune. Raises `Invalid`, also for one that means everything without labels."""
    found = Selector.parse(text)
    if found.matches({}):
        raise errors.Invalid(
            f"cannot prune with the selector {text!r}: it matches everything that has no labels",
            hint="name a label that your resources have, like app=web",
        )
    return found


def prune(kukeon: Removal, chosen: Selector, docs: Iterable[Any], failed: int) -> Iterator[model.ApplyResourceResult]:
    """Delete what `chosen` matches and `docs` do not name, and tell of each; nothing when documents `failed`."""
    found = _candidates(kukeon, chosen, {ref for doc in docs for ref in _named(doc)})
    for ref in sorted(found, key=lambda each: (-len(each.parts), each)):
        about: dict[str, Any] = {"index": -1, "kind": ref.kind, "name": ref.name}
        try:
            if failed:
                number = "1 document" if failed == 1 else f"{failed} documents"
                raise errors.Conflict(f"not pruned: {number} failed", hint="apply again once nothing fails")
            kukeon.remove(ref)
        except errors.KukeonError as error:
            details = {"kind": error.kind, "hint": error.hint, "ref": str(ref)}
            yield model.ApplyResourceResult(**about, action=Action.FAILED, error=str(error), details=details)
        else:
            yield model.ApplyResourceResult(**about, action=Action.PRUNED, details={"ref": str(ref)})


def _candidates(kukeon: Removal, chosen: Selector, named: set[model.Ref]) -> list[model.Ref]:
    """Return what is to go; the containers of a cell that goes are not told of on their own."""

    def meant(ref: model.Ref, own: Mapping[str, str]) -> bool:
        return ref not in named and ref.realm != model.SYSTEM_REALM and chosen.matches(labels.authored(own))

    found = []
    for ref, doc in kukeon.world.docs.items():
        if meant(ref, doc.metadata.labels):
            found.append(ref)
        elif isinstance(doc, model.CellDoc):
            found += [ref.child(each.id) for each in doc.spec.containers if meant(ref.child(each.id), each.labels)]
    return found


def _named(doc: Any) -> Iterator[model.Ref]:
    """Yield everything that a document says should be: itself, its parents, and a cell's containers."""
    ref = model.ref_of(doc)
    yield ref
    yield from ref.ancestors
    if isinstance(doc, model.CellDoc):
        yield from (ref.child(each.id) for each in doc.spec.containers)
