"""kuke: the entry point, the root group and what happens to whatever goes wrong below."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NoReturn

import click

import kukeon_cli
from kukeon_cli import global_options, interruption, lazy, streams, tree
from kukeon_cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

HELP = """Run groups of containers on this host.

A cell is a group of containers that share a network; cells live in stacks, stacks in spaces (networks), spaces in
realms (tenants). Start with `kuke init`, then `kuke apply -f FILE`.
"""

HIDDEN = ("__complete", "__completeNoDesc")
"""Ask how a line may go on: the scripts of `kuke autocomplete`, and tools that know programs written in Go."""

cli = lazy.LazyGroup(
    "kuke",
    entries=tree.ROOT,
    instead=tree.ROOT_INSTEAD,
    later=tree.ROOT_LATER,
    help=HELP,
    params=list(global_options.root()),
    context_settings=SETTINGS,
    epilog="Global options may also follow the command.",
)
click.version_option(kukeon_cli.__version__, "--version", message="%(version)s", allow_from_autoenv=False)(cli)


def run(arguments: Sequence[str], session: Session | None = None) -> int:
    """Run one command line and return its exit code; whatever fails is reported on stderr."""
    session = session or Session()
    try:
        code = _run(arguments, session)
        # A reader that went away is to be noticed here and not by the interpreter's last flush.
        sys.stdout.flush()
    except BaseException as exc:
        from kukeon_cli import failures

        return failures.report(exc, verbose=session.verbose, option=_option(session))
    finally:
        session.close()
    return code


def _run(arguments: Sequence[str], session: Session) -> int:
    if arguments and arguments[0] in HIDDEN:
        from kukeon_cli import completion

        return completion.run(cli, arguments, session)
    return _invoke(arguments, session)


def _option(session: Session) -> str | None:
    from kukeon_api import errors

    try:
        return session.option
    except errors.KukeonError:
        return ""


def _invoke(arguments: Sequence[str], session: Session) -> int:
    # click's own main would keep broken pipes and Ctrl-C to itself.
    try:
        with cli.make_context("kuke", list(arguments), obj=session, auto_envvar_prefix="KUKE") as context:
            result = cli.invoke(context)
    except click.exceptions.Exit as exc:
        return exc.exit_code
    return result if isinstance(result, int) else 0


def main() -> NoReturn:
    """Run `kuke` with this process's arguments and end the process."""
    streams.prepare()
    code = interruption.EXIT_CODE
    try:
        code = run(sys.argv[1:])
    finally:
        # Everything is flushed and closed. Taking the interpreter apart, with gRPC in it, would cost 20 ms more, and
        # would flush a stdout whose reader may be gone. What gets past `run` is a second Ctrl-C.
        os._exit(code)
