"""Errors: one class per kind, the same on both sides of the wire."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kukeon_api
from kukeon_api import errors, messages, status
from kukeon_api.errors import KINDS, APIError, KukeonError, Problem

# Kinds that programs written against the first version of the wire know.
REGISTERED = """
CellNotFound RealmNotFound SpaceNotFound StackNotFound ContainerNotFound NetworkNotFound CellNameRequired
RealmNameRequired SpaceNameRequired StackNameRequired ContainerNameRequired ResourceHasDependencies CreateCell
CreateRealm CreateSpace CreateStack ContainerExists ConversionFailed AttachNotSupported ImageNotFound
"""


def test_the_registered_kinds_are_there() -> None:
    assert set(REGISTERED.split()) <= KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_crosses_the_wire(kind: str) -> None:
    cls = KINDS[kind]
    sent = cls("cannot do it: because", hint="do that", problems=[Problem(path="spec.x", line=3, message="is wrong")])
    got = status.from_status(*status.to_status(sent))
    assert type(got) is cls
    assert (str(got), got.kind, got.hint, got.problems) == (str(sent), kind, sent.hint, sent.problems)
    assert isinstance(got, errors.CODES[cls.code])
    assert status.to_status(sent)[0] == cls.code
    assert type(errors.from_api_error(errors.to_api_error(sent))) is cls


@pytest.mark.parametrize("cls", errors.BRANCHES)
def test_leaves_belong_to_one_branch(cls: type[KukeonError]) -> None:
    for leaf in cls.__subclasses__():
        assert leaf.code == cls.code
        assert leaf.exit_code == cls.exit_code
        assert KINDS[leaf.__name__] is leaf


def test_exit_codes() -> None:
    assert [branch.exit_code for branch in errors.BRANCHES] == [2, 3, 4, 5, 5, 6, 7, 8, 8, 1]
    assert KukeonError.exit_code == 1


def test_both_the_branch_and_the_leaf_catch() -> None:
    for cls in (errors.CellNotFound, errors.NotFound, KukeonError):
        with pytest.raises(cls):
            raise errors.CellNotFound("cell 'r/s/t/web' not found")


def test_none_stays_none() -> None:
    assert errors.to_api_error(None) is None
    assert errors.from_api_error(None) is None
    assert errors.kind_from_error(None) is None


def test_the_message_is_verbatim_and_the_kind_that_of_the_nearest_cause() -> None:
    try:
        try:
            raise errors.SpaceNotFound("no space", hint="make one")
        except errors.SpaceNotFound as inner:
            raise RuntimeError("could not create") from inner
    except RuntimeError as exc:
        caught = exc
    assert errors.kind_from_error(caught) == "SpaceNotFound"
    sent = errors.to_api_error(caught)
    assert sent == APIError(kind="SpaceNotFound", message="could not create", hint="make one")
    assert status.to_status(caught)[0] == "NOT_FOUND"


def test_the_outermost_of_several_kinds_wins() -> None:
    outer = errors.CreateCell("cannot create")
    outer.__cause__ = errors.SpaceNotFound("no space")
    assert errors.kind_from_error(outer) == "CreateCell"


def test_a_special_case_of_the_outermost_wins() -> None:
    outer = errors.NotFound("cannot look at it: it is away", hint="make it")
    outer.__cause__ = RuntimeError("between")
    outer.__cause__.__cause__ = errors.CellNotFound("no cell", hint="ignored", problems=[Problem(message="m")])
    sent = errors.to_api_error(outer)
    assert sent == APIError(kind="CellNotFound", message=str(outer), hint="make it", problems=(Problem(message="m"),))
    assert errors.kind_from_error(outer) == "CellNotFound"


def test_a_kind_that_was_chosen_stays() -> None:
    outer = errors.NotFound("no such moon", kind="MoonNotFound")
    outer.__cause__ = errors.CellNotFound("no cell")
    assert errors.kind_from_error(outer) == "MoonNotFound"


def test_a_cause_of_another_branch_says_nothing_about_its_effect() -> None:
    outer = errors.Conflict("cannot do it")
    outer.__cause__ = errors.CellNotFound("no cell", hint="look elsewhere")
    assert errors.to_api_error(outer) == APIError(kind="Conflict", message="cannot do it")


def test_causes_that_go_in_circles() -> None:
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one
    assert errors.kind_from_error(one) == "Unknown"


def test_anything_else_is_unknown() -> None:
    assert errors.kind_from_error(ValueError("x")) == "Unknown"
    got = errors.from_api_error(errors.to_api_error(ValueError("the text")))
    assert (type(got), str(got), got.kind) == (KukeonError, "the text", "Unknown")


def test_a_kind_of_a_newer_peer_keeps_its_word_and_its_branch() -> None:
    detail = status.to_status(errors.NotFound("no such moon", kind="MoonNotFound"))[2]
    got = status.from_status("NOT_FOUND", "no such moon", detail)
    assert (type(got), got.kind) == (errors.NotFound, "MoonNotFound")
    assert type(errors.from_api_error(APIError(kind="MoonNotFound", message="x"))) is KukeonError


@pytest.mark.parametrize("detail", [None, b"", b"\xff\xff not a message"])
def test_without_a_detail_the_code_decides(detail: bytes | None) -> None:
    got = status.from_status("UNAVAILABLE", "gone", detail)
    assert (type(got), str(got)) == (errors.Unavailable, "gone")
    assert type(status.from_status("DATA_LOSS", "x", detail)) is KukeonError


@given(
    st.text(max_size=5000),
    st.text(max_size=3000),
    st.lists(st.builds(Problem, message=st.text(max_size=300), path=st.text(max_size=100)), max_size=100),
)
def test_details_fit_into_a_status(message: str, hint: str, problems: list[Problem]) -> None:
    code, text, detail = status.to_status(errors.Invalid(message, hint=hint, problems=problems))
    assert len(detail) <= status.MAX_DETAIL_BYTES
    assert len(text.encode()) <= status.MAX_MESSAGE_BYTES
    got = status.from_status(code, text, detail)
    assert isinstance(got, errors.Invalid)
    assert got.problems == tuple(problems[: len(got.problems)])


def test_what_did_not_fit_is_counted() -> None:
    problems = [Problem(path=f"spec.x{n}", message="is wrong " * 10) for n in range(100)]
    got = status.from_status(*status.to_status(errors.Invalid("x", hint="look", problems=problems)))
    assert got.hint == f"look; {100 - len(got.problems)} more problems did not fit"
    assert got.problems


def test_text_that_is_no_unicode_still_travels() -> None:
    got = status.from_status(*status.to_status(errors.HostError("cannot open '\udcff'", hint="\udcff")))
    assert str(got) == r"cannot open '\udcff'"


def test_errors_survive_pickling() -> None:
    error = errors.CellNotFound("x", hint="h", problems=[Problem(message="m")])
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.hint, again.problems) == (
        errors.CellNotFound,
        "x",
        "h",
        error.problems,
    )


def test_problems_in_one_line() -> None:
    full = Problem(
        source="web.yaml", line=7, document=0, subject='Cell "web"', path="spec.x", message="is wrong", suggestion="y?"
    )
    assert str(full) == 'web.yaml:7: Cell "web": spec.x: is wrong (y?)'
    unlocated = Problem(source="web.yaml", document=0, subject='Cell "web"', message="is wrong")
    assert str(unlocated) == 'web.yaml: document 1 (Cell "web"): is wrong'
    assert str(Problem(document=1, message="is wrong")) == "document 2: is wrong"
    assert str(Problem(message="is wrong")) == "is wrong"
    assert str(Problem(source="a", path="b", message="c")) == "a: b: c"
    assert str(Problem(subject="Realm", message="c")) == "Realm: c"


def test_the_package_offers_the_functions() -> None:
    assert kukeon_api.to_api_error is errors.to_api_error
    assert kukeon_api.from_api_error is errors.from_api_error
    assert kukeon_api.kind_from_error is errors.kind_from_error
    assert kukeon_api.APIError is APIError
    assert set(kukeon_api.__all__) <= set(dir(errors))
    with pytest.raises(AttributeError, match="nonsense"):
        _ = kukeon_api.nonsense


def test_the_error_message_is_what_a_reply_carries() -> None:
    fields = {field.name for field in messages.message_class("APIError").DESCRIPTOR.fields}
    assert fields == set(APIError.__struct_fields__)
