"""The programs of kukeons in memory do what those of a host do."""

from __future__ import annotations

import pytest

from kukeon_api.tiny_shell import TinyProgram, on_a_terminal


def run(*argv: str, stdin: bytes | None = b"", **env: str) -> tuple[int | None, bytes, bytes]:
    program = TinyProgram(argv, env, lambda: (24, 80))
    if stdin is not None:
        program.feed(stdin)
        program.close_stdin()
    written = {"stdout": b"", "stderr": b"", "stdin_taken": b""}
    while (part := program.next()) is not None:
        name, value = part
        written[name] += value if name != "stdin_taken" else b""
    return program.code, written["stdout"], written["stderr"]


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (["sh", "-c", "echo out; echo err >&2; exit 7"], (7, b"out\n", b"err\n")),
        (["sh", "-c", "echo $A-$B; false"], (1, b"b-$B\n", b"")),
        (["sh", "-c", "read line; stty size"], (0, b"24 80\n", b"")),
        (["sh", "-c", "read line; cat"], (0, b"two", b"")),
        (["sh", "-c", "dance"], (127, b"", b"sh: dance: not found\n")),
        (["sh", "-c", "trap 'exit 0' TERM; true"], (0, b"", b"")),
        (["cat"], (0, b"one\ntwo", b"")),
        (["seq", "3"], (0, b"1\n2\n3\n", b"")),
        (["env"], (0, b"A=b\n", b"")),
        (["false"], (1, b"", b"")),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_commands(argv: list[str], told: tuple[int, bytes, bytes]) -> None:
    assert run(*argv, stdin=b"one\ntwo", A="b") == told


def test_waiting() -> None:
    program = TinyProgram(["sh", "-c", "sleep 3600 & wait $!"], {})
    assert (program.next(), program.code, program.reads) == (None, None, False)
    program = TinyProgram(["cat"], {})
    assert (program.next(), program.code, program.reads) == (None, None, True)
    program.feed(b"x")
    assert [program.next(), program.next(), program.next()] == [("stdin_taken", 1), ("stdout", b"x"), None]


@pytest.mark.parametrize(
    ("times", "pause_s"),
    [
        ("5", 5),
        ("0.5", 0.5),
        ("2m", 120),
        ("1h 1s", 3601),
        ("inf", None),
        ("infinity", None),
        ("1 inf", None),
        ("", None),
    ],
)
def test_sleeping(times: str, pause_s: float | None) -> None:
    program = TinyProgram(["sh", "-c", f"sleep {times}; echo awake"], {})
    for _ in range(2):
        assert (program.next(), program.code, program.reads, program.pause_s) == (None, None, False, pause_s)
    program.wake()
    assert (program.next(), program.next(), program.code) == (("stdout", b"awake\n"), None, 0)


def test_no_time_to_sleep() -> None:
    assert run("sleep", "soon") == (1, b"", b"sleep: cannot do soon\n")


def test_an_interactive_shell() -> None:
    assert run("sh", stdin=b"echo hi\nexit 3\n") == (3, b"hi\n", b"")


def test_terminals() -> None:
    assert on_a_terminal(b"a\nb\r\n") == b"a\r\nb\r\n"
