"""The tree of commands and flags, compared with a golden file, and what it costs to print it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from kukeon_cli import lazy, main, options, quantities

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Kuke

GOLDEN = Path(__file__).with_name("tree.txt")


def walk(command: click.Command, path: str, aliases: tuple[str, ...] = ()) -> Iterator[str]:
    """Yield a line per command and one per parameter: all that help pages are made of."""
    prefix = path.upper().replace(" ", "_").replace("-", "_")
    names = ["-h", "--help"]
    context = click.Context(command, info_name=path, help_option_names=names, auto_envvar_prefix=prefix)
    other = f" ({', '.join(aliases)})" if aliases else ""
    yield f"{path}{other}: {(command.help or '').splitlines()[0]}"
    for parameter in command.get_params(context):
        if isinstance(parameter, click.Option) and not parameter.hidden and "--help" not in parameter.opts:
            declared = "/".join([*parameter.opts, *parameter.secondary_opts])
            variables = options.variables(context, parameter)
            env = f" [{', '.join(variables)}]" if variables else ""
            yield f"    {declared}{env}: {parameter.help}"
        elif isinstance(parameter, click.Argument):
            variables = options.variables(context, parameter)
            env = f" [{', '.join(variables)}]" if variables else ""
            yield f"    {parameter.metavar or parameter.name}{env}"
    if isinstance(command, lazy.LazyGroup):
        for entry in command.entries:
            yield from walk(entry.load(), f"{path} {entry.name}", entry.aliases)


def test_the_tree_is_the_golden_one() -> None:
    """With KUKEON_TEST_UPDATE_GOLDEN in the environment the file is written anew: read the difference, then commit."""
    text = "\n".join(walk(main.cli, "kuke")) + "\n"
    if os.environ.get("KUKEON_TEST_UPDATE_GOLDEN"):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


@pytest.mark.parametrize(
    "line",
    [line.split(":")[0].split(" (")[0].split()[1:] for line in GOLDEN.read_text().splitlines() if line[0] != " "],
)
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_of_every_command(kuke: Kuke, line: list[str], flag: str) -> None:
    result = kuke(*line, flag)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("Usage: kuke")


@pytest.mark.parametrize("line", [(), ("get",), ("create",), ("delete",), ("image",), ("daemon",)])
def test_a_bare_group_prints_its_help(kuke: Kuke, line: tuple[str, ...]) -> None:
    result = kuke(*line)
    assert (result.code, result.out) == (0, kuke(*line, "--help").out)


def test_a_table_says_what_its_commands_say() -> None:
    def check(group: lazy.LazyGroup) -> None:
        for entry in group.entries:
            command = entry.load()
            if isinstance(command, lazy.LazyGroup):
                check(command)
            assert command.get_short_help_str(200).rstrip(".") == entry.help.rstrip("."), entry

    check(main.cli)


HEAVY = "grpc google.protobuf msgspec yaml kukeon_api.model kukeon_sdk kukeon_runner asyncio"


@pytest.mark.parametrize(
    ("line", "heavy"),
    [
        (["--help"], HEAVY),
        (["get", "--help"], HEAVY),
        (["get", "cell", "--help"], HEAVY),
        (["--version"], HEAVY),
        (["get", "cells"], "yaml kukeon_runner kukeon_api.manifest asyncio"),
    ],
)
def test_nothing_is_imported_that_is_not_needed(line: list[str], heavy: str, tmp_path: Path) -> None:
    script = (
        "import sys; from kukeon_cli.main import run; run(sys.argv[1].split());"
        "print('LOADED', *[name for name in sys.argv[2].split() if name in sys.modules])"
    )
    command = [sys.executable, "-c", script, " ".join(line), heavy]
    environ = {"HOME": str(tmp_path), "KUKEON_HOST": f"unix://{tmp_path}/none.sock", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1].split() == ["LOADED"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (150, "2m30s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (11000, "3h3m"),
        (28800, "8h"),
        (172799, "47h"),
        (172800, "2d"),
        (180000, "2d2h"),
        (691200, "8d"),
        (63071999, "729d"),
        (63072000, "2y"),
        (63158400, "2y1d"),
        (315360000, "10y"),
    ],
)
def test_ages(seconds: int, text: str) -> None:
    import datetime as dt

    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert quantities.age(now - dt.timedelta(seconds=seconds), now) == text
    assert quantities.age(None, now) == "-"


@pytest.mark.parametrize(
    ("count", "text"),
    [(-1, "-"), (0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1 << 20, "1.0 MiB"), (5 << 40, "5.0 TiB")],
)
def test_sizes(count: int, text: str) -> None:
    assert quantities.size(count) == text
