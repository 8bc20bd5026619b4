"""What the reference shows: command lines that can be typed, for every command."""

from __future__ import annotations

import shlex

import click
import pytest

from kukeon_cli import examples, main

LINES = [line for shown in examples.EXAMPLES.values() for _, line in shown]


def test_every_command_has_an_example() -> None:
    assert set(examples.EXAMPLES) == {entry.name for entry in main.cli.entries}


@pytest.mark.parametrize("line", LINES)
def test_an_example_can_be_typed(line: str) -> None:
    words = shlex.split(line.replace("source <(", "").rstrip(")"))
    words = words[words.index("kuke") :]
    context = main.cli.make_context("kuke", words[1:])
    command: click.Command = main.cli
    while isinstance(command, click.Group):
        rest = [*context._protected_args, *context.args]
        if not rest:
            assert any(context.params.values()), "a bare group does nothing"
            break
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None
        command, context = found, found.make_context(name, rest, parent=context)
