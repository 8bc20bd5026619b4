"""`kuke describe`: everything about resources, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kukeon_api import model
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


def describe(client: Client, refs: Sequence[Ref], out: Output) -> int:
    """Print what resources are, how they are, and what happened to each last; return the exit code.

    Raises the `NotFound` of a single one.
    """
    from kukeon_cli import resources, several

    done, code = several.tried(refs, lambda ref: _found(client, ref))
    if done:
        values = [{"resource": resources.of_row(row), "events": events or []} for _, (row, events) in done]
        names = [resources.name_of(resources.of_row(row)) for _, (row, _) in done]
        out.result(several.one_or_many(values, len(refs)), _lines([found for _, found in done]), names)
    return code


def _found(client: Client, ref: Ref) -> tuple[Any, list[model.Event] | None]:
    """Return the resource, of a container with its cell, and its events. Raises `NotFound`."""
    from kukeon_cli import description, resources

    return resources.row(client, ref), description.events_of(client, ref)


def _lines(found: Sequence[tuple[Any, list[model.Event] | None]]) -> Iterator[str]:
    import datetime as dt

    from kukeon_cli import description

    for number, (row, events) in enumerate(found):
        if number:
            yield ""
        yield from description.lines(row, events, dt.datetime.now(dt.UTC))


def _command(kind: Kind) -> click.Command:
    noun = kind.lower()
    entry = next(entry for entry in tree.DESCRIBE if entry.name == noun)

    def callback(session: Session, names: tuple[str, ...], output: str, **given: Any) -> int:
        from kukeon_cli import resources

        scope = resources.Scope(**given)
        refs = [scope.at(kind, name) for name in options.names_given(names)]
        return describe(session.client, refs, session.output(output))

    function: Callable[..., Any] = click.pass_obj(callback)
    function = options.output()(function)
    function = options.scope(*_PARENTS[kind])(function)
    function = options.name(noun, many=True, variable=f"KUKE_DESCRIBE_{kind.upper()}_NAME")(function)
    text = f"{entry.help}\n\n\b\n    kuke describe {_EXAMPLES[kind]}"
    return click.command(noun, cls=lazy.Command, help=text)(function)


realm = _command("Realm")
space = _command("Space")
stack = _command("Stack")
cell = _command("Cell")
container = _command("Container")

group = lazy.LazyGroup(
    "describe",
    entries=tree.DESCRIBE,
    instead=tree.DESCRIBE_INSTEAD,
    later=tree.LATER,
    help="Tell everything about resources.",
)
