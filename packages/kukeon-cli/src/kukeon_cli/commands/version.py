"""`kuke version`: which kuke this is, and which kukeond answers it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

import kukeon_cli
from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_TIMEOUT_S = 2.0


def version(client: Client, out: Output, *, strict: bool) -> int:
    """Print both versions and return the exit code.

    A kukeond that does not answer, or has another version, is an error with `strict` only.
    """
    from kukeon_api import errors

    code = 0
    try:
        answer, trouble = client.ping(timeout=_TIMEOUT_S).version, ""
    except errors.KukeonError as exc:
        answer, trouble, code = "", exc.message, exc.exit_code
    value = {"client": kukeon_cli.__version__, "daemon": answer or None, "error": trouble or None}
    lines = [f"Client: {kukeon_cli.__version__}", f"Daemon: {answer or f'unavailable ({trouble})'}"]
    out.result(value, lines, [f"kuke/{kukeon_cli.__version__}"])
    if answer and answer != kukeon_cli.__version__:
        code = errors.Conflict.exit_code
        out.stream.flush()
        print("warning: kuke and kukeond have different versions", file=sys.stderr)
    return code if strict else 0


def own(out: Output) -> None:
    """Print this kuke's version, the only word on the only line."""
    out.result({"client": kukeon_cli.__version__}, [kukeon_cli.__version__], [f"kuke/{kukeon_cli.__version__}"])


@click.command("version", cls=lazy.Command)
@click.option("--client", is_flag=True, help="Only that of this kuke, as one word; so does --no-daemon.")
@click.option("--strict", is_flag=True, help="Fail when kukeond has another version, or does not answer.")
@options.output()
@click.pass_obj
def command(session: Session, /, client: bool, strict: bool, output: str) -> int:
    """Print the versions of kuke and kukeond.

    With --strict it exits with 5 when they differ, and with 8 when kukeond does not answer.
    """
    # A run path alone says which kukeond is meant.
    if client or session.settings.in_process_by in ("--no-daemon", "KUKEON_NO_DAEMON"):
        own(session.output(output))
        return 0
    return version(session.daemon, session.output(output), strict=strict)
