"""Environment variables: each one that is documented arrives where its flag would, gives way to it, and is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
import pytest

from kukeon_api import model
from kukeon_cli import main
from kukeon_cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator

    from memory_client import MemoryClient

    from conftest import Kuke

SCOPES = {
    "realm": (),
    "space": ("realm",),
    "stack": ("realm", "space"),
    "cell": ("realm", "space", "stack"),
    "container": ("realm", "space", "stack", "cell"),
}
LIFECYCLE = ("start", "stop", "kill", "restart")

Row = tuple[str, tuple[str, ...], str]
"""Variable, command, parameter."""


def scoped() -> Iterator[Row]:
    for verb in ("create", "get", "delete", "purge"):
        for kind, scope in SCOPES.items():
            names = "name" if verb == "create" else "names"
            yield f"KUKE_{verb}_{kind}_NAME".upper(), (verb, kind), names
            yield from ((f"KUKE_{verb}_{kind}_{level}".upper(), (verb, kind, "x"), level) for level in scope)
    for verb in LIFECYCLE:
        for kind in ("cell", "container"):
            yield f"KUKE_{verb}_{kind}_NAME".upper(), (verb, kind), "names"
            yield from ((f"KUKE_{verb}_{kind}_{level}".upper(), (verb, kind), level) for level in SCOPES[kind])
    for level in ("realm", "space", "stack"):
        yield f"KUKE_LOG_{level}".upper(), ("log", "web"), level
        yield f"KUKE_RUN_{level}".upper(), ("run", "-f", "x"), level
    for command in ("load", "delete", "get"):
        yield f"KUKE_IMAGE_{command}_REALM".upper(), ("image", command, "x"), "realm"


TEXTS = [
    *scoped(),
    ("KUKE_LOG_CONTAINER", ("log", "web"), "container"),
    ("KUKE_RUN_FILE", ("run",), "file"),
    *(
        (f"KUKE_CREATE_CONTAINER_{name}", ("create", "container", "x"), name.lower())
        for name in ("IMAGE", "USER", "MEMORY", "CPU_SHARES", "PIDS_LIMIT", "CNI_CONFIG_PATH", "RESTART_POLICY")
    ),
    *(
        (f"KUKE_CREATE_CONTAINER_{name}", ("create", "container", "x"), name.lower())
        for name in ("ARGS", "ENV", "PORTS", "VOLUMES", "NETWORKS", "NETWORK_ALIASES", "LABELS")
    ),
    *(
        (f"KUKE_CREATE_CONTAINER_{name}", ("create", "container", "x"), name.lower())
        for name in ("CAP_ADD", "CAP_DROP", "SECURITY_OPTS", "TMPFS", "COMMAND")
    ),
]
SWITCHES = [
    ("KUKE_DELETE_CASCADE", ("delete", "realm", "x"), "cascade"),
    ("KUKE_DELETE_FORCE", ("delete", "space", "x"), "force"),
    ("KUKE_PURGE_CASCADE", ("purge", "stack", "x"), "cascade"),
    ("KUKE_PURGE_FORCE", ("purge", "realm", "x"), "force"),
    ("KUKE_LOG_FOLLOW", ("log", "web"), "follow"),
    ("KUKE_RUN_DETACH", ("run", "-f", "x"), "detach"),
    ("KUKE_CREATE_CONTAINER_PRIVILEGED", ("create", "container", "x"), "privileged"),
    ("KUKE_CREATE_CONTAINER_ROOT", ("create", "container", "x"), "root"),
    ("KUKE_CREATE_CONTAINER_READ_ONLY", ("create", "container", "x"), "read_only"),
]
OUTPUTS = [
    ("KUKE_GET_OUTPUT", ("get", "cells")),
    ("KUKE_GET_OUTPUT", ("get", "images")),
    ("KUKE_RUN_OUTPUT", ("run", "-f", "x")),
    ("KUKE_DELETE_OUTPUT", ("delete", "cell", "x")),
    ("KUKE_APPLY_OUTPUT", ("apply", "-f", "x")),
    ("KUKE_DIFF_OUTPUT", ("diff", "-f", "x")),
    ("KUKE_REFRESH_OUTPUT", ("refresh",)),
    ("KUKE_START_CELL_OUTPUT", ("start", "web")),
    ("KUKE_CREATE_CELL_OUTPUT", ("create", "cell", "x")),
    ("KUKE_IMAGE_LOAD_OUTPUT", ("image", "load", "x")),
]


def parsed(line: tuple[str, ...]) -> dict[str, Any]:
    """Return the parameters that the command of a line gets."""
    context = main.cli.make_context("kuke", list(line), obj=Session(environ={}), auto_envvar_prefix="KUKE")
    while isinstance(context.command, click.Group):
        words = [*context._protected_args, *context.args]
        name, command, rest = context.command.resolve_command(context, words)
        assert command is not None
        context = command.make_context(name, rest, parent=context)
    return context.params


@pytest.mark.parametrize(("variable", "line", "parameter"), TEXTS, ids=[row[0] for row in TEXTS])
def test_a_variable_stands_in_for_a_text(
    monkeypatch: pytest.MonkeyPatch, variable: str, line: tuple[str, ...], parameter: str
) -> None:
    monkeypatch.setenv(variable, "value")
    assert parsed(line)[parameter] in ("value", ("value",))


@pytest.mark.parametrize(("variable", "line", "parameter"), SWITCHES, ids=[row[0] for row in SWITCHES])
@pytest.mark.parametrize(("value", "meaning"), [("true", True), ("1", True), ("false", False), ("", False)])
def test_a_variable_stands_in_for_a_switch(
    monkeypatch: pytest.MonkeyPatch, variable: str, line: tuple[str, ...], parameter: str, value: str, meaning: bool
) -> None:
    monkeypatch.setenv(variable, value)
    assert parsed(line)[parameter] is meaning


@pytest.mark.parametrize(("variable", "line"), OUTPUTS)
def test_a_variable_stands_in_for_the_format(
    monkeypatch: pytest.MonkeyPatch, variable: str, line: tuple[str, ...]
) -> None:
    monkeypatch.setenv(variable, "json")
    assert parsed(line)["output"] == "json"
    assert parsed((*line, "-o", "name"))["output"] == "name"


@pytest.mark.parametrize("row", [*TEXTS, *SWITCHES], ids=[row[0] for row in [*TEXTS, *SWITCHES]])
def test_help_shows_the_variable(kuke: Kuke, row: Row) -> None:
    variable, line, _ = row
    out = kuke(*line, "--help", environ={"COLUMNS": "200"}).out
    assert variable in out.replace("\n", " "), out


def test_a_flag_counts_more_than_a_variable(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(model.Ref("blue"))
    environ = {"KUKE_GET_SPACE_REALM": "blue", "KUKE_GET_OUTPUT": "name"}
    assert kuke("get", "spaces", environ=environ).out == ""
    assert kuke("get", "spaces", "--realm", "default", environ=environ).out == "space/default\n"
    assert kuke("get", "spaces", "--realm", "default", "-o", "json", environ=environ).out.startswith("[")


def test_names_may_come_from_the_environment(kuke: Kuke, memory: MemoryClient) -> None:
    memory.put(model.Ref("default", "default", "default", "web"))
    memory.put(model.Ref("default", "default", "default", "api"))
    assert kuke("stop", environ={"KUKE_STOP_CELL_NAME": "web api"}).out.count("Stopped") == 2
    assert kuke("get", "cell", "-o", "name", environ={"KUKE_GET_CELL_NAME": "web"}).out == "cell/web\n"
    assert kuke("stop", "container", environ={"KUKE_STOP_CONTAINER_NAME": "web"}).code == 2


def test_repeated_flags_are_split_like_a_shell_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUKE_CREATE_CONTAINER_ENV", "A=1 'B=two words' C=")
    assert parsed(("create", "container", "x"))["env"] == ("A=1", "B=two words", "C=")


def test_a_variable_that_cannot_be_split_is_named(kuke: Kuke) -> None:
    result = kuke("create", "container", "x", "--cell", "y", environ={"KUKE_CREATE_CONTAINER_ENV": "'secret"})
    assert (result.code, result.out) == (2, "")
    assert "cannot split the environment variable for --env into words: no closing quotation" in result.err
    assert "secret" not in result.err


def test_a_wrong_value_is_an_error_of_usage(kuke: Kuke) -> None:
    for environ in ({"KUKE_GET_OUTPUT": "xml"}, {"KUKE_GET_CELL_SHOW_CONTROLLERS": "perhaps"}):
        result = kuke("get", "cells", environ=environ)
        assert (result.code, result.out) == (2, "")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (("create", "space", "x", "--realm", ""), "realm name is required (--realm)"),
        (("delete", "stack", "x", "--space", ""), "space name is required (--space)"),
        (("start", "x", "--stack", " "), "stack name is required (--stack)"),
        (("get", "container", "x"), "cell name is required (--cell)"),
        (("purge", "container", "x"), "cell name is required (--cell)"),
        (("create", "cell", ""), "cell name is required"),
        (("create", "cell", "a_b"), "cannot use 'a_b' as cell name"),
        (("create", "container", "a/b", "--cell", "c"), "cannot use 'a/b' as container name"),
        (("create", "space", "a_b"), "cannot use 'a_b' as space name"),
        (("create", "stack", "a/b"), "cannot use 'a/b' as stack name"),
        (("get", "cells", "--realm", "../x"), "cannot use '../x' as realm name"),
    ],
)
def test_an_empty_or_wrong_name_is_no_default(kuke: Kuke, line: tuple[str, ...], words: str) -> None:
    result = kuke(*line)
    assert (result.code, result.out) == (2, "")
    assert words in result.err


@pytest.mark.parametrize("verb", ["create", "delete", "purge", "get"])
def test_an_unset_scope_is_the_default_one(kuke: Kuke, memory: MemoryClient, verb: str) -> None:
    memory.put(model.Ref("default", "default", "second"))
    result = kuke(verb, "stack", "second", "-o", "json")
    assert result.code == 0
    assert '"realmId": "default"' in result.out


def test_one_line_has_one_variable_for_each_flag() -> None:
    """No two parameters of a command share a variable, but for the ones that a group hands down."""

    def check(command: click.Command, path: str) -> None:
        from kukeon_cli import lazy, options

        prefix = path.upper().replace(" ", "_").replace("-", "_")
        context = click.Context(command, help_option_names=["-h", "--help"], auto_envvar_prefix=prefix)
        known = [name for param in command.get_params(context) for name in options.variables(context, param)]
        assert len(known) == len(set(known)), path
        if isinstance(command, lazy.LazyGroup):
            for entry in command.entries:
                check(entry.load(), f"{path} {entry.name}")

    check(main.cli, "kuke")
