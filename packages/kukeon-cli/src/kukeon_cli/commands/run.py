"""`kuke run`: one cell from a file, created and started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Sequence

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
    from kukeon_api import errors, model
    from kukeon_cli import failures, interruption, resources, terminal

    cell = the_cell(source, scope)
    ref = model.ref_of(cell)
    found = resources.find(client, ref)
    if isinstance(found, model.CellDoc):
        refuse_drift(client, cell, found, source.name)
    try:
        with (
            interruption.kukeond_goes_on("kuke get cells"),
            terminal.Progress(f"starting {resources.described(ref)}"),
        ):
            result = client.create_cell(cell)
    except failures.HOST_NOT_READY as exc:
        hint = failures.image_hint(ref.realm) if isinstance(exc, errors.ImageNotFound) else exc.hint
        raise errors.CreateCell(exc.message, hint=hint) from exc
    except errors.NotFound as exc:
        assert ref.parent is not None
        raise resources.with_hint(client, ref.parent, exc) from exc
    out.result(result, _lines(result), [resources.name_of(cell)])


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


def _lines(result: model.CreateCellResult) -> Sequence[str]:
    cell = result.cell
    heading = (
        f'Cell "{cell.metadata.name}" '
        f'(realm "{cell.spec.realm_id}", space "{cell.spec.space_id}", stack "{cell.spec.stack_id}")'
    )
    lines = [
        heading,
        f"  - metadata: {_outcome(result.metadata_exists_pre, result.metadata_exists_post)}",
        f"  - cgroup: {_outcome(result.cgroup_exists_pre, result.cgroup_exists_post)}",
        f"  - root container: {_outcome(result.root_container_exists_pre, result.root_container_exists_post)}",
    ]
    for container in result.containers:
        lines.append(f'  - container "{container.name}": {_outcome(container.exists_pre, container.exists_post)}')
    if not result.containers:
        lines.append("  - containers: none defined")
    started = "started" if result.started else "already running" if result.started_post else "not started"
    lines.append(f"  - containers: {started}")
    if cell.status.network is not None and cell.status.network.address:
        lines.append(f"  - address: {cell.status.network.address.partition('/')[0]}")
    return lines


def _outcome(before: bool, after: bool) -> str:
    if not after:
        return "missing"
    return "already existed" if before else "created"


@click.command("run", cls=lazy.Command)
@click.option("-f", "--file", "file", required=True, metavar="FILE", help="File with one Cell, or - for stdin.")
@click.option("-d", "--detach", is_flag=True, help="Leave the cell running and return.")
@options.scope("realm", "space", "stack")
@options.output()
@click.pass_obj
def command(
    session: Session,
    file: str,
    detach: bool,
    realm: str | None,
    space: str | None,
    stack: str | None,
    output: str,
) -> None:
    """Create and start one cell from a file.

    The scope flags stand in for what the file leaves open; what it says counts. A cell of that name that is
    described otherwise is not touched.
    """
    from kukeon_api import errors
    from kukeon_cli import manifests, resources

    if not detach:
        raise errors.NotSupportedYet(
            "cannot run in the foreground: attaching to a cell is not supported yet", hint="pass -d/--detach"
        )
    (source,) = manifests.read([file])
    run(session.client, source, resources.Scope(realm, space, stack), session.output(output))
