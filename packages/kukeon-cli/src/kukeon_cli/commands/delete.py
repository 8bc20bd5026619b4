"""`kuke delete`: a resource and everything on the host that belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options, removing, tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kukeon_api.model import Ref
    from kukeon_cli.removing import Switches
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


def _call(client: Client, ref: Ref, switches: Switches) -> Any:
    from kukeon_api import model
    from kukeon_cli import resources

    match resources.document(ref):
        case model.RealmDoc() as doc:
            return client.delete_realm(doc, switches.force, switches.cascade)
        case model.SpaceDoc() as doc:
            return client.delete_space(doc, switches.force, switches.cascade)
        case model.StackDoc() as doc:
            return client.delete_stack(doc, switches.force, switches.cascade)
        case model.CellDoc() as doc:
            return client.delete_cell(doc)
        case model.ContainerDoc() as doc:
            return client.delete_container(doc)


def _lines(ref: Ref, result: Any) -> Iterable[str]:
    from kukeon_cli import resources

    yield f"Deleted {resources.described(ref, 'from')}"


VERB = removing.Verb("delete", "deleting", _call, _lines)

_INSIDE = "One with something inside is refused unless --cascade or --force says otherwise."
_IMAGES = f"Its images go with it. {_INSIDE}"
_PROGRAMS = "Programs are asked to end first, as by `kuke stop`."
_SPEC = "They are taken out of what the cell is to be; applying a file that has them brings them back."

realm = removing.command(VERB, "Realm", tree.DELETE, ("realm shop", "realm shop --cascade"), _IMAGES)
space = removing.command(
    VERB, "Space", tree.DELETE, ("space web --realm shop", "space web --realm shop --cascade"), _INSIDE
)
stack = removing.command(VERB, "Stack", tree.DELETE, ("stack front", "stack -l tier=test --cascade"), _INSIDE)
cell = removing.command(VERB, "Cell", tree.DELETE, ("cell web", "cell -l app=web"), _PROGRAMS)
container = removing.command(VERB, "Container", tree.DELETE, ("container log --cell web",), _SPEC)

HELP = """Delete resources and what belongs to them.

With -f: everything that manifests describe, in the reverse order of `kuke apply`. What is not there is no error then,
so that it may be repeated.

\b
    kuke delete cell web
    kuke delete -f shop.yaml --cascade
"""


class Group(lazy.LazyGroup):
    """`kuke delete KIND NAME` and `kuke delete -f FILE`."""

    def invoke(self, ctx: click.Context) -> Any:
        files = ctx.params.get("files")
        words = [*ctx._protected_args, *ctx.args]
        if files and words:
            raise click.UsageError("give -f/--file or a resource, not both", ctx=ctx)
        if not words and not files:
            raise click.UsageError("say what to delete: KIND NAME, or -f FILE", ctx=ctx)
        if not files:
            return super().invoke(ctx)
        from kukeon_cli import manifests
        from kukeon_cli.commands import delete_files

        session: Session = ctx.obj
        switches = removing.Switches(ctx.params["cascade"], ctx.params["force"])
        out = session.output(ctx.params["output"] or "table")
        return delete_files.delete(session.client, manifests.read(files), switches, out)


def _group() -> Group:
    def nothing() -> None:
        return

    file_option = options.files(required=False)(nothing).__click_params__  # type: ignore[attr-defined]
    return Group(
        "delete",
        entries=tree.DELETE,
        later=tree.LATER,
        help=HELP,
        params=[*file_option, *removing.outer_options("delete")],
        no_args_is_help=False,
        invoke_without_command=True,
    )


group = _group()
