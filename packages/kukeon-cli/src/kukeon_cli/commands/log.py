"""`kuke log`: what a container wrote, from the log file on this host."""

from __future__ import annotations

import stat
import sys
from typing import TYPE_CHECKING, BinaryIO

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kukeon_api.model import Ref
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


def target(client: Client, cell: Ref, container: str | None) -> Ref:
    """Return the container meant: the one named, or the only one of the cell that is not its root container.

    Raises `CellNotFound`, `ContainerNotFound`, or `Invalid` naming the choice when there are several.
    """
    from kukeon_api import errors
    from kukeon_cli import resources

    found = resources.get_cell(client, cell)
    if container is not None:
        ref = cell.child(container.strip())
        known = {row.doc.metadata.name for row in resources.containers(found)}
        if ref.name not in known:
            raise resources.missing(client, ref)
        return ref
    own = [spec.id for spec in found.spec.containers if not spec.root]
    if len(own) == 1:
        return cell.child(own[0])
    if not own:
        raise errors.ContainerNotFound(f"cell {str(cell)!r} has no container with a log")
    raise errors.Invalid(
        f"cannot choose a container of cell {str(cell)!r}: it has {', '.join(sorted(own))}",
        hint="pass -c/--container NAME",
    )


def log(client: Client, container: Ref, *, follow: bool, out: BinaryIO, err: BinaryIO) -> None:
    """Copy what the container wrote: its stdout to `out`, its stderr to `err`; `follow` goes on as it is written."""
    from kukeon_cli import cri, resources

    where = client.log_container(resources.container_document(container))
    path = where.host_log_path or where.host_capture_path
    plain = not where.host_log_path
    for line in lines(path, container, follow=follow):
        entry = cri.Entry(1, line) if plain else cri.parse(line)
        stream = out if entry.descriptor == 1 else err
        stream.write(entry.message)
        if follow:
            stream.flush()


def lines(path: str, container: Ref, *, follow: bool) -> Iterator[bytes]:
    """Yield the lines of the log file; says in words why it can't be read."""
    from kukeon_api import errors
    from kukeon_cli import rotated

    try:
        if follow:
            rotated.wait_until_written(path)
        with rotated.RotatedLog(path) as found:
            yield from found.lines(follow=follow)
    except FileNotFoundError as exc:
        raise errors.Conflict(
            f"container {str(container)!r} has not written a log yet: there is no {path!r}",
            hint=f"see how it is: kuke get container {container.name} --cell {container.cell}",
        ) from exc
    except PermissionError as exc:
        from kukeon_sdk import reach

        hint = reach.permission_hint(path, stat.S_IRGRP)
        raise errors.Denied(f"cannot read the log {path!r}: {exc.strerror}", hint=hint) from exc
    except OSError as exc:
        raise errors.HostError(f"cannot read the log {path!r}: {exc.strerror}") from exc


@click.command("log", cls=lazy.Command)
@options.name("cell", variable="KUKE_LOG_CELL")
@options.scope("realm", "space", "stack")
@click.option("-c", "--container", metavar="NAME", help="The container; needed when the cell has several.")
@click.option("-f", "--follow", is_flag=True, help="Go on as it is written, until Ctrl-C.")
@click.pass_obj
def command(
    session: Session,
    name: str,
    realm: str | None,
    space: str | None,
    stack: str | None,
    container: str | None,
    follow: bool,
) -> int:
    """Print what a container wrote.

    NAME is its cell. Its stdout comes on stdout and its stderr on stderr, rotated files included.

    \b
        kuke log web
        kuke log web -c nginx --follow
    """
    from kukeon_cli import resources

    cell = resources.Scope(realm, space, stack).at("Cell", name)
    chosen = target(session.client, cell, container)
    try:
        log(session.client, chosen, follow=follow, out=sys.stdout.buffer, err=sys.stderr.buffer)
    except KeyboardInterrupt:
        if not follow:
            raise
        # Ctrl-C is how following ends.
    sys.stdout.flush()
    return 0
