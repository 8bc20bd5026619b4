"""The options of `kuke` itself. Imports click only: `kuke --help` needs this module.

They may stand before or after a command's name. Wherever they stand they are remembered in the session; `settings`
decides what they mean.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from kukeon_cli.session import Session

LOG_LEVELS = ("debug", "info", "warn", "error")

# name, flags, environment, help, extra
_GLOBALS: tuple[tuple[str, tuple[str, ...], str, str, dict[str, Any]], ...] = (
    ("host", ("--host",), "KUKEON_HOST", "Address of kukeond.", {"metavar": "ADDRESS"}),
    (
        "run_path",
        ("--run-path",),
        "KUKEON_RUN_PATH",
        "Run path of the instance meant; an option like this works in this process.",
        {"metavar": "DIRECTORY"},
    ),
    (
        "no_daemon",
        ("--no-daemon",),
        "KUKEON_NO_DAEMON",
        "Work in this process, without kukeond.",
        {"is_flag": True},
    ),
    (
        "containerd_socket",
        ("--containerd-socket",),
        "KUKEON_CONTAINERD_SOCKET",
        "Without kukeond: socket of the host's containerd.",
        {"metavar": "PATH"},
    ),
    (
        "timeout",
        ("--timeout",),
        "KUKEON_TIMEOUT",
        "How long a call may take, like 90s; 0 is no limit.",
        {"metavar": "DURATION"},
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


def remember(ctx: click.Context, param: click.Parameter, value: Any) -> None:
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
                callback=remember,
                allow_from_autoenv=False,
                hidden=hidden,
                **extra,
            )
        )
    return tuple(made)


@functools.cache
def hidden() -> tuple[click.Option, ...]:
    """The global options for every command but `kuke` itself, whose help lists them."""
    return _globals(hidden=True)


@functools.cache
def root() -> tuple[click.Option, ...]:
    """The global options of `kuke` itself."""
    return _globals(hidden=False)
