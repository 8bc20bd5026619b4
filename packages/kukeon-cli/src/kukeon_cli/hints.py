"""What to say when something is not there: the same name elsewhere, a near name here, or what is missing above it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from kukeon_api import errors, image_ref, image_ways, model, names
from kukeon_cli import near, resources

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kukeon_api.model import Ref
    from kukeon_sdk.client import Client

_LOOK_TIMEOUT_S = 2.0
"""A hint is worth this much waiting."""


_IMAGE_CUTOFF = 0.75
"""How alike two references are to be: with `:latest` on both, unlike ones are more alike than unlike names."""


def for_missing(client: Client, ref: Ref) -> str:
    """Return a hint for `ref`, which is not there; empty when nothing helps or kukeond can't be asked."""
    try:
        return _for_missing(ref, _all(client, ref.kind), [*ref.ancestors], client)
    except errors.KukeonError:
        # The caller is about to raise the real error; a hint that fails must not hide it.
        return ""


def for_filter(client: Client, level: str, name: str, scope: resources.Scope) -> str:
    """Return a hint for an empty list when `--<level> <name>` names nothing in the scope of the other flags."""
    try:
        known = _all(client, level.capitalize())
    except errors.KukeonError:
        return ""
    stated = {flag: getattr(scope, flag) for flag in resources.LEVELS[: resources.LEVELS.index(level)]}
    here = [ref for ref in known if ref.name == name and all(v in (None, getattr(ref, k)) for k, v in stated.items())]
    if here:
        return ""
    elsewhere = sorted(ref for ref in known if ref.name == name)
    if elsewhere:
        found = elsewhere[0]
        flags = " ".join(f"--{k} {getattr(found, k)}" for k, v in stated.items() if v not in (None, getattr(found, k)))
        return f"{level} {str(found)!r} exists: pass {flags}"
    meant = _near(name, known)
    return f"there is no {level} {name!r}" + (f"; did you mean {meant!r}?" if meant else "")


def for_missing_image(client: Client, realm: str, ref: str, *, wanted: bool = True) -> str:
    """Return a hint for the image `ref` that `realm` lacks: another realm that has it, a near name, how to get it.

    For one that is not `wanted`, but to be deleted, it is how to see those that are there.
    """
    try:
        ref = image_ref.normalise(ref)
        realms = [doc.metadata.name for doc in client.list_realms(timeout=_LOOK_TIMEOUT_S)]
        images = {name: _images(client, name) for name in realms}
    except errors.KukeonError:
        return ""
    for name in sorted(images):
        if name != realm and ref in images[name]:
            return f"realm {name!r} has it: pass --realm {name}"
    known = {_familiar(name): name for name in images.get(realm, ())}
    alike = difflib.get_close_matches(_familiar(ref), known, n=1, cutoff=_IMAGE_CUTOFF)
    if alike:
        return f"did you mean {known[alike[0]]!r}?"
    return image_ways.to_have(ref, realm) if wanted else f"see: kuke get images --realm {realm}"


def _familiar(ref: str) -> str:
    """Return the part of a reference that tells images apart: most of a full one is the same for all."""
    return ref.removeprefix("docker.io/").removeprefix("library/")


def _images(client: Client, realm: str) -> list[str]:
    return [image.name for image in client.list_images(realm, timeout=_LOOK_TIMEOUT_S).images]


def _for_missing(ref: Ref, known: set[Ref], ancestors: list[Ref], client: Client) -> str:
    elsewhere = sorted(
        (other for other in known if other.name == ref.name), key=lambda other: (-_shared(other, ref), other)
    )
    for ancestor in ancestors:
        present = _all(client, ancestor.kind)
        if ancestor not in present:
            if elsewhere and ancestor.name == names.DEFAULT_REALM:
                break  # most likely nobody asked for that one
            meant = _near(ancestor.name, {other for other in present if other.parent == ancestor.parent})
            there = f"; did you mean {meant!r}?" if meant else ""
            return f"there is no {ancestor.kind.lower()} {str(ancestor)!r}{there}"
    if elsewhere:
        flags = _flags(elsewhere[0], ref)
        return f"{ref.kind.lower()} {str(elsewhere[0])!r} exists: pass {flags}"
    meant = _near(ref.name, (other for other in known if other.parent == ref.parent))
    if meant:
        return f"did you mean {meant!r}?"
    meant = _near(ref.name, known)
    if meant:
        other = min(other for other in known if other.name == meant)
        return f"did you mean {str(other)!r}? then pass {_flags(other, ref)}"
    beside = sorted(other.name for other in known if other.parent == ref.parent)
    if ref.kind == "Container" and beside:
        return f"it has {', '.join(beside)}"
    return f"see: kuke get {ref.kind.lower()}s"


def _shared(one: Ref, other: Ref) -> int:
    """Return how many of the outermost names both have in common."""
    pairs = zip(one.parts, other.parts, strict=False)
    return next((depth for depth, (mine, theirs) in enumerate(pairs) if mine != theirs), len(one.parts))


def _all(client: Client, kind: str) -> set[Ref]:
    match kind:
        case "Realm":
            return {model.ref_of(doc) for doc in client.list_realms(timeout=_LOOK_TIMEOUT_S)}
        case "Space":
            return {model.ref_of(doc) for doc in client.list_spaces("", timeout=_LOOK_TIMEOUT_S)}
        case "Stack":
            return {model.ref_of(doc) for doc in client.list_stacks("", "", timeout=_LOOK_TIMEOUT_S)}
        case "Cell":
            return {model.ref_of(doc) for doc in client.list_cells("", "", "", timeout=_LOOK_TIMEOUT_S)}
        case _:
            cells = client.list_cells("", "", "", timeout=_LOOK_TIMEOUT_S)
            return {model.ref_of(row.doc) for cell in cells for row in resources.containers(cell)}


def _near(name: str, others: Iterable[Ref]) -> str:
    return near.nearest(name, sorted({other.name for other in others}))


def _flags(found: Ref, asked: Ref) -> str:
    """Return the scope flags that lead to `found`: those where it differs from what was asked."""
    pairs = zip(resources.LEVELS, found.parts[:-1], asked.parts[:-1], strict=False)
    return " ".join(f"--{level} {there}" for level, there, here in pairs if there != here)
