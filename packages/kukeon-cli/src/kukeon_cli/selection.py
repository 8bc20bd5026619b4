"""Which resources a command line means: those named, or those whose labels a selector matches."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from kukeon_cli import options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_api import model
    from kukeon_api.model import Kind, Ref
    from kukeon_api.selector import Selector
    from kukeon_cli.resources import Scope
    from kukeon_sdk.client import Client


def names(kind: Kind, given: Sequence[str]) -> tuple[str, ...]:
    """Return the names given, each once; raises the `Invalid` of the kind when there is none."""
    from kukeon_api import errors

    if not given:
        raise errors.Invalid(
            f"{kind.lower()} name is required",
            kind=f"{kind}NameRequired",
            hint="give a name, or select by -l LABEL=VALUE",
        )
    return options.names_given(given)


def parse(text: str) -> Selector:
    """Return the selector that `-l` means; raises `Invalid`."""
    from kukeon_api import errors, selector

    try:
        return selector.Selector.parse(text)
    except errors.Invalid as exc:
        raise type(exc)(f"{exc.message} (-l)", kind=exc.kind, hint=exc.hint) from exc


def selected(client: Client, kind: Kind, scope: Scope, text: str, given: Sequence[str] = ()) -> list[Ref]:
    """Return the resources in the scope that the selector matches, sorted; says so on stderr when there are none.

    An unset scope flag means all. Raises `click.UsageError` when names were given as well.
    """
    from kukeon_api import model

    if given:
        raise click.UsageError("give names or -l/--selector, not both")
    found = [model.ref_of(doc) for doc in matching(documents(client, kind, scope), text)]
    if not found:
        print(f"No {kind.lower()}s matched the selector.", file=sys.stderr)
    return found


def documents(client: Client, kind: Kind, scope: Scope) -> Sequence[model.Doc]:
    """Return all resources of a kind in the scope, containers too, sorted by place."""
    from kukeon_cli import resources

    if kind != "Container":
        return resources.listed(client, kind, scope)
    return [row.doc for row in resources.container_rows(client, scope)]


def matching(docs: Sequence[model.Doc], text: str) -> list[model.Doc]:
    """Return the documents whose labels the selector matches."""
    wanted = parse(text)
    return [doc for doc in docs if wanted.matches(doc.metadata.labels)]
