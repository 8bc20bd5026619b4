"""Prune: what a selector matches and the input does not name any more is deleted, children first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors, labels, model
from kukeon_api.selector import Selector
from kukeon_runner.runner import remains
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from kukeon_runner.runner import HostRunner


def selector(text: str) -> Selector:
    """Read the selector of a prune. Raises Invalid, also for one that means everything without labels."""
    found = Selector.parse(text)
    if found.matches({}):
        raise errors.Invalid(
            f"cannot prune with the selector {text!r}: it matches everything that has no labels",
            hint="name a label that your resources have, like app=web",
        )
    return found


async def prune(
    runner: HostRunner, selector: Selector, docs: Iterable[model.Doc], failed: int
) -> list[model.ApplyResourceResult]:
    """Delete what `selector` matches of the user's labels and `docs` do not name, and tell of each.

    Never the system realm, nor parents of what is named. What has children that stay fails, and its children are not
    touched. When documents `failed`, nothing is deleted, and each resource that would have been says so.
    """
    results: list[model.ApplyResourceResult] = []
    chosen = candidates(runner, selector, docs)
    for kind in reversed(model.KINDS):
        own = [ref for ref in chosen if ref.kind == kind]
        if failed:
            results += [_not_pruned(ref, failed) for ref in own]
        elif kind == "Container":
            results += [result for ref in own if (result := await _delete(runner, ref)) is not None]
        else:
            done = await together(*(_delete(runner, ref) for ref in own))
            results += [result for result in done if result is not None]
    return results


def candidates(runner: HostRunner, selector: Selector, docs: Iterable[model.Doc]) -> list[model.Ref]:
    """What is to go, in order of the references; the containers of a cell that goes are not told of on their own."""
    named = {ref for doc in docs for ref in _named(doc)}
    store = runner.context.store

    def chosen(ref: model.Ref, own: Mapping[str, str]) -> bool:
        meant = ref not in named and ref.realm != model.SYSTEM_REALM
        return meant and selector.matches(labels.authored(own))

    found = []
    for kind in ("Realm", "Space", "Stack", "Cell"):
        for doc in store.docs(kind):
            ref = model.ref_of(doc)
            if chosen(ref, doc.metadata.labels):
                found.append(ref)
            elif isinstance(doc, model.CellDoc):
                found += [ref.child(each.id) for each in doc.spec.containers if chosen(ref.child(each.id), each.labels)]
    return sorted(found)


def _named(doc: model.Doc) -> Iterable[model.Ref]:
    """Everything that a document says should be: itself, its parents, and a cell's containers."""
    ref = model.ref_of(doc)
    yield ref
    yield from ref.ancestors
    if isinstance(doc, model.CellDoc):
        for each in doc.spec.containers:
            yield ref.child(each.id)


def _not_pruned(ref: model.Ref, failed: int) -> model.ApplyResourceResult:
    number = "1 document" if failed == 1 else f"{failed} documents"
    error = errors.Conflict(f"not pruned: {number} failed", hint="apply again once nothing fails")
    return _failure(ref, error)


async def _delete(runner: HostRunner, ref: model.Ref) -> model.ApplyResourceResult | None:
    """Delete one; None when somebody else did meanwhile."""
    try:
        match ref.kind:
            case "Container":
                await runner.cells.delete_container(ref)
            case "Cell":
                await runner.cells.delete(ref)
            case kind:
                await runner.level(kind).delete(ref, cascade=False)
    except errors.NotFound as error:
        return None if ref.name not in _names(runner, ref) else _failure(ref, error)
    except errors.KukeonError as error:
        return _failure(ref, error)
    return _result(ref, model.ApplyAction.PRUNED, "", {"ref": str(ref)})


def _names(runner: HostRunner, ref: model.Ref) -> list[str]:
    """What is beside `ref` of its kind."""
    assert ref.parent is not None or ref.kind == "Realm"
    if ref.kind != "Container":
        return remains.below(runner.context.store, ref.parent)
    cell = remains.whatever(runner.context.store, ref.ancestors[-1], model.CellDoc)[0]
    return [each.id for each in cell.spec.containers]


def _failure(ref: model.Ref, error: errors.KukeonError) -> model.ApplyResourceResult:
    details = {"kind": error.kind, "hint": error.hint, "ref": str(ref)}
    return _result(ref, model.ApplyAction.FAILED, str(error), details)


def _result(
    ref: model.Ref, action: model.ApplyAction, error: str, details: dict[str, str]
) -> model.ApplyResourceResult:
    return model.ApplyResourceResult(
        index=-1, kind=ref.kind, name=ref.name, action=action, error=error, details=details
    )
