"""What `start`, `stop`, `kill` and `restart` share: they take cells or containers, by the same words and flags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, nouns, options, refusals, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kukeon_api.model import Kind, Ref
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_PARENTS: dict[Kind, tuple[str, ...]] = {
    "Cell": ("realm", "space", "stack"),
    "Container": ("realm", "space", "stack", "cell"),
}


@dataclass(frozen=True)
class Verb:
    """A verb: `start`, how its work is called while it goes on and when it is done, and when there was nothing to do.

    The client has a method `<name>_cell` and one `<name>_container`; a result's field `flag` tells whether the call
    changed anything.
    """

    name: str
    doing: str
    done: str
    flag: str
    already: str


def perform(client: Client, verb: Verb, refs: Sequence[Ref], out: Output, *, many: bool) -> int:
    """Do the verb to each of `refs` and print what was done; return the exit code.

    `many`: programs get a list, however many there are.
    """
    from kukeon_cli import resources, several, short_lives

    def work(ref: Ref) -> Any:
        return call(client, verb, ref)

    done, code = several.each(refs, work, lambda ref: f"{verb.doing} {resources.described(ref)}", "kuke get cells")
    lines = [line(verb, ref, result) for ref, result in done]
    if verb.name in ("start", "restart"):
        for _, result in done:
            short_lives.tell(result)
    names = [f"{ref.kind.lower()}/{ref.name}" for ref, _ in done]
    if done or many:
        results = [result for _, result in done]
        out.result(results if many else several.one_or_many(results, len(refs)), lines, names)
    return code


def call(client: Client, verb: Verb, ref: Ref) -> Any:
    """Do the verb to one cell or container; what is not there is reported with a hint."""
    from kukeon_api import errors
    from kukeon_cli import resources

    method = getattr(client, f"{verb.name}_{ref.kind.lower()}")
    try:
        return method(resources.document(ref))
    except errors.NotFound as exc:
        raise resources.with_hint(client, ref, exc) from exc


def line(verb: Verb, ref: Ref, result: Any) -> str:
    """Return what the verb did, for people."""
    parent = ref.parent
    assert parent is not None
    what = f'{ref.kind.lower()} "{ref.name}"'
    if not getattr(result, verb.flag):
        return f"{what[:1].upper()}{what[1:]} {verb.already}"
    return f'{verb.done} {what} from {parent.kind.lower()} "{parent.name}"'


def command(verb: Verb, kind: Kind, text: str) -> click.Command:
    """Return the click command that does a verb to resources of a kind; `text` is its help."""
    noun = kind.lower()

    def callback(session: Session, names: tuple[str, ...], selector: str | None, output: str, **given: Any) -> int:
        from kukeon_cli import resources, selection

        scope = resources.Scope(**given)
        out = session.output(output)
        if selector is None:
            refs = [scope.at(kind, name) for name in selection.names(kind, names)]
            return perform(session.client, verb, refs, out, many=False)
        refs = selection.selected(session.client, kind, scope, selector, names)
        return perform(session.client, verb, refs, out, many=True)

    function: Callable[..., Any] = click.pass_obj(callback)
    function = options.output()(function)
    function = options.selector(function)
    if kind == "Cell":
        function = refusals.elsewhere("--cell", "is for containers: put the cell's name behind the command")(function)
    function = options.scope(*_PARENTS[kind])(function)
    function = options.name(noun, many=True, required=False, variable=f"KUKE_{verb.name.upper()}_{noun.upper()}_NAME")(
        function
    )
    return click.command(noun, cls=lazy.Command, help=text)(function)


def group(verb: Verb, text: str) -> click.Command:
    """Return the group of a verb: its commands for cells and containers, and cells where no noun is said."""
    return nouns.NounGroup(verb.name, entries=tree.lifecycle(verb.name), help=text)
