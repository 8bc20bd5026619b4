"""`kuke attach`: be the terminal of a container until its program ends or Ctrl-] was typed twice."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from kukeon_api import model
    from kukeon_api.model import Ref
    from kukeon_cli.session import Session


def target(cell: model.CellDoc, container: str | None) -> Ref:
    """Return the container meant: the one named, the cell's `tty.default`, or the only one with a terminal.

    Raises `ContainerNotFound` for one that there isn't, `AttachNotSupported` when there is no terminal to attach to,
    and `Invalid` naming the choice when there are several.
    """
    from kukeon_api import errors, model
    from kukeon_cli import resources

    ref = model.ref_of(cell)
    scope = resources.scope_flags(ref)
    known = [each.id for each in cell.spec.containers]
    attachable = sorted(each.id for each in cell.spec.containers if each.attachable)
    default = cell.spec.tty.default if cell.spec.tty is not None else ""
    named = container.strip() if container is not None else default
    choice = f"it can be attached to {', '.join(attachable)}" if attachable else ""
    if not named and len(attachable) == 1:
        return ref.child(attachable[0])
    if not named and attachable:
        raise errors.Invalid(
            f"cannot choose a container of cell {str(ref)!r}: {', '.join(attachable)} have terminals",
            hint=f"name one: kuke attach {ref.name}{scope} -c {attachable[0]}",
        )
    if not named:
        raise errors.AttachNotSupported(
            f"cannot attach to cell {str(ref)!r}: none of its containers has a terminal",
            hint=f"say 'attachable: true' for one of them and apply; what they write: kuke log {ref.name}{scope}",
        )
    if named not in known:
        raise errors.ContainerNotFound(
            f"cannot find container {named!r} in cell {str(ref)!r}",
            hint=choice or (f"it has {', '.join(sorted(known))}" if known else "it has none"),
        )
    if named not in attachable:
        raise errors.AttachNotSupported(
            f"cannot attach to container {str(ref.child(named))!r}: it has no terminal (attachable is not true)",
            hint=choice or f"what it writes: kuke log {ref.name}{scope} --container {named}",
        )
    return ref.child(named)


def attach(session: Session, container: Ref) -> bool:
    """Be the terminal of `container`; True when its program has ended, False when somebody left it.

    Raises `Invalid` unless there is a person: a keyboard and a screen.
    """
    from kukeon_api import errors
    from kukeon_cli import attaching, resources, terminal
    from kukeon_sdk import interaction

    if not (terminal.is_terminal(sys.stdin) and terminal.is_terminal(sys.stdout)):
        raise errors.Invalid(
            "cannot attach: stdin and stdout must be a terminal",
            hint=f"to see what it shows: kuke log {container.cell}{resources.scope_flags(container)} --container"
            f" {container.name} --follow",
        )
    told = f"Attached to {container}. Leave it with Ctrl-] Ctrl-]."
    return attaching.attach(session, container, told).how is interaction.How.ENDED


@click.command("attach", cls=lazy.Command)
@options.name("cell", variable="KUKE_ATTACH_CELL")
@options.scope("realm", "space", "stack")
@options.container("The container; needed when several have terminals.")
@click.pass_obj
def command(
    session: Session, name: str, realm: str | None, space: str | None, stack: str | None, container: str | None
) -> int:
    """Connect this terminal with that of a container.

    NAME is its cell. Recent output is shown first. Ctrl-] twice leaves; the program goes on. Several may be attached
    at the same time, and kukeond may be restarted meanwhile. The exit code is 0, however the program ends.

    \b
        kuke attach web
        kuke attach web -c shell
    """
    from kukeon_cli import attaching, resources

    cell = resources.get_cell(session.client, resources.Scope(realm, space, stack).at("Cell", name))
    chosen = target(cell, container)
    if attach(session, chosen):
        print(f"\r\nThe program of {chosen} has ended.", file=sys.stderr)
    else:
        print(attaching.left(chosen), file=sys.stderr)
    return 0
