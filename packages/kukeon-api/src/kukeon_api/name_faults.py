"""Which kind of error a document is refused with when it has no proper name or parent: the one that its level has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    import msgspec

_OWN = frozenset({"metadata.name", "spec.id"})
_PARENTS = {"spec.realmId": "realm", "spec.spaceId": "space", "spec.stackId": "stack", "spec.cellId": "cell"}
_REQUIRED = "is required"


def told(error: errors.Invalid, document: type[msgspec.Struct]) -> errors.Invalid:
    """Return `error` as `<Kind>NameRequired`, `InvalidRealmName` or `InvalidName` when names are all that is wrong.

    Of several, the first problem decides the kind; all of them stay listed.
    """
    noun = str(getattr(document, "kind", "")).lower()
    levels = [noun if problem.path in _OWN else _PARENTS.get(problem.path, "") for problem in error.problems]
    if not noun or not levels or not all(levels):
        return error
    if error.problems[0].message != _REQUIRED:
        kind = errors.InvalidRealmName if levels[0] == "realm" else errors.InvalidName
        return kind(error.message, hint=error.hint, problems=error.problems)
    required = errors.KINDS[f"{levels[0].capitalize()}NameRequired"]
    assert issubclass(required, errors.Invalid)
    message = f"{levels[0]} name is required" if len(levels) == 1 else error.message
    return required(message, hint=error.hint, problems=error.problems)
