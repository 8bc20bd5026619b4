"""Reading WWW-Authenticate."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_runner.host.registry.challenges import Challenge, parse


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], []),
        (['Basic realm="a b"'], [Challenge("basic", {"realm": "a b"})]),
        (["Basic"], [Challenge("basic", {})]),
        (
            ['Bearer realm="https://auth.example/token?a=b,c",service=x , scope="repository:a/b:pull,push"'],
            [
                Challenge(
                    "bearer",
                    {"realm": "https://auth.example/token?a=b,c", "service": "x", "scope": "repository:a/b:pull,push"},
                )
            ],
        ),
        (
            ['Negotiate, Basic realm="x", BEARER Realm="y"'],
            [Challenge("negotiate", {}), Challenge("basic", {"realm": "x"}), Challenge("bearer", {"realm": "y"})],
        ),
        (['Basic realm="x"', "Bearer a=1"], [Challenge("basic", {"realm": "x"}), Challenge("bearer", {"a": "1"})]),
        (['Bearer realm="quo\\"te\\\\d"'], [Challenge("bearer", {"realm": 'quo"te\\d'})]),
        (['realm="orphan"'], []),
        (['Bearer realm="open'], [Challenge("bearer", {})]),
        (["Bearer a=1, a=2"], [Challenge("bearer", {"a": "1"})]),
    ],
)
def test_challenges(headers: list[str], found: list[Challenge]):
    assert list(parse(headers)) == found


@given(st.lists(st.text(), max_size=3))
def test_anything_can_be_read(headers: list[str]):
    parse(headers)


def test_a_long_header_takes_no_time():
    assert parse(["a " * 500_000 + '"' * 500_000]) is not None
    assert parse(['Bearer a="' + "\\" * 1_000_000])[0].scheme == "bearer"
