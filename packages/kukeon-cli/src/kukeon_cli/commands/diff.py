"""`kuke diff`: what `kuke apply` would change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kukeon_api import model
    from kukeon_cli.manifests import Source
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


def diff(client: Client, sources: Sequence[Source], out: Output, prune: str = "") -> int:
    """Print what applying the sources would change, and return 0 for nothing, 10 for something, else what failed."""
    from kukeon_api import model
    from kukeon_cli.commands import apply

    result, documents = apply.send(client, sources, apply.Wish(dry_run=True, prune=prune))
    changes = apply.changes(result)
    failed = [each for each in result.resources if each.action is model.ApplyAction.FAILED]
    shown = model.ApplyDocumentsResult(
        resources=tuple(each for each in result.resources if each in [*changes, *failed])
    )
    out.result(shown, _lines(shown), [f"{found.kind.lower()}/{found.name}" for found in changes])
    out.stream.flush()
    return apply.report(result, documents) or (apply.DIFFERENT if changes else 0)


def _lines(result: model.ApplyDocumentsResult) -> Iterator[str]:
    from kukeon_api import model
    from kukeon_cli.commands import apply

    for resource in result.resources:
        would = "would fail" if resource.action is model.ApplyAction.FAILED else f"would be {resource.action}"
        yield f'{resource.kind} "{resource.name}": {would}'
        yield from apply.changed(resource)


@click.command("diff", cls=lazy.Command)
@options.files()
@click.option("--prune", is_flag=True, allow_from_autoenv=False, help="Also what `kuke apply --prune` would remove.")
@options.selector
@options.output()
@click.pass_obj
def command(session: Session, files: tuple[str, ...], prune: bool, selector: str | None, output: str) -> int:
    """Show what `kuke apply` would change.

    Nothing is changed. Ends with code 0 when everything is as the manifests say and with code 10 when something would
    change.

    \b
        kuke diff -f shop.yaml
        kuke diff -f shop/ --prune -l app=shop
    """
    from kukeon_cli import manifests
    from kukeon_cli.commands import apply

    chosen = apply.prune_selector(prune, selector)
    return diff(session.client, manifests.read(files), session.output(output), chosen)
