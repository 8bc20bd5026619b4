from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kukeon_sdk.detach import DetachKeys

KEY = b"\x1d"
PASTE, PASTED = b"\x1b[200~", b"\x1b[201~"


def feed(*pieces: bytes) -> tuple[bytes, DetachKeys]:
    keys = DetachKeys()
    return b"".join(map(keys.feed, pieces)), keys


def test_two_keys_leave_and_the_program_sees_neither() -> None:
    passed, keys = feed(b"ls" + KEY + KEY + b"rm -rf /")
    assert (passed, keys.detached) == (b"ls", True)


def test_the_two_may_come_apart_but_not_with_another_between() -> None:
    assert feed(b"a" + KEY, KEY)[1].detached
    passed, keys = feed(KEY + b"x" + KEY, b"y")
    assert (passed, keys.detached) == (KEY + b"x" + KEY + b"y", False)


def test_a_single_one_is_passed_on_when_nothing_follows() -> None:
    passed, keys = feed(b"a" + KEY)
    assert (passed, keys.held) == (b"a", True)
    assert (keys.release(), keys.held) == (KEY, False)
    assert keys.release() == b""
    assert keys.feed(KEY) == b""
    assert not keys.detached


def test_what_is_pasted_never_leaves() -> None:
    text = PASTE + b"one" + KEY + KEY + b"two" + PASTED
    passed, keys = feed(text)
    assert (passed, keys.detached) == (text, False)
    keys.feed(KEY + KEY)
    assert keys.detached


@pytest.mark.parametrize("mark", [PASTE, b"\x1b\x1b[200~", b"\x1b[20\x1b[200~"])
def test_marks_are_found_in_any_pieces(mark: bytes) -> None:
    for cut in range(len(mark)):
        passed, keys = feed(mark[:cut], mark[cut:], KEY + KEY)
        assert (passed, keys.detached) == (mark + KEY + KEY, False)


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_without_the_keys_everything_passes_unchanged(pieces: list[bytes]) -> None:
    clean = [piece.replace(KEY, b"") for piece in pieces]
    passed, keys = feed(*clean)
    assert (passed, keys.detached) == (b"".join(clean), False)


@given(st.lists(st.sampled_from([KEY, b"a", b"\x1b", PASTE, PASTED, PASTE[:3]]), max_size=12), st.data())
def test_how_it_is_cut_makes_no_difference(tokens: list[bytes], data: st.DataObject) -> None:
    text = b"".join(tokens)
    cut = data.draw(st.integers(0, len(text)))
    whole, one = feed(text)
    parts, other = feed(text[:cut], text[cut:])
    assert one.detached == other.detached
    if not one.detached:
        assert whole + one.release() == parts + other.release() == text
