"""`kuke events`: what happened to resources, and what is happening."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from kukeon_api import model
    from kukeon_cli.output import Column, Output
    from kukeon_cli.resources import Scope
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


def events(
    client: Client, scope: Scope, about: str | None, out: Output, *, since: dt.datetime | None, follow: bool
) -> int:
    """Print the events that kukeond remembers, and with `follow` those that come, until Ctrl-C."""
    from kukeon_api import errors
    from kukeon_cli import happenings

    place, container = _place(scope, about)

    def wanted(event: model.Event) -> bool:
        later = since is None or event.at >= since
        return later and _within(event, place) and (not container or event.ref.split("/")[4:] == [container])

    # All of them, so that the last one says where to go on, even when it is about something else.
    known = happenings.remembered(client)
    shown = [event for event in known if wanted(event)]
    if not follow:
        _all(shown, out)
        return 0
    lines = _Lines(out)
    lines.show(shown)
    with happenings.Happenings(client, since=known[-1].cursor if known else "") as coming:
        try:
            while True:
                event = coming.next()
                if event is not None and (event.type == "Resync" or wanted(event)):
                    lines.show([event])
                if not coming.supported:
                    raise errors.NotSupportedYet("cannot follow events: this kukeond has none")
        except KeyboardInterrupt:
            return 0


def _place(scope: Scope, about: str | None) -> tuple[tuple[str, str, str, str], str]:
    """Return the realm, space, stack and cell that are meant, "" for any, and the container."""
    from kukeon_api import errors
    from kukeon_cli import kinds

    stated = dict(
        zip(("realm", "space", "stack", "cell"), scope.filters("realm", "space", "stack", "cell"), strict=True)
    )
    container = ""
    if about is not None:
        kind, name = kinds.named(about)
        level = kind.lower()
        if level == "container":
            container = name
        elif stated[level] not in ("", name):
            raise errors.Invalid(f"cannot look for {about!r} in {level} {stated[level]!r} (--{level})")
        else:
            stated[level] = name
    return (stated["realm"], stated["space"], stated["stack"], stated["cell"]), container


def _within(event: model.Event, place: Sequence[str]) -> bool:
    parts = event.ref.split("/")
    return all(not name or (depth < len(parts) and parts[depth] == name) for depth, name in enumerate(place))


def columns() -> list[Column[model.Event]]:
    """Return the columns of a table of events."""
    from kukeon_api import model
    from kukeon_cli import quantities
    from kukeon_cli.output import Column

    return [
        Column("TIME", lambda event: quantities.stamp(event.at)),
        Column("TYPE", lambda event: str(event.type), state=True, least=max(map(len, model.EventType))),
        Column("OBJECT", described),
        Column("REASON", lambda event: event.reason or "-"),
        Column("MESSAGE", told),
    ]


def described(event: model.Event) -> str:
    """Return what an event is about: `cell/web`, or `container/web/main` with its cell."""
    parts = event.ref.split("/")
    name = "/".join(parts[-2:]) if event.kind == "Container" else parts[-1]
    return f"{event.kind.lower()}/{name}" if event.kind else "-"


def told(event: model.Event) -> str:
    """Return what an event says, with what is known of the end of a program and of the new state."""
    notes = [event.message]
    if event.exit_code is not None:
        notes.append(f"exit code {event.exit_code}" + (f" ({event.exit_signal})" if event.exit_signal else ""))
    if event.state:
        notes.append(f"now {event.state}")
    return ", ".join(note for note in notes if note)


def _all(shown: Sequence[model.Event], out: Output) -> None:
    if out.for_people:
        if shown:
            out.rows(shown, columns())
        else:
            print("No events found.", file=sys.stderr)
        return
    out.result(list(shown), (), (described(event) for event in shown))


class _Lines:
    """Events one after the other; the table's columns keep their places as long as what stands in them fits."""

    def __init__(self, out: Output) -> None:
        from kukeon_cli.running_table import RunningTable

        self._out = out
        self._table = RunningTable[Any](out, columns())

    def show(self, shown: Iterable[model.Event]) -> None:
        from kukeon_cli import output
        from kukeon_cli.output import Format

        if self._out.for_people:
            self._table.rows(list(shown))
            return
        for event in shown:
            match self._out.format:
                case Format.JSON:
                    self._out.compact(output.data(event))
                case Format.YAML:
                    self._out.line("---")
                    self._out.yaml([output.data(event)])
                case _:
                    self._out.line(described(event))
        self._out.stream.flush()


def _since(ctx: click.Context, param: click.Parameter, value: str | None) -> dt.datetime | None:
    """Return the time that `--since` means: an age like 5m, or a time as in the output."""
    if value is None or ctx.resilient_parsing:
        return None
    from kukeon_api import duration, errors

    try:
        found = dt.datetime.fromisoformat(value)
        return found if found.tzinfo is not None else found.astimezone()
    except ValueError:
        pass
    try:
        return dt.datetime.now(dt.UTC) - dt.timedelta(seconds=duration.parse(value))
    except (errors.Invalid, OverflowError) as exc:
        raise errors.Invalid(
            f"cannot use {value[:64]!r} for --since: it is neither an age nor a time",
            hint="write 5m, 1h30m, or a time like 2026-01-31T12:00:00Z",
        ) from exc


def _about(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[Any]:
    from kukeon_cli.commands import wait

    return wait.complete_named(ctx, param, incomplete)


@click.command("events", cls=lazy.Command)
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens, until Ctrl-C.")
@click.option(
    "--for", "about", metavar="KIND/NAME", shell_complete=_about, help="Only what is about this, or in it: cell/web."
)
@click.option("--since", metavar="AGE|TIME", callback=_since, help="Only what is not older: 5m, 2026-01-31T12:00:00Z.")
@options.scope("realm", "space", "stack", "cell", filters=True)
@options.output()
@click.pass_obj
def command(
    session: Session, /, follow: bool, about: str | None, since: dt.datetime | None, output: str, **given: str | None
) -> int:
    """Show what happened to resources.

    kukeond remembers the last events since it was started. With --follow none is missed, also when kukeond is
    restarted meanwhile; `Resync` stands where events were lost. With --follow, JSON is one object a line.

    \b
        kuke events --for cell/web
        kuke events -f --since 10m -o json
    """
    from kukeon_cli import resources

    return events(session.client, resources.Scope(**given), about, session.output(output), since=since, follow=follow)
