"""`kuke image save`: images as an archive, in a file, a directory or on standard output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options, refusals

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

FORMATS = ("oci", "docker")
STDOUT = "-"


def save(client: Client, refs: Sequence[str], realm: str, to: str, *, platform: str, format: str) -> None:
    """Write an archive of the images to `to`: what was there before stays until the archive is complete."""
    from contextlib import closing

    from kukeon_api import errors
    from kukeon_cli import image_files, quantities, resources, streams, terminal

    label = streams.STDOUT if to == STDOUT else repr(to)
    with terminal.Progress(f"saving to {label}") as progress:

        def pieces() -> Generator[bytes, None, None]:
            count = 0
            with closing(client.save_image(realm, refs, platform=platform, format=format)) as stream:
                for piece in stream:
                    yield piece.data
                    count += len(piece.data)
                    total = quantities.size(piece.total_bytes)
                    progress.update(f"saving to {label}: {quantities.size(count)} of {total}")

        with resources.looking_in(client, realm, refs[0] if len(refs) == 1 else ""), closing(pieces()) as archive:
            try:
                image_files.write(archive, to)
            except BrokenPipeError:
                raise  # who read it has enough, which is no trouble with what was to be written
            except OSError as exc:
                raise errors.HostError(f"cannot write {label}: {exc.strerror}") from exc


@click.command("save", cls=lazy.Command)
@options.name("image", parameter="refs", shown="REF", many=True, variable="KUKE_IMAGE_SAVE_REFS")
@refusals.elsewhere("-o/--output", "is how other commands print results: the archive goes where --to says")
@click.option(
    "--to",
    metavar="PATH",
    default=STDOUT,
    type=click.Path(),
    help="File; directory, when there is one or the name ends with /; or - for standard output.  [default: -]",
)
@click.option("--format", type=click.Choice(FORMATS), default=FORMATS[0], help="Layout.  [default: oci]")
@options.platform("save", unset="all that are there")
@options.scope("realm")
@click.pass_obj
def command(session: Session, refs: tuple[str, ...], to: str, format: str, platform: str, realm: str | None) -> None:
    """Write images of a realm as an archive.

    It is an OCI layout; with --format docker one that docker loads, too. A directory gets the files of the layout.

    \b
        kuke image save app:1 --to app.tar
        kuke image save app:1 db:2 --format docker | docker load
        kuke image save app:1 --to ./layout/
    """
    from kukeon_api import errors
    from kukeon_cli import resources, terminal

    if to == STDOUT and terminal.is_terminal(sys.stdout):
        raise errors.Invalid(
            "cannot write an archive to the terminal", hint="name a file: kuke image save app --to app.tar"
        )
    names = options.refs_given(refs)
    save(session.client, names, resources.realm_of(realm), to, platform=platform, format=format)
