"""`kuke run`: one cell from a file, created and started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options, refusals

if TYPE_CHECKING:
    from kukeon_api import model
    from kukeon_cli.manifests import Source
    from kukeon_cli.output import Output
    from kukeon_cli.resources import Scope
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


def run(client: Client, source: Source, scope: Scope, out: Output) -> None:
    """Create and start the cell that `source` describes, or start it when it is there already.

    Raises `CellSpecDrift` when the cell that is there is another one, and changes nothing then.
    """
    from kukeon_api import model
    from kukeon_cli import creation, resources

    cell = the_cell(source, scope)
    ref = model.ref_of(cell)
    found = resources.find(client, ref)
    if isinstance(found, model.CellDoc):
        refuse_drift(client, cell, found, source.name)
    result = creation.make(client, ref, lambda: client.create_cell(cell), "starting")
    out.result(result, creation.lines(ref, result), [resources.name_of(cell)])


def the_cell(source: Source, scope: Scope) -> model.CellDoc:
    """Return the one cell in `source`; the scope flags, or `default`, stand in for parents that it leaves out.

    Raises `Invalid` for anything but one cell.
    """
    from kukeon_api import errors, model
    from kukeon_cli import manifests

    documents = manifests.parse([manifests.completed(source, scope.parents())])
    if len(documents) != 1 or not isinstance(documents[0].doc, model.CellDoc):
        held = ", ".join(f'{entry.doc.kind} "{entry.doc.metadata.name}"' for entry in documents)
        raise errors.Invalid(
            f"cannot run {source.name}: it must hold one Cell, and it holds {held}",
            hint=f"kuke apply -f {source.name}",
        )
    return documents[0].doc


def refuse_drift(client: Client, wanted: model.CellDoc, found: model.CellDoc, file: str) -> None:
    """Raise `CellSpecDrift` naming the fields in which the cell that is there differs from the one wanted."""
    from kukeon_api import errors, model
    from kukeon_cli import drift

    place = model.ref_of(wanted)
    metadata, spec = model.Metadata(name=place.space), model.SpaceSpec(realm_id=place.realm)
    space = client.get_space(model.SpaceDoc(metadata=metadata, spec=spec)).space
    fields = drift.differences(wanted, found, space.spec)
    if fields:
        raise errors.CellSpecDrift(
            f"cannot run cell {str(place)!r}: it exists and differs in {', '.join(fields)}",
            hint=f"change it with: kuke apply -f {file}",
        )


@click.command("run", cls=lazy.Command)
@click.option("-f", "--file", "file", required=True, metavar="FILE", help="File with one Cell, or - for stdin.")
@click.option("-d", "--detach", is_flag=True, help="Leave the cell running and return.")
@click.option("--container", metavar="NAME", hidden=True)
@refusals.later("--rm", switch=True)
@refusals.later("-p/--profile", "--from-blueprint", "--from-config", "--clone", instead="describe the cell in a file")
@refusals.later("--param", "--param-file")
@refusals.elsewhere("--name", "is not for -f: the name that the file says counts")
@options.scope("realm", "space", "stack")
@options.output()
@click.pass_obj
def command(
    session: Session,
    file: str,
    detach: bool,
    container: str | None,
    realm: str | None,
    space: str | None,
    stack: str | None,
    output: str,
) -> None:
    """Create and start one cell from a file.

    The scope flags stand in for what the file leaves open; what it says counts. A cell of that name that is
    described otherwise is not touched.

    \b
        kuke run -d -f web.yaml
        kuke run -d -f web.yaml --stack front
    """
    from kukeon_api import errors
    from kukeon_cli import manifests, resources

    if detach and container is not None:
        raise click.UsageError("--container says what to attach to, and -d/--detach not to attach")
    if not detach:
        raise errors.NotSupportedYet(
            "cannot run in the foreground: attaching to a cell is not supported yet", hint="pass -d/--detach"
        )
    (source,) = manifests.read([file])
    run(session.client, source, resources.Scope(realm, space, stack), session.output(output))
