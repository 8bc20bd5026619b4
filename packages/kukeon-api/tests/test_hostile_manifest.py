"""Manifests come from anybody: no bytes end in anything but an answer, soon and in little memory."""

from __future__ import annotations

import contextlib
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kukeon_api import errors, manifest, model, plain, testing, yaml_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

REALM = "kind: Realm\nmetadata: {name: a}\n"


@pytest.fixture(params=["libyaml", "python"])
def _parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.setattr(yaml_nodes, "_parser", yaml.SafeLoader)


def problems(content: str | bytes) -> list[str]:
    with pytest.raises(errors.InvalidManifest) as caught:
        manifest.parse(content, "x")
    return [str(problem) for problem in caught.value.problems]


def documents(content: str) -> list[int | None]:
    with pytest.raises(errors.InvalidManifest) as caught:
        manifest.parse(content)
    return [problem.document for problem in caught.value.problems]


def answered(content: str | bytes) -> None:
    with contextlib.suppress(errors.InvalidManifest):
        manifest.parse(content)


@settings(max_examples=400)
@given(st.binary(max_size=200))
@example(b"\xff\xfe\x00")
@example(b"\xfe\xff")
@example(b"%YAML 9.9\n---\n")
def test_any_bytes_get_an_answer(content: bytes) -> None:
    answered(content)


# Text made of what YAML and our documents are made of finds more than random bytes do.
_WORDS = """
--- ... : - ? & * ! !! | > % @ ` [ ] { } , # ' " \\ << ~ a kind Realm Cell metadata name spec containers &a *a !!str
!!binary 0x
"""
_SPACES = ["\n", "\n\n", "  ", " ", "\t", "\r", "\u2028", "\x85", "\ud800", "\0", "\ufeff"]
_PIECES = st.sampled_from([*_WORDS.split(), *_SPACES])


@settings(max_examples=400)
@given(st.lists(_PIECES, max_size=40).map("".join))
def test_any_text_gets_an_answer(content: str) -> None:
    answered(content)


_JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["..", "a/b", "9" * 40]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=300)
@given(doc=testing.documents, data=st.data())
def test_anything_in_place_of_anything_gets_an_answer(doc: model.Doc, data: st.DataObject) -> None:
    whole = plain.to_builtins(doc)
    holder, key = data.draw(st.sampled_from(list(_places(whole))))
    holder[key] = data.draw(_JUNK)
    answered(json.dumps(whole))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from _places(inner)


@settings(max_examples=200)
@given(st.binary(max_size=100) | st.lists(_PIECES, max_size=30).map("".join))
def test_any_settings_get_an_answer(content: bytes | str) -> None:
    with contextlib.suppress(errors.ServerConfigurationInvalid):
        manifest.parse_server_configuration(content)
    with contextlib.suppress(errors.ClientConfigurationInvalid):
        manifest.parse_client_configuration(content)


@pytest.mark.usefixtures("_parser")
class TestBounds:
    @pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
    def test_depth(self, opening: str) -> None:
        assert "nested more than 64 levels deep" in problems(opening * 5000)[0]

    def test_depth_through_aliases(self) -> None:
        chain = "".join(f"k{number}: &a{number} {{<<: *a{number - 1}}}\n" for number in range(1, 300))
        [problem] = problems(f"k0: &a0 {{x: y}}\n{chain}")
        assert "nested more than 64 levels deep" in problem

    def test_a_billion_laughs(self) -> None:
        lines = ["a0: &a0 [ha]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
        [problem] = problems("\n".join(lines))
        assert "more than 500000 values, counting what aliases stand for" in problem

    def test_many_small_bombs(self) -> None:
        lines = ["a0: &a0 [ha]"]
        lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 6)]
        bomb = "\n".join(lines)
        assert any("more than 500000 values" in problem for problem in problems("\n---\n".join([bomb] * 10)))

    def test_an_alias_inside_what_it_stands_for(self) -> None:
        assert "the alias *a is inside what it stands for" in problems("kind: &a [*a]")[0]

    def test_an_alias_for_nothing_and_of_another_document(self) -> None:
        assert "the alias *a stands for nothing" in problems("kind: *a")[0]
        assert "the alias *a stands for nothing" in problems(f"{REALM}x: &a b\n---\nkind: *a")[-1]

    @pytest.mark.parametrize("tag", ["!!python/object/apply:os.system [x]", "!x y", "!!binary aGk=", "!<tag:x,1:y> z"])
    def test_tags_make_nothing(self, tag: str) -> None:
        assert "the tag" in problems(f"kind: {tag}")[0]

    def test_core_tags_change_nothing_but_quoting(self) -> None:
        [document] = manifest.parse("kind: !!str Realm\nmetadata: !!map {name: !!str 1, labels: {a: ! null}}")
        assert document.doc.metadata.name == "1"
        assert document.doc.metadata.labels == {"a": "null"}

    def test_size(self) -> None:
        assert problems(b"#" * (manifest.MAX_BYTES + 1)) == [f"x: is larger than {manifest.MAX_BYTES} bytes"]

    def test_characters_that_have_no_place(self) -> None:
        assert problems(f"{REALM}spec:\n  namespace: a\x07\n\x00") == [
            "x:4: is not YAML: the character U+0007 is not allowed",
            "x:5: is not YAML: the character U+0000 is not allowed",
        ]

    def test_a_program_is_told_in_a_few_lines(self) -> None:
        found = problems(b"\x7fELF" + bytes(range(1, 32)) * 100 + b"\n" + REALM.encode())
        assert found[0] == "x:1: is not YAML: the character U+007F is not allowed"
        assert found[3] == "x:1: and from here on there are more such characters (is it a text at all?)"
        assert len(found) == 4

    @pytest.mark.parametrize("spoilt", ["na\0me: a", "name: \0a", "name: [a\0", "name: a, x: \0}"])
    @pytest.mark.parametrize("content", ["{}", "{}\n---\nkind: Foo\n"])
    def test_a_character_without_a_place_is_one_problem(self, spoilt: str, content: str) -> None:
        found = problems(content.format(f"kind: Realm\nmetadata:\n  {spoilt}\n  \n"))
        assert found[0] == "x:3: is not YAML: the character U+0000 is not allowed"
        assert [each for each in found[1:] if "unknown kind 'Foo'" not in each] == []
        assert len(found) == (2 if "Foo" in content else 1)

    def test_bytes_that_are_no_text_are_one_problem(self) -> None:
        assert problems(b"kind: Realm\nmetadata:\n  n\xffame: \xff\n") == ["x:3: is not UTF-8: invalid start byte"]

    def test_bytes_that_are_no_text(self) -> None:
        assert problems(REALM.encode() + b"# \xff\n") == ["x:3: is not UTF-8: invalid start byte"]

    def test_escapes_cannot_smuggle_what_text_must_not_contain(self) -> None:
        text = (
            "kind: Container\nmetadata: {name: a}\n"
            'spec: {realmId: a, spaceId: a, stackId: a, cellId: a, image: x, args: ["\\0"]}'
        )
        assert "must not contain NUL characters" in problems(text)[0]

    def test_a_broken_document_does_not_hide_the_next(self) -> None:
        found = problems("a: [\n---\nkind: Foo\n---\nb: }\n---\nkind: Bar\n")
        assert [problem.split(": ")[0] for problem in found] == ["x:2", "x:3", "x:5", "x:7"]
        assert documents("a: [\n---\nkind: Foo\n---\nb: }\n---\nkind: Bar\n") == [0, 1, 2, 3]

    def test_many_broken_documents(self) -> None:
        assert len(problems("---\n[\n" * 1000)) == yaml_nodes.MAX_TROUBLES


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (200, "200 problems"),
        (201, "201 problems, of which these are the first 200"),
        (5000, "5000 problems, of which these are the first 200"),
        (20_000, "at least 10000 problems, of which these are the first 200"),
    ],
)
def test_many_problems_are_counted_and_cut(count: int, words: str) -> None:
    with pytest.raises(errors.InvalidManifest) as caught:
        manifest.parse(REALM + "".join(f"wrong{n}: 1\n" for n in range(count)), "x")
    assert str(caught.value) == f"invalid manifest 'x': {words}"
    assert len(caught.value.problems) == 200


def test_the_largest_input_is_answered_in_reasonable_time() -> None:
    begun = time.monotonic()
    problems("kind: Foo\n---\n" * (manifest.MAX_BYTES // 14))
    problems("[" + "a," * 250_000)
    problems(b"kind: Foo #\xff\n---\n" * (manifest.MAX_BYTES // 20))
    containers = "".join(f"  - {{id: c{n}, image: Upper, user: [], imgae: x}}\n" for n in range(20_000))
    problems(f"kind: Cell\nmetadata: {{name: a}}\nspec:\n  containers:\n{containers}")
    # Generous: a machine may be slow, but nothing may be quadratic.
    assert time.monotonic() - begun < 60
