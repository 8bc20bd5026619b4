"""`kuke image pull` and `push`: images from and to registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


def pull(client: Client, ref: str, realm: str, out: Output, *, platform: str) -> None:
    """Fetch an image into the realm and say what it is now."""
    from kukeon_cli import quantities, resources, transfers

    login = transfers.login(ref)
    with resources.looking_in_realm(client, realm):
        events = client.pull_image(realm, ref, platform=platform, login=login)
        result = transfers.follow(events, f"pulling {ref}")
    done = "pulled" if result.changed else "up to date:"
    lines = [f'{done} "{result.image}" in realm "{realm}" ({result.digest}, {quantities.size(result.size)})']
    out.result(result, lines, [f"image/{result.image}"])


def push(client: Client, ref: str, destination: str, realm: str, out: Output, *, platform: str) -> None:
    """Send an image of the realm to a registry and say what it is there."""
    from kukeon_cli import quantities, resources, transfers

    login = transfers.login(destination or ref)
    with resources.looking_in(client, realm, ref):
        events = client.push_image(realm, ref, destination=destination, platform=platform, login=login)
        result = transfers.follow(events, f"pushing {destination or ref}")
    done = "pushed" if result.changed else "already there:"
    lines = [f'{done} "{result.image}" from realm "{realm}" ({result.digest}, {quantities.size(result.size)})']
    out.result(result, lines, [f"image/{result.image}"])


@click.command("pull", cls=lazy.Command)
@click.argument("ref", metavar="REF", envvar="KUKE_IMAGE_PULL_REF")
@options.platform("pull")
@options.scope("realm")
@options.output()
@click.pass_obj
def pull_command(session: Session, ref: str, platform: str, realm: str | None, output: str) -> None:
    """Fetch an image from its registry.

    The realm's registry credentials log in; then those that docker keeps for you, then those for kukeond's user.

    \b
        kuke image pull busybox
        kuke image pull registry.example/team/app:1 --realm shop
    """
    from kukeon_cli import resources

    pull(session.client, ref, resources.realm_of(realm), session.output(output), platform=platform)


@click.command("push", cls=lazy.Command)
@options.name("image", parameter="ref", shown="REF", variable="KUKE_IMAGE_PUSH_REF")
@click.argument("destination", metavar="[DESTINATION]", required=False, default="")
@options.platform("push", unset="all that the name stands for")
@options.scope("realm")
@options.output()
@click.pass_obj
def push_command(session: Session, ref: str, destination: str, platform: str, realm: str | None, output: str) -> None:
    """Send an image to a registry.

    Without DESTINATION, to the registry that its name says.

    \b
        kuke image push registry.example/team/app:1
        kuke image push app:1 registry.example/team/app:1 --realm shop
    """
    from kukeon_cli import resources

    where = resources.realm_of(realm)
    push(session.client, ref, destination, where, session.output(output), platform=platform)
