"""What `delete` and `purge` share: the names or the selector, the flags, and one line for each that is gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from kukeon_api.model import Kind, Ref
    from kukeon_cli.lazy import Entry
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

PARENTS: dict[Kind, tuple[str, ...]] = {
    "Realm": (),
    "Space": ("realm",),
    "Stack": ("realm", "space"),
    "Cell": ("realm", "space", "stack"),
    "Container": ("realm", "space", "stack", "cell"),
}


_SELECTED = "With -l: all whose labels match, in every scope that no flag narrows."


@dataclass(frozen=True)
class Switches:
    """`--cascade`: what is inside goes first. `--force`: whatever is inside."""

    cascade: bool = False
    force: bool = False


@dataclass(frozen=True)
class Verb:
    """`delete` or `purge`: how its work is called, the call of the client for one resource, and what to say of it."""

    name: str
    doing: str
    call: Callable[[Client, Ref, Switches], Any]
    lines: Callable[[Ref, Any], Iterable[str]]
    selects: bool = True


def perform(client: Client, verb: Verb, refs: Sequence[Ref], switches: Switches, out: Output, *, many: bool) -> int:
    """Do the verb to each of `refs` and print what was done; return the exit code.

    `many`: programs get a list, however many there are.
    """
    from kukeon_cli import resources, several

    def work(ref: Ref) -> Any:
        return _call(client, verb, ref, switches)

    if not refs:
        out.result([], (), ())
        return 0
    look = f"kuke get {refs[0].kind.lower()}s"
    done, code = several.each(refs, work, lambda ref: f"{verb.doing} {resources.described(ref)}", look)
    if done:
        results = [result for _, result in done]
        lines = [line for ref, result in done for line in verb.lines(ref, result)]
        value = results if many else several.one_or_many(results, len(refs))
        out.result(value, lines, [f"{ref.kind.lower()}/{ref.name}" for ref, _ in done])
    return code


def _call(client: Client, verb: Verb, ref: Ref, switches: Switches) -> Any:
    from kukeon_api import errors
    from kukeon_cli import resources

    try:
        return verb.call(client, ref, switches)
    except errors.NotFound as exc:
        raise resources.with_hint(client, ref, exc) from exc


def command(verb: Verb, kind: Kind, entries: Sequence[Entry], examples: Sequence[str], text: str = "") -> click.Command:
    """Return the click command that does the verb to resources of a kind; `text` is for its help."""
    noun = kind.lower()
    entry = next(entry for entry in entries if entry.name == noun)
    parent = kind not in ("Cell", "Container")

    def callback(
        session: Session,
        names: tuple[str, ...],
        output: str,
        cascade: bool,
        force: bool,
        selector: str | None = None,
        **given: Any,
    ) -> int:
        from kukeon_cli import resources, selection

        ctx = click.get_current_context()
        before = _given_before(ctx, noun, parent=parent)
        switches = Switches(cascade or before.cascade, force or before.force)
        scope = resources.Scope(**given)
        out = session.output(output)
        if selector is None:
            refs = [scope.at(kind, name) for name in selection.names(kind, names)]
        else:
            refs = selection.selected(session.client, kind, scope, selector, names)
        return perform(session.client, verb, refs, switches, out, many=selector is not None)

    function: Callable[..., Any] = click.pass_obj(callback)
    function = options.output()(function)
    function = options.removal(verb.name, noun, parent=parent)(function)
    if verb.selects:
        function = options.selector(function)
    function = options.scope(*PARENTS[kind])(function)
    variable = f"KUKE_{verb.name.upper()}_{noun.upper()}_NAME"
    function = options.name(noun, many=True, required=False, variable=variable)(function)
    shown = "\n".join(f"    kuke {verb.name} {line}" for line in examples)
    paragraphs = [entry.help, text, _SELECTED if verb.selects else "", f"\b\n{shown}"]
    return click.command(noun, cls=lazy.Command, help="\n\n".join(filter(None, paragraphs)))(function)


def _given_before(ctx: click.Context, noun: str, *, parent: bool) -> Switches:
    """Return the switches that stand between the verb and the noun: `kuke delete --cascade realm x`."""
    outer = ctx.parent
    assert outer is not None
    given = Switches(bool(outer.params.get("cascade")), bool(outer.params.get("force")))
    for name in ("cascade", "force"):
        typed = outer.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if typed and not parent:
            raise click.UsageError(f"--{name} is for what has resources inside; a {noun} has none", ctx=ctx)
    return given if parent else Switches()


def outer_options(verb: str) -> list[click.Parameter]:
    """Return the options of the group itself, which hold for all its nouns."""

    def nothing() -> None:
        return

    function: Callable[..., Any] = nothing
    function = options.output(group=True)(function)
    function = options.removal(verb, "resource", parent=True)(function)
    found: list[click.Parameter] = list(reversed(getattr(function, "__click_params__")))  # noqa: B009
    return found
