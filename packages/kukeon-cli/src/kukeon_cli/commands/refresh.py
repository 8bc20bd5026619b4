"""`kuke refresh`: every status as the host is now."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kukeon_api import model
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_NAMED = 5
"""How many of a kind are named."""
_KINDS = ("realms", "spaces", "stacks", "cells", "containers")


def refresh(client: Client, out: Output) -> int:
    """Have every status derived anew and print what was found; return the exit code."""
    from kukeon_cli import failures, interruption, terminal

    with interruption.kukeond_goes_on("kuke get cells"), terminal.Progress("refreshing"):
        result = client.refresh_all()
    found = [getattr(result, f"{kind}_found") for kind in _KINDS]
    names = [
        f"{kind[:-1]}/{path.rpartition('/')[2]}" for kind, paths in zip(_KINDS, found, strict=True) for path in paths
    ]
    out.result(result, _lines(result), names)
    if not out.for_people:
        for error in result.errors:
            print(f"Error: {terminal.printable(error)}", file=sys.stderr)
    return failures.PARTIAL if result.errors else 0


def _lines(result: model.RefreshAllResult) -> Iterator[str]:
    yield "Refreshed statuses"
    for kind in _KINDS:
        yield _counted(kind, getattr(result, f"{kind}_found"), "")
    updated = [(kind, paths) for kind in _KINDS if (paths := getattr(result, f"{kind}_updated"))]
    yield "Updated:" if updated else "Updated: (none)"
    yield from (_counted(kind, paths, "  ") for kind, paths in updated)
    yield "Errors:" if result.errors else "Errors: (none)"
    yield from (f"  {error}" for error in result.errors)


def _counted(kind: str, paths: Sequence[str], indent: str) -> str:
    named = ", ".join(paths[:_NAMED]) + (", ..." if len(paths) > _NAMED else "")
    return f"{indent}{kind.capitalize()}: {len(paths)}" + (f" ({named})" if named else "")


@click.command("refresh", cls=lazy.Command)
@options.output()
@click.pass_obj
def command(session: Session, output: str) -> int:
    """Look at the host and bring all statuses up to date.

    No spec is changed, nothing is started or stopped. Ends with code 9 when the state of something could not be told.

    \b
        kuke refresh
        kuke refresh -o json
    """
    return refresh(session.client, session.output(output))
