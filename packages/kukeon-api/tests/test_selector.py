"""Selectors: what they mean, and what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_api import errors
from kukeon_api.selector import Selector

WEB = {"app": "web", "tier": "front", "k8s.io/x_y": "1"}


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("app=web", True),
        ("app == web", True),
        ("app=db", False),
        ("nope=web", False),
        ("app!=db", True),
        ("app != web", False),
        ("nope!=web", True),
        ("app", True),
        ("nope", False),
        ("!nope", True),
        ("! app", False),
        ("app in (db, web)", True),
        ("app in(web)", True),
        ("app in (db)", False),
        ("nope in (db)", False),
        ("app notin (db,cache)", True),
        ("app notin (db,web)", False),
        ("nope notin (db)", True),
        ("k8s.io/x_y=1", True),
        ("app=web,tier=front", True),
        ("app=web, tier in (back,front), !nope", True),
        ("app=web,tier=back", False),
        ("app=", False),
        ("nope in ()", False),
        ("in in (in)", False),
    ],
)
def test_what_is_meant(text: str, meant: bool) -> None:
    assert Selector.parse(text).matches(WEB) is meant


def test_values_are_those_that_labels_can_have() -> None:
    assert Selector.parse("app=").matches({"app": ""})
    assert Selector.parse("note=a b = c").matches({"note": "a b = c"})
    assert Selector.parse("in in (notin)").matches({"in": "notin"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        ",",
        "app=web,",
        ",app",
        "=web",
        "!=web",
        "app===web",
        "app in",
        "app in web",
        "app in (web",
        "app in web)",
        *("app notin", "(app)", "app web", "-app", "app/", "!", "!!app", "app in ((a))", "app=(a)", "a" * 5000, "ä=1"),
    ],
)
def test_what_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(errors.Invalid) as caught:
        Selector.parse(text)
    assert "label selector" in str(caught.value)
    assert len(str(caught.value)) < 500


@given(st.text(max_size=40) | st.text("ab,=!() in", max_size=20))
def test_nothing_but_invalid_comes_of_any_text_and_what_is_printed_reads_the_same(text: str) -> None:
    try:
        found = Selector.parse(text)
    except errors.Invalid:
        return
    again = Selector.parse(str(found))
    for labels in ({}, {"a": "b"}, {"a": ""}, {"b": "a", "a": "a"}, {"in": "in"}):
        assert found.matches(labels) is again.matches(labels)
