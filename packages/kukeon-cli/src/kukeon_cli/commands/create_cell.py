"""`kuke create cell`: an empty cell, or one with a single container from an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options, refusals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_api import model
    from kukeon_api.model import Ref
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

CONTAINER = "main"
"""The id of the container that a cell made of an image has."""

_PATHS = {
    "metadata.labels": "--label",
    "spec.containers[0].image": "--image",
    "spec.containers[0].imagePullPolicy": "--image-pull-policy",
    "spec.containers[0].env": "--env",
    "spec.containers[0].command": "the command",
    "spec.containers[0].args": "the command's arguments",
}
"""Path in the document -> the flag that it comes from."""


def create(client: Client, doc: model.CellDoc, out: Output, *, no_start: bool) -> None:
    """Make sure that the cell exists and, unless `no_start`, runs; say what of it was there before."""
    from kukeon_api import model
    from kukeon_cli import creation, prefetch, short_lives

    ref = model.ref_of(doc)
    if not no_start:
        prefetch.missing(client, [doc])
    result = creation.make(client, ref, lambda: client.create_cell(doc, no_start), wanted=doc)
    short_lives.tell(result)
    out.result(result, creation.lines(ref, result), [f"cell/{ref.name}"])


def document(
    ref: Ref,
    image: str | None,
    program: Sequence[str],
    env: Sequence[str] = (),
    labels: Sequence[str] = (),
    policy: str | None = None,
) -> model.CellDoc:
    """Return the cell `ref` with one container of `image` that runs `program`; without an image an empty one.

    `policy` says when the image is pulled.
    Raises `Invalid` that names the flag, and `NotSupportedYet`.
    """
    import msgspec

    from kukeon_api import model
    from kukeon_cli import container_flags, resources

    bare = resources.cell_document(ref)
    metadata = msgspec.structs.replace(bare.metadata, labels=container_flags.pairs("--label", labels))
    if image is None:
        if program or env or policy:
            what = "--image-pull-policy is" if policy else "a command and --env are"
            raise click.UsageError(f"{what} for a cell with a container: give --image too")
        return msgspec.structs.replace(bare, metadata=metadata)
    first, *rest = program or ("",)
    container = model.ContainerSpec(
        id=CONTAINER,
        image=image,
        command=first,
        args=tuple(rest),
        env=container_flags.variables(env),
        image_pull_policy=policy or "",
    )
    doc = model.CellDoc(metadata=metadata, spec=msgspec.structs.replace(bare.spec, containers=(container,)))
    container_flags.check(doc, _PATHS)
    return doc


@click.command("cell", cls=lazy.Command)
@options.name("cell", variable="KUKE_CREATE_CELL_NAME", complete=False)
@click.argument("program", metavar="[-- COMMAND [ARG...]]", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--image", metavar="REF", shell_complete=options.completion("image"), help="Have a container of this image."
)
@click.option("--command", metavar="COMMAND", help="What it runs, when no COMMAND follows --.")
@click.option(
    "--env", multiple=True, type=options.Words("--env"), metavar="KEY=VALUE", help="Variable of its environment."
)
@click.option(
    "--label", "labels", multiple=True, type=options.Words("--label"), metavar="KEY=VALUE", help="Label of the cell."
)
@options.image_pull_policy
@click.option("--no-start", is_flag=True, help="Make it, but do not start it.")
@options.ignore_disk_pressure
@options.scope("realm", "space", "stack")
@options.output()
@refusals.described
@refusals.later("--from-blueprint", "--from-config", "--clone", "--param", "--param-file", instead="use kuke apply")
@click.pass_obj
def command(
    session: Session,
    name: str,
    program: tuple[str, ...],
    image: str | None,
    command: str | None,
    env: tuple[str, ...],
    labels: tuple[str, ...],
    image_pull_policy: str | None,
    no_start: bool,
    ignore_disk_pressure: bool,
    realm: str | None,
    space: str | None,
    stack: str | None,
    output: str,
) -> None:
    """Create a cell and start it.

    Without --image it is empty: add containers with `kuke create container`. What exists already is left as it is, but
    started. Cells of several containers are described in a file, see `kuke apply`.

    \b
        kuke create cell web --image nginx
        kuke create cell job --image busybox --env MODE=fast -- sh -c 'echo $MODE'
        kuke create cell later --image nginx --no-start
    """
    from kukeon_cli import resources

    if command is not None:
        if program:
            raise click.UsageError("give --command or a command after --, not both")
        program = (command,)
    ref = resources.Scope(realm, space, stack).at("Cell", name)
    doc = document(ref, image, program, env, labels, image_pull_policy)
    if ignore_disk_pressure:
        doc = resources.ignoring_disk_pressure(doc)
    create(session.client, doc, session.output(output), no_start=no_start)
