"""Names and references become paths: whatever is accepted stays where it belongs."""

from __future__ import annotations

import contextlib
import json
import posixpath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kukeon_api import errors, manifest, model, names, normalise, plain, testing
from kukeon_api.model import Ref

BASE = "/opt/kukeon/data"
HOSTILE = st.sampled_from(
    [
        "",
        ".",
        "..",
        "/",
        "../x",
        "a/../b",
        "a/b",
        "a\\b",
        "a\0",
        "a\n",
        " a",
        "a ",
        "-a",
        "a-",
        "A",
        "a_b",
        "ⓐ",
        "a." * 9,
    ]
)
anything = HOSTILE | st.text(max_size=70) | testing.resource_names


def stays_inside(*parts: str) -> None:
    path = posixpath.join(BASE, *parts)
    assert posixpath.normpath(path) == path
    assert path.startswith(f"{BASE}/")
    assert path.count("/") == BASE.count("/") + len(parts)
    for part in parts:
        assert part.isascii()
        assert part == part.strip().lower()
        assert 0 < len(part) <= 63
        assert not set(part) & set("/\\._\0 ")


@given(anything)
@example("a\n")
def test_names(text: str) -> None:
    if names.is_name(text):
        stays_inside(text)
    else:
        with pytest.raises(errors.Invalid):
            names.check_name(text, "cell")


@given(st.lists(anything, min_size=1, max_size=5))
def test_references(parts: list[str]) -> None:
    with contextlib.suppress(errors.Invalid):
        ref = Ref(*parts)
        stays_inside(*ref.parts)
        assert ref.parts == tuple(part for part in parts if part)
        assert Ref.parse(str(ref)) == ref


@given(st.text(max_size=100) | st.lists(anything, max_size=7).map("/".join))
def test_references_in_text(text: str) -> None:
    with contextlib.suppress(errors.Invalid):
        ref = Ref.parse(text)
        assert str(ref) == text
        stays_inside(*ref.parts)


@given(testing.resource_names, anything)
def test_children(parent: str, name: str) -> None:
    with contextlib.suppress(errors.Invalid):
        stays_inside(*Ref(parent).child(name).parts)


@given(*[anything] * 4)
def test_containerd_ids(space: str, stack: str, cell: str, container: str) -> None:
    with contextlib.suppress(errors.Invalid):
        composed = names.containerd_id(space, stack, cell, container)
        assert composed.split("_") == [space, stack, cell, container]
        assert len(composed) <= names.MAX_CONTAINERD_ID_LENGTH
        stays_inside(space, stack, cell, container)


_NAMED = ("name", "id", "realmId", "spaceId", "stackId", "cellId", "rootContainerId")


@settings(max_examples=200)
@given(doc=testing.documents, data=st.data())
def test_documents(doc: model.Doc, data: st.DataObject) -> None:
    whole = plain.to_builtins(doc)
    places = [(holder, key) for holder in _mappings(whole) for key in _NAMED if key in holder]
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(anything)
    with contextlib.suppress(errors.Invalid):
        [document] = manifest.parse(json.dumps(whole))
        wanted = normalise.normalise(document.doc)
        stays_inside(*model.ref_of(wanted).parts)
        for container in wanted.spec.containers if isinstance(wanted, model.CellDoc) else ():
            stays_inside(container.realm_id, container.space_id, container.stack_id, container.cell_id, container.id)
            assert container.containerd_id.count("_") == 3


def _mappings(value: object) -> list[dict[str, object]]:
    if isinstance(value, dict):
        return [value, *(found for each in value.values() for found in _mappings(each))]
    return [found for each in value for found in _mappings(each)] if isinstance(value, list) else []
