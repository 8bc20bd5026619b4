"""`kuke get`: what is there, one resource or many."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options, tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kukeon_api import model
    from kukeon_api.model import Kind
    from kukeon_cli.output import Output
    from kukeon_cli.resources import Scope
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_PARENTS: dict[Kind, tuple[str, ...]] = {
    "Realm": (),
    "Space": ("realm",),
    "Stack": ("realm", "space"),
    "Cell": ("realm", "space", "stack"),
    "Container": ("realm", "space", "stack", "cell"),
}


_EXAMPLES: dict[Kind, tuple[str, ...]] = {
    "Realm": ("realms", "realm default -o yaml"),
    "Space": ("spaces --realm default", "space default -o json"),
    "Stack": ("stacks --space default", "stack default -o yaml"),
    "Cell": ("cells -o wide", "cells -l app=web,tier!=test", "cell web db", "cell web -o yaml > web.yaml"),
    "Container": ("containers --cell web", "container nginx --cell web -o json"),
}

_UNWELL = frozenset({"Failed", "Error", "Unknown", "Degraded", "NotCreated", "Pending"})


def resources_of(
    client: Client, kind: Kind, scope: Scope, out: Output, *, selector: str | None = None, controllers: bool = False
) -> None:
    """Print all realms, spaces, stacks or cells in the scope, or those of them whose labels the selector matches."""
    from kukeon_cli import columns, resources, selection

    docs = resources.listed(client, kind, scope)
    if selector is not None:
        docs = selection.matching(docs, selector)
    out.documents(docs, columns.of(kind, _now(), controllers=controllers))
    if not docs:
        _none(kind, "" if selector is not None else _elsewhere(client, scope))
    _left_out(client)


def named(
    client: Client, kind: Kind, names: Sequence[str], scope: Scope, out: Output, *, controllers: bool = False
) -> int:
    """Print resources by their names and return the exit code; raises the `NotFound` of a single one."""
    from kukeon_cli import columns, resources, several

    done, code = several.tried(names, lambda name: resources.row(client, scope.at(kind, name)))
    rows = [row for _, row in done]
    docs, shown = [resources.of_row(row) for row in rows], columns.of(kind, _now(), controllers=controllers)
    if len(names) == 1:
        out.document(docs[0], shown, rows[0])
    elif rows:
        out.documents(docs, shown, rows)
    for row in rows:
        if message := _trouble(row):
            _note(out, message if len(names) == 1 else f"{resources.of_row(row).metadata.name}: {message}")
    return code


def _trouble(row: Any) -> str:
    """Return what is wrong with a resource, empty when it is well."""
    from kukeon_cli import columns, resources

    if isinstance(row, resources.ContainerRow):
        said = row.status.message or row.status.reason or columns.message(row.cell)
        return said if str(row.status.state) in _UNWELL else ""
    unwell = row.status is not None and str(row.status.state) in _UNWELL
    return columns.message(row) if unwell else ""


def containers(client: Client, scope: Scope, out: Output, *, selector: str | None = None) -> None:
    """Print the containers of all cells in the scope, or those of them whose labels the selector matches."""
    from kukeon_cli import columns, resources, selection

    rows = resources.container_rows(client, scope)
    if selector is not None:
        wanted = selection.parse(selector)
        rows = [row for row in rows if wanted.matches(row.doc.metadata.labels)]
    out.documents([row.doc for row in rows], columns.of("Container", _now()), rows)
    if not rows:
        _none("Container", "" if selector is not None else _elsewhere(client, scope))
    _left_out(client)


def _left_out(client: Client) -> None:
    """Say on stderr what a list has not, because it cannot be read."""
    from kukeon_cli import terminal

    answer = client.ping()
    for line in answer.unreadable:
        print(f"warning: not listed: {terminal.printable(line)}", file=sys.stderr)
    for each in answer.damaged:
        print(f"warning: {terminal.printable(each.message)}", file=sys.stderr)
        if each.hint:
            print(f"hint: {terminal.printable(each.hint)}", file=sys.stderr)


def _elsewhere(client: Client, scope: Scope) -> str:
    """Return a hint when what the innermost of the flags names is in another scope or nowhere, else an empty text."""
    from kukeon_cli import hints

    stated = [
        (level, name) for level in ("cell", "stack", "space", "realm") if (name := getattr(scope, level)) is not None
    ]
    return hints.for_filter(client, *stated[0], scope) if stated else ""


def _note(out: Output, message: str) -> None:
    """Say on stderr what a table has no room for."""
    from kukeon_cli import terminal
    from kukeon_cli.output import Format

    if message and out.format in (Format.TABLE, Format.WIDE):
        out.stream.flush()
        print(f"note: {terminal.printable(message)}", file=sys.stderr)


def images(client: Client, realm: str | None, out: Output) -> None:
    """Print the images of one realm, or of every realm."""
    from kukeon_cli import columns, resources
    from kukeon_cli.output import Format

    if realm is None:
        realms = [doc.metadata.name for doc in resources.listed(client, "Realm")]
    else:
        (realm,) = resources.Scope(realm=realm).filters("realm")
        realms = [realm]
    rows = [row for name in realms for row in resources.images(client, name)]
    rows.sort(key=lambda row: (row.realm, row.image.name))
    if out.format in (Format.TABLE, Format.WIDE):
        if rows:
            out.rows(rows, columns.images(_now()))
    else:
        out.result([row.fields() for row in rows], (), (f"image/{row.image.name}" for row in rows))
    if not rows:
        where = f' in realm "{realm}"' if realm is not None else ""
        print(f"No images found{where}.", file=sys.stderr)


def named_images(client: Client, refs: Sequence[str], realm: str | None, out: Output) -> int:
    """Print images by their references and return the exit code; raises the `ImageNotFound` of a single one."""
    from kukeon_cli import columns, resources, several
    from kukeon_cli.output import Format

    where = resources.realm_of(realm)
    done, code = several.tried(refs, lambda ref: resources.RealmImage(where, resources.get_image(client, where, ref)))
    rows = [row for _, row in done]
    if rows and out.format in (Format.TABLE, Format.WIDE):
        out.rows(rows, columns.images(_now()))
    elif rows:
        value = several.one_or_many([row.fields() for row in rows], len(refs))
        out.result(value, (), [f"image/{row.image.name}" for row in rows])
    return code


def _watch(
    client: Client,
    kind: Kind,
    names: Sequence[str],
    scope: Scope,
    out: Output,
    *,
    selector: str | None,
    controllers: bool,
) -> None:
    """Print the resources meant, and each again that changes; Ctrl-C is how it ends."""
    from kukeon_api import model
    from kukeon_cli import resources, selection, watching

    refs = [scope.at(kind, name) for name in names]
    for ref in refs:
        # All of them are in one place, which the flags say.
        scope = resources.Scope(*ref.parts[:4]) if kind == "Container" else resources.Scope(*ref.parts[:-1])
        resources.row(client, ref)
    chosen = None if selector is None else selection.parse(selector)

    def wanted(doc: model.Doc) -> bool:
        if refs:
            return model.ref_of(doc) in refs
        return chosen is None or chosen.matches(doc.metadata.labels)

    try:
        watching.Watch(client, kind, scope, out, wanted=wanted, now=_now, controllers=controllers).run()
    except KeyboardInterrupt:
        return


def _none(kind: Kind, hint: str = "") -> None:
    print(f"No {kind.lower()}s found.", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


def _command(kind: Kind) -> click.Command:
    noun = kind.lower()
    entry = next(entry for entry in tree.GET if entry.name == noun)

    def callback(
        session: Session, names: tuple[str, ...], output: str, selector: str | None, watch: bool, **given: Any
    ) -> int:
        from kukeon_cli import resources

        if names and selector is not None:
            raise click.UsageError("give names or -l/--selector, not both")

        controllers = given.pop("show_controllers", False)
        scope = resources.Scope(**given)
        out = session.output(output)
        names = options.names_given(names)
        if watch:
            _watch(session.client, kind, names, scope, out, selector=selector, controllers=controllers)
        elif names:
            return named(session.client, kind, names, scope, out, controllers=controllers)
        elif kind == "Container":
            containers(session.client, scope, out, selector=selector)
        else:
            resources_of(session.client, kind, scope, out, selector=selector, controllers=controllers)
        return 0

    function: Callable[..., Any] = click.pass_obj(callback)
    function = click.option("-w", "--watch", is_flag=True, help="Go on with what changes, until Ctrl-C.")(function)
    if kind != "Container":
        function = click.option("--show-controllers", is_flag=True, help="Add the delegated cgroup controllers.")(
            function
        )
    function = options.output("KUKE_GET_OUTPUT")(function)
    function = options.selector(function)
    function = options.scope(*_PARENTS[kind], filters=True)(function)
    function = options.name(noun, many=True, required=False, variable=f"KUKE_GET_{kind.upper()}_NAME")(function)
    where = "Names are looked up in the default scope where no flag says another."
    examples = "\n".join(f"    kuke get {line}" for line in _EXAMPLES[kind])
    text = f"{entry.help}\n\nWithout a name: all. {where}\n\n\b\n{examples}"
    return click.command(noun, cls=lazy.Command, help=text)(function)


realm = _command("Realm")
space = _command("Space")
stack = _command("Stack")
cell = _command("Cell")
container_command = _command("Container")


@click.command("image", cls=lazy.Command)
@options.name("image", parameter="refs", shown="REF", many=True, required=False, variable="KUKE_GET_IMAGE_NAME")
@options.scope("realm", filters=True)
@options.output("KUKE_GET_OUTPUT")
@click.pass_obj
def image_command(session: Session, refs: tuple[str, ...], realm: str | None, output: str) -> int:
    """Images of realms.

    Without a reference: those of every realm. References are looked up in the realm `default` unless --realm says
    another.

    \b
        kuke get images
        kuke get image app:1 --realm default -o json
    """
    out = session.output(output)
    if refs:
        return named_images(session.client, options.refs_given(refs), realm, out)
    images(session.client, realm, out)
    return 0


group = lazy.LazyGroup(
    "get", entries=tree.GET, instead=tree.GET_INSTEAD, later=tree.LATER, help="Show one resource or many."
)
