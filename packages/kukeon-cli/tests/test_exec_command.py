"""`kuke exec`: where the program begins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from memory_client import MemoryClient

    from conftest import Kuke
    from kukeon_cli.commands.exec import Program

WEB = model.Ref("default", "default", "default", "web")


@pytest.mark.parametrize(
    ("line", "program", "options"),
    [
        (("--", "ls", "-l"), ("ls", "-l"), {}),
        (("ls", "-l"), ("ls", "-l"), {}),
        (("sh", "-c", "echo hi"), ("sh", "-c", "echo hi"), {}),
        (("-c", "web", "-u5", "ls", "-c"), ("ls", "-c"), {"user": "5"}),
        (("--user", "5", "-w", "/tmp", "--", "ls"), ("ls",), {"user": "5", "working_dir": "/tmp"}),
        (("--user=5", "-e", "A=b", "env", "-i", "--host", "x"), ("env", "-i", "--host", "x"), {"env": ("A=b",)}),
        (("-iw", "/tmp", "cat", "-"), ("cat", "-"), {"working_dir": "/tmp", "interactive": True}),
        (("git", "checkout", "--", "file"), ("git", "checkout", "--", "file"), {}),
        (("--", "env", "--", "ls"), ("env", "--", "ls"), {}),
    ],
)
def test_where_the_program_begins(
    kuke: Kuke,
    memory: MemoryClient,
    monkeypatch: pytest.MonkeyPatch,
    line: Sequence[str],
    program: tuple[str, ...],
    options: dict[str, Any],
) -> None:
    memory.put(WEB)
    asked: list[Program] = []

    def run(client: MemoryClient, container: model.Ref, wanted: Program) -> int:
        assert container == WEB.child("web")
        asked.append(wanted)
        return 3

    monkeypatch.setattr("kukeon_cli.commands.exec.run", run)
    assert kuke("exec", "web", *line).code == 3
    assert asked[0].command == program
    assert {name: getattr(asked[0], name) for name in options} == options
    before = [each for each in line[: line.index(program[0])] if each != "--"]
    if len(line) > len(program) and "--" not in before:
        assert kuke("exec", *before, "web", *line[line.index(program[0]) :]).code == 3
        assert asked[1] == asked[0]


def test_a_program_is_needed(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(WEB)
    for line in (("web",), ("web", "-c", "web"), ("web", "--")):
        result = kuke("exec", *line)
        assert (result.code, result.out) == (2, "")
        assert "missing argument '-- COMMAND...'" in result.err
