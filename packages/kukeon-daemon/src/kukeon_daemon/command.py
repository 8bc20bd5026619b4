"""The commands of `kukeond` but `supervise`: read the command line, do it, turn errors into words and an exit code."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from typing import TYPE_CHECKING, NoReturn

# gRPC installs fork handlers at import; beside other threads they make children crash (grpc/grpc issue 43055).
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
# Its own log goes to stderr past ours.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from kukeon_api import errors, suggest
from kukeon_daemon import config, logs

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str]) -> int:
    """Run `kukeond` with `arguments` and return its exit code."""
    try:
        parsed = _parsed(arguments)
        flags = {name: value for name, value in vars(parsed).items() if name not in ("command", "run")}
        code: int = parsed.run(flags)
    except errors.KukeonError as error:
        sys.stderr.write(f"Error: {logs.printable_lines(str(error))}\n")
        for problem in error.problems:
            sys.stderr.write(f"  {logs.printable(str(problem))}\n")
        if error.hint:
            sys.stderr.write(f"hint: {error.hint}\n")
        return error.exit_code
    return code


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in the words of `kuke`, where argparse prints its usage and ends the process."""

    def error(self, message: str) -> NoReturn:
        raise errors.Invalid(message, hint=_see(self.prog))

    def _check_value(self, action: argparse.Action, value: object) -> None:
        if action.dest == "command" and action.choices is not None and value not in action.choices:
            near = suggest.did_you_mean(str(value), action.choices)
            raise argparse.ArgumentError(None, f"unknown command {value!r}" + (f" ({near})" if near else ""))
        super()._check_value(action, value)


def _see(*words: str | None) -> str:
    return f"see '{' '.join(word for word in words if word)} --help'"


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = _parser()
    parsed, rest = parser.parse_known_args(arguments)
    if parsed.command == "supervise":
        parser.error("'supervise' must come before its options")
    if rest:
        what = "unknown option" if rest[0].startswith("-") else "unexpected argument"
        raise errors.Invalid(f"{what} {rest[0]!r}", hint=_see("kukeond", parsed.command))
    if parsed.command is None:
        parser.error("a command is missing")
    return parsed


def _parser() -> _Parser:
    # The flags are known before and after the command; the later one wins because nothing is set by default.
    shared = _Parser(add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS)
    shared.add_argument(
        "--configuration",
        metavar="FILE",
        help=f"the settings file (default: {config.DEFAULT_CONFIGURATION}) [{config.CONFIGURATION_VARIABLE}]",
    )
    for setting in config.SETTINGS:
        default = setting.default or f"{config.DEFAULT_SOCKET}, or kukeond.sock in another run path"
        if setting.recorded:
            default = f"what the run path was made with, at first {default}"
        help_text = f"{setting.help} (default: {default}) [{setting.variable}]".replace("%", "%%")
        shared.add_argument(setting.flag, dest=setting.name, metavar=setting.metavar, help=help_text)
    parser = _Parser(prog="kukeond", parents=[shared], allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", parser_class=_Parser)
    for name, run, text in (
        ("serve", _serve, "serve in the foreground until SIGTERM"),
        ("supervise", _serve, "run `serve` and start it again when it crashes; must be the first word"),
        ("unit", _unit, "print a systemd unit that runs `serve` with the options given here"),
        ("version", _version, "print the version"),
    ):
        command = commands.add_parser(name, parents=[shared], allow_abbrev=False, description=text, help=text)
        command.set_defaults(run=run)
    return parser


def _serve(flags: dict[str, str]) -> int:
    settings = config.load(flags, os.environ)
    logs.configure(settings.log_level)
    if os.geteuid() != 0:
        raise errors.MustRunAsRoot(
            "cannot serve: kukeond must run as root", hint="run `sudo kukeond serve`, or have systemd start it"
        )
    from kukeon_daemon import serve
    from kukeon_runner import open_controller

    asyncio.run(serve.serve(settings, open_controller, lambda: config.load(flags, os.environ).log_level))
    return 0


def _unit(flags: dict[str, str]) -> int:
    from kukeon_daemon import unit

    config.resolve({**flags}, {}, {}, "")  # a unit with wrong settings would fail at each boot
    names = {setting.name: setting.flag for setting in config.SETTINGS} | {"configuration": "--configuration"}
    sys.stdout.write(unit.text([word for name, value in flags.items() for word in (names[name], value)]))
    return 0


def _version(flags: dict[str, str]) -> int:
    from kukeon_daemon import __version__

    sys.stdout.write(f"kukeond {__version__}\n")
    return 0
