"""What `start`, `stop` and `kill` share: they take cells or containers, by the same words and flags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kukeon_api.model import Kind, Ref
    from kukeon_cli.output import Output
    from kukeon_cli.resources import Scope
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_NOUNS: dict[str, Kind] = {
    **dict.fromkeys(("cell", "cells", "ce"), "Cell"),
    **dict.fromkeys(("container", "containers", "co"), "Container"),
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


def targets(words: Sequence[str], scope: Scope) -> list[Ref]:
    """Return what the words of a command line mean: `[cell|container] NAME...`; without a noun they are cells.

    Raises `Invalid` when there is no name, and `click.UsageError` for --cell where a cell itself is meant.
    """
    from kukeon_api import errors

    kind: Kind = "Cell"
    names = list(words)
    if names and names[0] in _NOUNS:
        kind = _NOUNS[names.pop(0)]
    if not names:
        raise errors.Invalid(f"{kind.lower()} name is required", kind=f"{kind}NameRequired")
    if kind == "Cell" and scope.cell is not None:
        raise click.UsageError("--cell is for containers: put the cell's name behind the command")
    return [scope.at(kind, name) for name in options.names_given(names)]


def perform(client: Client, verb: Verb, refs: Sequence[Ref], out: Output) -> int:
    """Do the verb to each of `refs` and print what was done; return the exit code."""
    from kukeon_cli import resources, several

    def work(ref: Ref) -> Any:
        return call(client, verb, ref)

    done, code = several.each(refs, work, lambda ref: f"{verb.doing} {resources.described(ref)}", "kuke get cells")
    lines = [_line(verb, ref, result) for ref, result in done]
    names = [f"{ref.kind.lower()}/{ref.name}" for ref, _ in done]
    if done:
        out.result(several.one_or_many([result for _, result in done], len(refs)), lines, names)
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


def _line(verb: Verb, ref: Ref, result: Any) -> str:
    parent = ref.parent
    assert parent is not None
    what = f'{ref.kind.lower()} "{ref.name}"'
    if not getattr(result, verb.flag):
        return f"{what[:1].upper()}{what[1:]} {verb.already}"
    return f'{verb.done} {what} from {parent.kind.lower()} "{parent.name}"'


def command(verb: Verb, text: str) -> click.Command:
    """Return the click command of a verb; `text` is its help."""
    upper = verb.name.upper()

    def callback(session: Session, words: tuple[str, ...], output: str, **given: Any) -> int:
        from kukeon_cli import resources

        refs = targets(words, resources.Scope(**given))
        return perform(session.client, verb, refs, session.output(output))

    function: Callable[..., Any] = click.pass_obj(callback)
    function = options.output()(function)
    function = options.scope("realm", "space", "stack", "cell", variables=f"KUKE_{upper}_CELL")(function)
    function = click.argument(
        "words", metavar="[cell|container] NAME...", nargs=-1, shell_complete=options.completion("cell")
    )(function)
    return click.command(verb.name, cls=lazy.Command, help=text)(function)
