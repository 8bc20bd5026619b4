"""`kuke version`: which kuke this is, and which kukeond answers it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

import kukeon_cli
from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_TIMEOUT_S = 2.0


def version(client: Client, out: Output) -> None:
    """Print both versions; a kukeond that doesn't answer is no error."""
    from kukeon_api import errors

    try:
        answer, trouble = client.ping(timeout=_TIMEOUT_S).version, ""
    except errors.KukeonError as exc:
        answer, trouble = "", exc.message
    value = {"client": kukeon_cli.__version__, "daemon": answer or None, "error": trouble or None}
    lines = [f"Client: {kukeon_cli.__version__}", f"Daemon: {answer or f'unavailable ({trouble})'}"]
    if answer and answer != kukeon_cli.__version__:
        lines.append("warning: kuke and kukeond have different versions")
    out.result(value, lines, [f"kuke/{kukeon_cli.__version__}"])


@click.command("version", cls=lazy.Command)
@options.output()
@click.pass_obj
def command(session: Session, output: str) -> None:
    """Print the versions of kuke and kukeond."""
    version(session.client, session.output(output))
