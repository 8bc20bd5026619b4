"""`kuke log`: what containers wrote, from the files of this host, or through kukeond where these cannot be read."""

from __future__ import annotations

import stat
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kukeon_api import model
    from kukeon_api.logs.selection import Selection
    from kukeon_api.logs.source import Source
    from kukeon_api.model import Ref
    from kukeon_cli import log_lines
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

    Entries = tuple[model.LogEntry, ...]


@dataclass(frozen=True)
class Wish:
    """What to show of a log."""

    follow: bool = False
    tail: int | None = None
    since: str = ""
    previous: bool = False
    times: bool = False


def targets(client: Client, cell: Ref, container: str | None, *, every: bool = False) -> list[Ref]:
    """Return the containers meant: the one named, every one with a log, or the only one there is.

    The root container counts where it is the cell's only one; a root of kukeon's own writes nothing. Raises
    `CellNotFound`, `ContainerNotFound`, or `Invalid` naming the choice when there are several.
    """
    from kukeon_api import errors
    from kukeon_cli import resources

    found = resources.get_cell(client, cell)
    if container is not None:
        ref = cell.child(container.strip())
        known = {row.doc.metadata.name for row in resources.containers(found)}
        if ref.name not in known:
            raise resources.missing(client, ref)
        return [ref]
    own = [spec.id for spec in found.spec.containers if not spec.root]
    roots = [spec.id for spec in found.spec.containers if spec.root]
    if every and own + roots:
        return [cell.child(name) for name in own + roots]
    own = own or roots
    if len(own) == 1:
        return [cell.child(own[0])]
    if not own:
        raise errors.ContainerNotFound(f"cell {str(cell)!r} has no container with a log")
    raise errors.Invalid(
        f"cannot choose a container of cell {str(cell)!r}: it has {', '.join(sorted(own))}",
        hint=f"name one: kuke log {cell.name}{resources.scope_flags(cell)} -c {sorted(own)[0]}; or pass"
        " --all-containers",
    )


def entries(session: Session, container: Ref, wish: Wish) -> Iterator[Entries]:
    """Yield what the container wrote; says in words why that can't be read."""
    import datetime as dt
    from pathlib import PurePath

    from kukeon_api import errors
    from kukeon_api.logs import cri, selection, troubles
    from kukeon_api.logs import source as sources
    from kukeon_cli import resources

    doc = resources.container_document(container)
    where = session.client.log_container(doc)
    terminal = not where.host_log_path
    since = cri.read_since(wish.since, dt.datetime.now(dt.UTC))
    wanted = selection.Selection(tail=wish.tail, since=since, previous=wish.previous)
    troubles.check(container, wanted, follow=wish.follow, terminal=terminal, times=wish.times)
    path = where.host_log_path or where.host_capture_path
    # <cell>/<container>/log, or <cell>/<container>/tty/capture
    home = str(PurePath(path).parents[2 if terminal else 1])
    if session.is_on_this_host:
        begun = False
        try:
            for each in _from_files(container, sources.Source(path, home, terminal), wanted, follow=wish.follow):
                begun = True
                yield each
            return
        except PermissionError as exc:
            if begun or session.settings.in_process:
                from kukeon_sdk import reach

                hint = reach.permission_hint(path, stat.S_IRGRP)
                raise errors.Denied(f"cannot read the log {path!r}: {exc.strerror}", hint=hint) from exc
    yield from batches(session.client, doc, wish)


def batches(client: Client, doc: model.ContainerDoc, wish: Wish) -> Iterator[Entries]:
    """Yield what the container wrote, as kukeond tells it."""
    from kukeon_cli import log_stream

    tail = -1 if wish.tail is None else wish.tail
    if wish.follow and not wish.previous:
        found = log_stream.follow(client, doc, tail=tail, since=wish.since)
    else:
        found = client.logs(doc, follow=wish.follow, tail=tail, since=wish.since, previous=wish.previous)
    for entry in found:
        yield (entry,)


def show(logs: Sequence[tuple[str, Iterator[Entries]]], wish: Wish, to: log_lines.Text | log_lines.Json) -> None:
    """Print logs, several of them as one."""
    from kukeon_cli import several_logs

    found: Iterator[tuple[str, Entries]]
    if len(logs) == 1:
        found = ((logs[0][0], each) for each in logs[0][1])
    else:
        found = (several_logs.at_once if wish.follow else several_logs.merged)(dict(logs))
    for name, each in found:
        to.show(name, each)
        if wish.follow:
            to.flush()
    to.flush()


def _from_files(container: Ref, source: Source, wanted: Selection, *, follow: bool) -> Iterator[Entries]:
    from kukeon_api.logs import reader, troubles
    from kukeon_cli import log_files

    try:
        yield from (log_files.follow if follow else log_files.read)(source, wanted)
    except reader.NoPreviousRun as exc:
        raise troubles.no_previous_run(container) from exc
    except FileNotFoundError as exc:
        raise troubles.nothing_written(container, source.path) from exc
    except PermissionError:
        raise
    except OSError as exc:
        raise troubles.unreadable(source.path, exc) from exc


def _lines(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    if value is None or value.strip().lower() == "all":
        return None
    if not value.strip().isdecimal():
        raise click.BadParameter(f"{value!r} is neither a number of lines nor 'all'", ctx, param)
    return int(value)


@click.command("log", cls=lazy.Command)
@options.name("cell", variable="KUKE_LOG_CELL")
@options.scope("realm", "space", "stack")
@options.container("The container; needed when the cell has several.")
@click.option("--all-containers", is_flag=True, help="Every container; each line begins with its name.")
@click.option(
    "-f", "--follow", is_flag=True, help="Go on as it is written, until Ctrl-C or until the container is gone."
)
@click.option("-n", "--tail", metavar="LINES", callback=_lines, help="Only the last lines.  [default: all]")
@click.option(
    "--since", metavar="TIME", help="Only what is not older: 2026-11-21T10:00:00Z, or 5m for five minutes ago."
)
@click.option("-t", "--timestamps", is_flag=True, help="Begin each line with when it was written.")
@click.option("-p", "--previous", is_flag=True, help="The run before the last start, of what is still kept.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(("text", "json")),
    default="text",
    show_default=True,
    help="Text as it was written, or an object a line.",
)
@click.pass_obj
def command(
    session: Session,
    name: str,
    realm: str | None,
    space: str | None,
    stack: str | None,
    container: str | None,
    all_containers: bool,
    follow: bool,
    tail: int | None,
    since: str | None,
    timestamps: bool,
    previous: bool,
    output: str,
) -> int:
    """Print what a container wrote.

    NAME is its cell. Its stdout comes on stdout and its stderr on stderr, rotated files included. Following goes on
    when the container is started again; Ctrl-C ends it with exit code 0.

    \b
        kuke log web
        kuke log web -c nginx --follow --tail 20
        kuke log web --previous --timestamps
    """
    from kukeon_api import errors
    from kukeon_cli import log_lines, resources

    if container is not None and all_containers:
        raise errors.Invalid("cannot show one container and all of them", hint="pass one of -c and --all-containers")
    cell = resources.Scope(realm, space, stack).at("Cell", name)
    chosen = targets(session.client, cell, container, every=all_containers)
    wish = Wish(follow, tail, since or "", previous, timestamps)
    out, err = sys.stdout.buffer, sys.stderr.buffer
    names = all_containers
    to = log_lines.Json(out) if output == "json" else log_lines.Text(out, err, times=timestamps, names=names)
    try:
        show([(ref.name, entries(session, ref, wish)) for ref in chosen], wish, to)
    except KeyboardInterrupt:
        if not follow:
            raise
        # Ctrl-C is how following ends.
        to.flush()
    return 0
