"""`kuke image pull` and `push`: images from and to registries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_api import model
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


def pull(client: Client, refs: Sequence[str], realm: str, out: Output, *, platform: str) -> int:
    """Fetch images into the realm one after the other, say what each is now, and return the exit code."""
    from kukeon_cli import several
    from kukeon_cli.output import Format

    structured = out.format in (Format.JSON, Format.YAML)

    def fetched(ref: str) -> model.TransferResult:
        result = _pulled(client, ref, realm, platform)
        if not structured:
            # Before the next one, which may take long.
            out.result(result, [_told(result, realm)], [f"image/{result.image}"])
            out.stream.flush()
        return result

    done, code = several.tried(refs, fetched)
    if structured and done:
        out.result(several.one_or_many([result for _, result in done], len(refs)), (), ())
    return code


def _pulled(client: Client, ref: str, realm: str, platform: str) -> model.TransferResult:
    from kukeon_cli import resources, transfers

    login = transfers.login(ref)
    with resources.looking_in_realm(client, realm):
        events = client.pull_image(realm, ref, platform=platform, login=login)
        return transfers.follow(events, f"pulling {ref}")


def _told(result: model.TransferResult, realm: str) -> str:
    from kukeon_cli import quantities

    done = "pulled" if result.changed else "up to date:"
    return f'{done} "{result.image}" in realm "{realm}" ({result.digest}, {quantities.size(result.size)})'


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
@options.name("image", parameter="refs", shown="REF", many=True, variable="KUKE_IMAGE_PULL_REF", complete=False)
@options.platform("pull")
@options.scope("realm")
@options.output()
@click.pass_obj
def pull_command(session: Session, refs: tuple[str, ...], platform: str, realm: str | None, output: str) -> int:
    """Fetch images from their registries.

    The realm's registry credentials log in; then those that docker keeps for you, then those for kukeond's user. One
    that cannot be had keeps none of the others.

    \b
        kuke image pull busybox
        kuke image pull alpine:3 nginx:1
        kuke image pull registry.example/team/app:1 --realm shop
    """
    from kukeon_cli import resources

    names, where = options.refs_given(refs), resources.realm_of(realm)
    return pull(session.client, names, where, session.output(output), platform=platform)


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
