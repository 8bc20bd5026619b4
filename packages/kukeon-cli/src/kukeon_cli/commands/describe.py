"""`kuke describe`: everything about one resource, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options, tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_api.model import Kind, Ref
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_PARENTS: dict[Kind, tuple[str, ...]] = {
    "Realm": (),
    "Space": ("realm",),
    "Stack": ("realm", "space"),
    "Cell": ("realm", "space", "stack"),
    "Container": ("realm", "space", "stack", "cell"),
}
_EXAMPLES: dict[Kind, str] = {
    "Realm": "realm default",
    "Space": "space default",
    "Stack": "stack front --space shop",
    "Cell": "cell web",
    "Container": "container nginx --cell web",
}


def describe(client: Client, ref: Ref, out: Output) -> None:
    """Print what one resource is, how it is, and what happened to it last; raises the `NotFound` of its kind."""
    import datetime as dt

    from kukeon_cli import description, resources

    now = dt.datetime.now(dt.UTC)
    if ref.kind == "Container":
        assert ref.parent is not None
        cell = resources.get_cell(client, ref.parent)
        row = next((each for each in resources.containers(cell) if each.doc.metadata.name == ref.name), None)
        if row is None:
            raise resources.missing(client, ref)
        doc: Any = row.doc
    else:
        row, doc = None, resources.get(client, ref)
    events = description.events_of(client, ref)
    value = {"resource": doc, "events": events or []}
    lines = description.lines(doc if row is None else row, events, now)
    out.result(value, lines, [resources.name_of(doc)])


def _command(kind: Kind) -> click.Command:
    noun = kind.lower()
    entry = next(entry for entry in tree.DESCRIBE if entry.name == noun)

    def callback(session: Session, name: str, output: str, **given: Any) -> None:
        from kukeon_cli import resources

        describe(session.client, resources.Scope(**given).at(kind, name), session.output(output))

    function: Callable[..., Any] = click.pass_obj(callback)
    function = options.output()(function)
    function = options.scope(*_PARENTS[kind])(function)
    function = options.name(noun, variable=f"KUKE_DESCRIBE_{kind.upper()}_NAME")(function)
    text = f"{entry.help}\n\n\b\n    kuke describe {_EXAMPLES[kind]}"
    return click.command(noun, cls=lazy.Command, help=text)(function)


realm = _command("Realm")
space = _command("Space")
stack = _command("Stack")
cell = _command("Cell")
container = _command("Container")

group = lazy.LazyGroup("describe", entries=tree.DESCRIBE, later=tree.LATER, help="Tell everything about one resource.")
