"""Names, references, states and the shape of documents."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_api import errors, labels, model, names, testing
from kukeon_api.model import Ref


class TestNames:
    @pytest.mark.parametrize("name", ["a", "0", "a-b", "8080", "x" * 63, "a--b"])
    def test_good(self, name: str) -> None:
        assert names.is_name(name)
        assert names.check_name(name, "cell") == name

    @pytest.mark.parametrize(
        "name", ["", "A", "a_b", "a/b", ".", "..", "-a", "a-", "x" * 64, "a b", "ä", "a\n", "a\0", " a", "a.b"]
    )
    def test_bad(self, name: str) -> None:
        assert not names.is_name(name)
        with pytest.raises(errors.Invalid):
            names.check_name(name, "cell")

    def test_kinds_of_errors(self) -> None:
        for kind in model.KINDS:
            with pytest.raises(errors.KINDS[f"{kind}NameRequired"], match=f"{kind.lower()} name is required"):
                names.check_name("", kind)
        with pytest.raises(errors.InvalidRealmName):
            names.check_name("A", "realm")
        with pytest.raises(errors.InvalidName, match="cannot use 'A' as stack name"):
            names.check_name("A", "stack")
        with pytest.raises(errors.InvalidName, match="name is required"):
            names.check_name("")

    def test_containerd_ids(self) -> None:
        assert names.containerd_id("s", "t", "web", "main") == "s_t_web_main"
        with pytest.raises(errors.InvalidName, match="containerd allows 76"):
            names.containerd_id("x" * 30, "x" * 30, "x" * 30, "main")
        with pytest.raises(errors.InvalidName, match="as container name"):
            names.containerd_id("s", "t", "web", "a_b")
        with pytest.raises(errors.InvalidName, match="two in a row"):
            names.containerd_id("s", "t", "web", "a--b")

    @given(st.tuples(*[testing.resource_names] * 4), st.tuples(*[testing.resource_names] * 4))
    def test_containerd_ids_are_injective(self, one: tuple[str, ...], other: tuple[str, ...]) -> None:
        same = names.containerd_id(*one) == names.containerd_id(*other)
        assert same == (one == other)


class TestRef:
    @given(st.lists(testing.resource_names, min_size=1, max_size=5))
    def test_print_and_parse(self, parts: list[str]) -> None:
        ref = Ref(*parts)
        assert Ref.parse(str(ref)) == ref
        assert ref.parts == tuple(parts)
        assert ref.kind == model.KINDS[len(parts) - 1]
        assert ref.name == parts[-1]
        assert (ref.parent is None) == (len(parts) == 1)
        assert ref.ancestors == tuple(Ref(*parts[:depth]) for depth in range(1, len(parts)))
        assert all(above.contains(ref) for above in (*ref.ancestors, ref))

    @pytest.mark.parametrize("text", ["", "/", "a//b", "a/", "/a", "a/..", "a/b/c/d/e/f", "A", "a/b c"])
    def test_what_is_no_reference(self, text: str) -> None:
        with pytest.raises(errors.Invalid):
            Ref.parse(text)

    @pytest.mark.parametrize("parts", [("",), ("a", "", "c"), ("a", "../b"), ("", "b"), ("a", "b", "c", "d", "E")])
    def test_what_cannot_be_built(self, parts: tuple[str, ...]) -> None:
        with pytest.raises(errors.Invalid):
            Ref(*parts)

    def test_children_and_order(self) -> None:
        realm = Ref("a")
        assert realm.child("b").child("c") == Ref("a", "b", "c")
        assert not Ref("a", "b").contains(Ref("a", "bc"))
        assert sorted([Ref("b"), Ref("a", "z"), Ref("a")]) == [Ref("a"), Ref("a", "z"), Ref("b")]
        assert {Ref("a"): 1}[Ref("a")] == 1
        with pytest.raises(errors.InvalidRef, match="containers have no children"):
            Ref("a", "b", "c", "d", "e").child("f")

    @given(testing.documents)
    def test_of_documents(self, doc: model.Doc) -> None:
        ref = model.ref_of(doc)
        assert ref.kind == doc.kind
        assert ref.name == doc.metadata.name

    def test_of_a_document_with_a_bad_name(self) -> None:
        doc = model.SpaceDoc(metadata=model.Metadata(name="s"), spec=model.SpaceSpec(realm_id=""))
        with pytest.raises(errors.RealmNameRequired):
            model.ref_of(doc)


def test_kinds_and_documents_agree() -> None:
    assert tuple(model.DOCS) == model.KINDS
    for kind, cls in model.DOCS.items():
        assert cls.kind == kind
        assert cls.api_version == "v1beta1"


def test_states_are_the_words_of_the_documents() -> None:
    assert [str(state) for state in model.CellState] == [
        "Pending",
        "Ready",
        "Stopped",
        "Failed",
        "Unknown",
        "Exited",
        "Error",
        "Degraded",
    ]
    assert str(model.ContainerState.NOT_CREATED) == "NotCreated"
    for bad in ("running", "ready", "7"):
        with pytest.raises(ValueError, match=bad):
            model.CellState(bad)


def test_documents_are_values() -> None:
    doc = model.RealmDoc(metadata=model.Metadata(name="a"))
    with pytest.raises(AttributeError):
        doc.spec = model.RealmSpec()  # type: ignore[misc]
    assert msgspec.structs.replace(doc, spec=model.RealmSpec()) == doc


def test_labels_of_the_user() -> None:
    mixed = {"app": "web", labels.CELL: "web", "x.kukeon.io": "y", "kukeon.io/config": "z"}
    assert labels.authored(mixed) == {"app": "web", "kukeon.io/config": "z"}


def test_everything_public_is_listed() -> None:
    listed = set(model.__all__)
    assert listed == {name for name in listed if hasattr(model, name)}
    here = {name for name, value in vars(model).items() if isinstance(value, type) and not name.startswith("_")}
    assert here <= listed


@pytest.mark.parametrize("module", ["kukeon_api", "kukeon_api.model", "kukeon_api.errors", "kukeon_api.methods"])
def test_the_light_modules_stay_light(module: str) -> None:
    # The command line pays for every import at every start.
    code = (
        f"import {module}, sys; print([m for m in ('grpc', 'google.protobuf', 'yaml', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "[]\n"


def test_the_package_itself_brings_nothing() -> None:
    code = "import kukeon_api, sys; print('msgspec' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
