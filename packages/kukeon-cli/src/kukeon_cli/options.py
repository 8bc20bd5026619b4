"""Options that many commands share. Imports click only: `kuke --help` needs this module.

Global options may stand before or after the command's name. Wherever they stand they are remembered in the session;
`settings` decides what they mean.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from kukeon_cli.session import Session

    Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

FORMATS = ("table", "wide", "yaml", "json", "name")
LOG_LEVELS = ("debug", "info", "warn", "error")

# name, flags, environment, help, extra
_GLOBALS: tuple[tuple[str, tuple[str, ...], str, str, dict[str, Any]], ...] = (
    ("host", ("--host",), "KUKEON_HOST", "Address of kukeond.", {"metavar": "ADDRESS"}),
    (
        "run_path",
        ("--run-path",),
        "KUKEON_RUN_PATH",
        "Run path of the instance to talk to.",
        {"metavar": "DIRECTORY"},
    ),
    ("configuration", ("--configuration",), "KUKE_CONFIGURATION", "Settings file of kuke.", {"metavar": "FILE"}),
    (
        "verbose",
        ("-v", "--verbose"),
        "KUKEON_VERBOSE",
        "Say on stderr what is being done.",
        {"is_flag": True},
    ),
    (
        "log_level",
        ("--log-level",),
        "KUKEON_LOG_LEVEL",
        "With --verbose: how much.",
        {"type": click.Choice(LOG_LEVELS)},
    ),
)


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    # None or False: not given here, perhaps given elsewhere on the line.
    if value in (None, False):
        return
    session: Session | None = ctx.obj
    if session is not None and param.name is not None:
        session.flags[param.name] = value


def _globals(*, hidden: bool) -> tuple[click.Option, ...]:
    made = []
    for name, flags, variable, text, extra in _GLOBALS:
        made.append(
            click.Option(
                [*flags, name],
                help=f"{text}  [env: {variable}]",
                expose_value=False,
                callback=_remember,
                allow_from_autoenv=False,
                hidden=hidden,
                **extra,
            )
        )
    return tuple(made)


@functools.cache
def hidden_globals() -> tuple[click.Option, ...]:
    """The global options for every command but `kuke` itself, whose help lists them."""
    return _globals(hidden=True)


@functools.cache
def root_globals() -> tuple[click.Option, ...]:
    """The global options of `kuke` itself."""
    return _globals(hidden=False)


def output(*envvars: str) -> Decorator:
    """Add `-o/--output`; the value arrives as `output`. Each command reads KUKE_<COMMAND>_OUTPUT beside `envvars`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default="table",
        envvar=list(envvars) or None,
        help="How to print the result.  [default: table]",
    )


def scope(*kinds: str, filters: bool = False, variables: str = "") -> Decorator:
    """Add `--realm`, `--space`, ...; the values arrive under these names, None where unset.

    `filters`: unset means all, not `default`. `variables` is a further prefix of environment names.
    """

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        for kind in reversed(kinds):
            unset = "all" if filters else ("required" if kind == "cell" else "default")
            function = click.option(
                f"--{kind}",
                metavar="NAME",
                default=None,
                envvar=f"{variables}_{kind.upper()}" if variables else None,
                help=_scope_help(kind, unset),
                shell_complete=completion(kind),
            )(function)
        return function

    return add


def _scope_help(kind: str, unset: str) -> str:
    if unset == "all":
        return f"Only in this {kind}.  [default: all]"
    return f"The {kind} it is in." if unset == "required" else f"The {kind} it is in.  [default: {unset}]"


def name(
    kind: str, *, required: bool = True, many: bool = False, variable: str | None = None, complete: bool = True
) -> Decorator:
    """Add the positional name, or names, of a `kind`; they arrive as `name`, or `names`."""
    shown = "NAME..." if many else "NAME"
    return click.argument(
        "names" if many else "name",
        metavar=shown if required else f"[{shown}]",
        required=required,
        nargs=-1 if many else 1,
        envvar=variable,
        shell_complete=completion(kind) if complete else None,
    )


def completion(kind: str) -> Callable[[click.Context, click.Parameter, str], list[Any]]:
    """Return a completer for names of `kind`; it asks kukeond and says nothing when that fails."""

    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
        from kukeon_cli import completion as names

        return list(names.complete(ctx, kind, incomplete))

    return complete


def names_given(values: Iterable[str]) -> tuple[str, ...]:
    """Return `values` trimmed, in order, each once."""
    return tuple(dict.fromkeys(value.strip() for value in values))


def server_configuration(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add `--server-configuration`, kukeond's settings file."""
    return click.option(
        "--server-configuration",
        metavar="FILE",
        default=None,
        envvar="KUKEOND_CONFIGURATION",
        help="Settings file of kukeond.  [default: /etc/kukeon/kukeond.yaml, or kukeond.yaml in another run path]",
    )(function)
