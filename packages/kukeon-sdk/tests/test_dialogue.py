"""Where a session stands, whoever waits for it."""

from __future__ import annotations

import pytest

from kukeon_api import errors, model, parts
from kukeon_sdk import dialogue
from kukeon_sdk.dialogue import Dialogue


def said(*what: parts.Part) -> Dialogue:
    found = Dialogue()
    for part in what:
        assert found.fits(part)
        found.take(part)
    return found


def test_output_comes_in_its_order_and_ends() -> None:
    talk = said(("stdout", b"one"), ("stderr", b"two"))
    talk.finish()
    assert [talk.read(), talk.read(), talk.read(), talk.read()] == [("stdout", b"one"), ("stderr", b"two"), None, None]


def test_nothing_can_be_read_before_something_came() -> None:
    talk = Dialogue()
    assert not talk.readable
    talk.take(("stdin_taken", 1))
    assert not talk.readable
    talk.take(("output", b"x"))
    assert talk.readable
    talk.read()
    assert not talk.readable
    talk.finish()
    assert talk.readable


def test_what_came_before_an_error_is_read_before_it() -> None:
    talk = said(("stdout", b"last words"))
    talk.finish(errors.Unavailable("cannot go on"))
    assert talk.read() == ("stdout", b"last words")
    for _ in range(2):
        with pytest.raises(errors.Unavailable, match="go on"):
            talk.read()


def test_an_error_after_the_end_changes_nothing() -> None:
    talk = said(("exit", model.ExitStatus(code=3)))
    talk.finish(errors.Unavailable("cannot go on"))
    assert talk.read() is None
    assert talk.status().code == 3


def test_a_reader_who_does_not_read_makes_the_program_wait() -> None:
    talk, piece = Dialogue(), ("stdout", bytes(parts.PIECE_BYTES))
    while talk.fits(piece):
        talk.take(piece)
    talk.take(("exit", model.ExitStatus(code=1)))  # is no output
    assert talk.status().code == 1
    talk.read()
    assert talk.fits(piece)


def test_positions_are_those_of_what_is_read() -> None:
    talk = said(("position", 5), ("output", b"one"))
    assert talk.position == 5
    assert not talk.fits(("position", 100))  # it is about what comes after "one"
    talk.read()
    assert talk.position == 8
    talk.take(("position", 100))
    talk.take(("output", b"two"))
    talk.read()
    assert talk.position == 103


def test_closed_it_refuses_and_keeps_its_position() -> None:
    talk = said(("position", 5), ("output", b"one"), ("output", b"unread"))
    talk.read()
    talk.closed = True
    for part in (("output", bytes(parts.PIECE_BYTES)), ("position", 100), ("ended", model.AttachEnded(code=2))):
        assert talk.fits(part)
        talk.take(part)
    with pytest.raises(errors.Conflict, match="was closed"):
        talk.read()
    assert talk.position == 8
    assert talk.end == model.AttachEnded(code=2)


def test_input_goes_as_far_as_the_program_takes_it() -> None:
    talk, data = Dialogue(), memoryview(bytes(parts.WINDOW_BYTES + 7))
    sent = 0
    while talk.writable:
        piece = talk.write(data[sent:])
        assert 0 < len(piece) <= parts.PIECE_BYTES
        sent += len(piece)
    assert sent == parts.WINDOW_BYTES
    talk.take(("stdin_taken", 3))
    assert len(talk.write(data[sent:])) == 3
    assert not talk.writable


@pytest.mark.parametrize("how", ["closed", "over", "input closed"])
def test_nothing_is_written_after_the_end(how: str) -> None:
    talk = Dialogue()
    while talk.writable:
        talk.write(memoryview(bytes(parts.PIECE_BYTES)))
    match how:
        case "closed":
            talk.closed = True
        case "over":
            talk.finish()
        case _:
            assert talk.close_stdin()
            assert not talk.close_stdin()
    assert talk.writable  # nobody waits any more
    with pytest.raises(errors.Conflict, match="ended or its input"):
        talk.write(memoryview(b"x"))


def test_a_program_of_which_nobody_says_how_it_ended() -> None:
    talk = Dialogue()
    talk.finish()
    with pytest.raises(errors.HostError, match="did not say"):
        talk.status()


@pytest.mark.parametrize("first", [None, ("stdout", b"x")])
def test_a_beginning_that_is_none(first: parts.Part | None) -> None:
    with pytest.raises(errors.HostError, match="what it had started"):
        dialogue.started(first)


def test_pieces_of_what_is_typed() -> None:
    data = bytes(range(256)) * 1024 * 2 + b"rest"
    cut = list(dialogue.pieces(data))
    assert [len(piece) for piece in cut] == [parts.PIECE_BYTES, parts.PIECE_BYTES, 4]
    assert b"".join(cut) == data
    assert list(dialogue.pieces(b"")) == []
