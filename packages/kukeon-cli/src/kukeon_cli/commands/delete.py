"""`kuke delete`: a resource and everything on the host that belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kukeon_api.model import Kind, Ref
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_PARENTS: dict[Kind, tuple[str, ...]] = {
    "Realm": (),
    "Space": ("realm",),
    "Stack": ("realm", "space"),
    "Cell": ("realm", "space", "stack"),
}


def delete(client: Client, refs: Sequence[Ref], out: Output, *, cascade: bool = False, force: bool = False) -> int:
    """Delete each of `refs` and say so; return the exit code."""
    from kukeon_cli import resources, several

    def work(ref: Ref) -> Any:
        return _call(client, ref, cascade=cascade, force=force)

    look = f"kuke get {refs[0].kind.lower()}s"
    done, code = several.each(refs, work, lambda ref: f"deleting {resources.described(ref)}", look)
    if done:
        results = several.one_or_many([result for _, result in done], len(refs))
        lines = [f"Deleted {resources.described(ref, 'from')}" for ref, _ in done]
        out.result(results, lines, [f"{ref.kind.lower()}/{ref.name}" for ref, _ in done])
    return code


def _call(client: Client, ref: Ref, *, cascade: bool, force: bool) -> Any:
    from kukeon_api import errors, model
    from kukeon_cli import resources

    try:
        match resources.document(ref):
            case model.RealmDoc() as realm:
                return client.delete_realm(realm, force, cascade)
            case model.SpaceDoc() as space:
                return client.delete_space(space, force, cascade)
            case model.StackDoc() as stack:
                return client.delete_stack(stack, force, cascade)
            case model.CellDoc() as cell:
                return client.delete_cell(cell)
            case other:
                raise ValueError(f"a {other.kind} is not deleted by itself")
    except errors.NotFound as exc:
        raise resources.with_hint(client, ref, exc) from exc


def _command(kind: Kind) -> click.Command:
    noun = kind.lower()
    entry = next(entry for entry in tree.DELETE if entry.name == noun)

    def callback(
        session: Session,
        names: tuple[str, ...],
        output: str,
        cascade: bool = False,
        force: bool = False,
        **given: Any,
    ) -> int:
        from kukeon_cli import resources

        scope = resources.Scope(**given)
        refs = [scope.at(kind, name) for name in options.names_given(names)]
        return delete(session.client, refs, session.output(output), cascade=cascade, force=force)

    function: Callable[..., Any] = click.pass_obj(callback)
    function = options.output()(function)
    if kind != "Cell":
        # A cell has nothing in it that could be kept.
        function = click.option("--force", is_flag=True, help=f"Delete the {noun} whatever is in it.")(function)
        function = click.option("--cascade", is_flag=True, help=f"Delete what is in the {noun} first.")(function)
    function = options.scope(*_PARENTS[kind])(function)
    function = options.name(noun, many=True)(function)
    return click.command(noun, cls=lazy.Command, help=entry.help)(function)


realm = _command("Realm")
space = _command("Space")
stack = _command("Stack")
cell = _command("Cell")

_IN_ITS_CELL = "a container belongs to its cell: take it out of the cell's file and apply that again"
INSTEAD = dict.fromkeys(("container", "containers", "co"), _IN_ITS_CELL)

group = lazy.LazyGroup(
    "delete", entries=tree.DELETE, instead=INSTEAD, help="Delete resources and what belongs to them."
)
