"""`kuke image tag`: one more name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


def tag(client: Client, ref: str, name: str, realm: str, out: Output) -> None:
    """Have `name` point at the image `ref` and say so."""
    from kukeon_cli import resources

    with resources.looking_in(client, realm, ref):
        result = client.tag_image(realm, ref, name)
    lines = [f'tagged "{ref}" in realm "{realm}" as "{result.image}" ({result.digest})']
    out.result(result, lines, [f"image/{result.image}"])


@click.command("tag", cls=lazy.Command)
@options.name("image", parameter="ref", shown="REF", variable="KUKE_IMAGE_TAG_REF")
@click.argument("name", metavar="NAME")
@options.scope("realm")
@options.output()
@click.pass_obj
def command(session: Session, ref: str, name: str, realm: str | None, output: str) -> None:
    """Give an image one more name.

    When there is an image NAME in the realm, the name moves to REF.

    \b
        kuke image tag app:1 registry.example/team/app:1
    """
    from kukeon_cli import resources

    tag(session.client, ref, name, resources.realm_of(realm), session.output(output))
