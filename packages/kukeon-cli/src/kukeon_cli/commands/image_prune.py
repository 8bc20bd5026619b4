"""`kuke image prune`: images that nobody uses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from kukeon_api import model
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


def prune(client: Client, realm: str, out: Output, *, every: bool, dry_run: bool) -> None:
    """Remove what no cell of the realm uses, or only tell, and print a table of it and what it frees."""
    import sys

    from kukeon_api import errors, model
    from kukeon_cli import quantities, resources, terminal
    from kukeon_cli.output import Column

    with terminal.Progress(f'looking for images to remove from realm "{realm}"'):
        try:
            result = client.prune_images(realm, all=every, dry_run=dry_run)
        except errors.RealmNotFound as exc:
            raise resources.with_hint(client, model.Ref(realm), exc) from exc
    if not out.for_people:
        out.result(result, (), (f"image/{each.name}" for each in result.images))
        return
    columns: list[Column[model.PrunedImage]] = [
        Column("NAME", lambda each: each.name),
        Column("FREES", lambda each: quantities.size(each.size)),
        Column("DIGEST", lambda each: each.digest, wide=True),
    ]
    if result.images:
        out.rows(result.images, columns)
    print(_summary(result, every=every), file=sys.stderr)


def _summary(result: model.PruneImagesResult, *, every: bool) -> str:
    from kukeon_cli import quantities

    count, realm = len(result.images), result.realm
    if not count:
        which = "no image that no cell uses" if every else "no image without a name that no cell uses"
        hint = "" if every else "; --all takes those with a name, too"
        return f'There is {which} in realm "{realm}"{hint}.'
    noun = "image" if count == 1 else "images"
    would = "would be " if result.dry_run else ""
    size = quantities.size(result.reclaimed_bytes)
    return f'{count} {noun} {would}removed from realm "{realm}", {size} {would}freed.'


@click.command("prune", cls=lazy.Command)
@click.option("--all", "-a", is_flag=True, help="Also images that have a name.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be removed.")
@options.scope("realm")
@options.output()
@click.pass_obj
def command(session: Session, all: bool, dry_run: bool, realm: str | None, output: str) -> None:
    """Remove images that no cell uses.

    Without --all: only those that nobody named. What broken off loads and pulls have left goes in any case.

    \b
        kuke image prune --all --dry-run
        kuke image prune --all --realm shop
    """
    from kukeon_cli import resources

    prune(session.client, resources.realm_of(realm), session.output(output), every=all, dry_run=dry_run)
