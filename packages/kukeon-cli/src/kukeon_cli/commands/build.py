"""`kuke build`: have an image built by a program that can, and take it into a realm."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_api import model
    from kukeon_cli.builders import Build
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


def build(client: Client, builder: str, wanted: Build, names: Sequence[str], realm: str, out: Output) -> None:
    """Build an image, load it into the realm under each of `names`, of which the first is its own, and say so."""
    from kukeon_api import errors
    from kukeon_cli import builders
    from kukeon_cli.commands import image

    # A realm that is not there, or a kukeond, is better known before a long build than after it.
    _check_realm(client, realm)
    with builders.built(builder, wanted, os.environ) as archive:
        size = os.fstat(archive.fileno()).st_size
        platform = wanted.platforms[0] if len(wanted.platforms) == 1 else "all" if wanted.platforms else ""
        result = image.send(client, archive, f"{wanted.name!r}", size, realm, platform)
    if wanted.name not in result.images:
        made = ", ".join(map(repr, result.images)) or "an image without a name"
        raise errors.HostError(f"cannot build {wanted.name!r}: {builder} has made {made} instead")
    for name in names[1:]:
        client.tag_image(realm, wanted.name, name)
    _tell(result, builder, names, realm, out)


def _check_realm(client: Client, realm: str) -> None:
    from kukeon_api import errors, model
    from kukeon_cli import resources

    try:
        client.list_images(realm)
    except errors.RealmNotFound as exc:
        raise resources.with_hint(client, model.Ref(realm), exc) from exc


def _tell(result: model.LoadImageResult, builder: str, names: Sequence[str], realm: str, out: Output) -> None:
    import msgspec

    place = f' (namespace "{result.namespace}")' if result.namespace else ""
    lines = [f'built by {builder} and loaded into realm "{realm}"{place}:', *(f"  - {name}" for name in names)]
    out.result(msgspec.structs.replace(result, images=tuple(names)), lines, [f"image/{name}" for name in names])


def _platforms(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    if ctx.resilient_parsing or not value:
        return ()
    from kukeon_api import errors, image_platform

    found = tuple(image_platform.check(word.strip()) for word in value.split(","))
    if "" in found or "all" in found:
        raise errors.Invalid("cannot build for all platforms: a build needs their names", hint="--platform linux/arm64")
    return found


@click.command("build", cls=lazy.Command)
@click.option(
    "-t",
    "--tag",
    "tags",
    metavar="NAME",
    multiple=True,
    required=True,
    help="What the image is called; may be given again, for more names.",
)
@click.option(
    "-f",
    "--file",
    metavar="FILE",
    default="",
    help="How to build it.  [default: Dockerfile or Containerfile in CONTEXT]",
)
@click.option(
    "--build-arg",
    "arguments",
    metavar="NAME[=VALUE]",
    multiple=True,
    help="An ARG of FILE; without a value it is taken from the environment.",
)
@click.option(
    "--platform",
    "platforms",
    metavar="PLATFORM",
    default="",
    callback=_platforms,
    help="What it is to run on, like linux/arm64; buildctl takes several, with commas.  [default: the host's]",
)
@click.option("--target", metavar="STAGE", default="", help="Stop at this stage of FILE.")
@click.option("--no-cache", is_flag=True, help="Do every step anew.")
@click.option(
    "--builder",
    type=click.Choice(["buildctl", "buildah", "docker"]),
    help="Which program builds.  [default: the first of them that is there]",
)
@click.argument("context", metavar="CONTEXT", type=click.Path())
@options.scope("realm")
@options.output()
@click.pass_obj
def command(
    session: Session,
    tags: tuple[str, ...],
    file: str,
    arguments: tuple[str, ...],
    platforms: tuple[str, ...],
    target: str,
    no_cache: bool,
    builder: str | None,
    context: str,
    realm: str | None,
    output: str,
) -> None:
    """Have an image built and load it into a realm.

    CONTEXT is the directory that it is built from. The work is done by BuildKit (buildctl), buildah or docker,
    whichever is installed, on this host and as whoever you are; what they need, like logins for registries, is their
    affair. docker keeps the image as well.

    \b
        kuke build -t app:1 .
        kuke build -t app:1 -f app.Dockerfile --build-arg VERSION=3 --realm shop ./src
    """
    from kukeon_api import errors, image_ref
    from kukeon_cli import builders, resources

    names = tuple(dict.fromkeys(_name(image_ref.parse(tag)) for tag in tags))
    wanted = builders.Build(
        name=names[0],
        context=Path(context),
        file=builders.recipe(Path(context), file),
        arguments=arguments,
        platforms=platforms,
        target=target,
        no_cache=no_cache,
    )
    chosen = builders.choose(builder or "", os.environ)
    if len(platforms) > 1 and chosen != "buildctl":
        raise errors.Unsupported(
            f"cannot build for several platforms with {chosen}",
            hint="use --builder buildctl, or build for one after the other under different names",
        )
    build(session.client, chosen, wanted, names, resources.realm_of(realm), session.output(output))


def _name(ref: object) -> str:
    from kukeon_api import errors, image_ref

    assert isinstance(ref, image_ref.ImageRef)
    if ref.digest:
        raise errors.InvalidImage(
            f"cannot call an image {str(ref)!r}: a digest is not chosen", hint="leave out what begins with @"
        )
    return str(ref)
