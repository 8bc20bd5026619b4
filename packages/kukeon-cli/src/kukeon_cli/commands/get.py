"""`kuke get`: what is there, one resource or many."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options, tree

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_api import model
    from kukeon_api.model import Kind, Ref
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
    "Cell": ("cells -o wide", "cells -l app=web,tier!=test", "cell web -o yaml > web.yaml"),
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


def resource(client: Client, kind: Kind, name: str, scope: Scope, out: Output, *, controllers: bool = False) -> None:
    """Print one realm, space, stack or cell; raises the `NotFound` of its kind."""
    from kukeon_cli import columns, resources

    doc = resources.get(client, scope.at(kind, name))
    out.document(doc, columns.of(kind, _now(), controllers=controllers))
    if doc.status is not None and str(doc.status.state) in _UNWELL:
        _note(out, columns.message(doc))


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


def container(client: Client, name: str, scope: Scope, out: Output) -> None:
    """Print one container; raises `CellNotFound` and `ContainerNotFound`."""
    from kukeon_cli import columns, resources

    ref = scope.at("Container", name)
    assert ref.parent is not None
    cell = resources.get_cell(client, ref.parent)
    for row in resources.containers(cell):
        if row.doc.metadata.name == ref.name:
            out.document(row.doc, columns.of("Container", _now()), row)
            if str(row.status.state) in _UNWELL:
                _note(out, row.status.message or row.status.reason or columns.message(cell))
            return
    raise resources.missing(client, ref)


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


def image(client: Client, ref: str, realm: str | None, out: Output) -> None:
    """Print one image; raises `ImageNotFound`."""
    from kukeon_cli import columns, resources
    from kukeon_cli.output import Format

    where = resources.realm_of(realm)
    found = resources.get_image(client, where, ref)
    row = resources.RealmImage(where, found)
    if out.format in (Format.TABLE, Format.WIDE):
        out.rows([row], columns.images(_now()))
    else:
        out.result(row.fields(), (), (f"image/{found.name}",))


def _watch(
    client: Client,
    kind: Kind,
    name: str | None,
    scope: Scope,
    out: Output,
    *,
    selector: str | None,
    controllers: bool,
) -> None:
    """Print the resources meant, and each again that changes; Ctrl-C is how it ends."""
    from kukeon_api import model
    from kukeon_cli import resources, selection, watching

    ref = None if name is None else scope.at(kind, name)
    if ref is not None:
        scope = resources.Scope(*ref.parts[:4]) if kind == "Container" else resources.Scope(*ref.parts[:-1])
        _there(client, ref)
    chosen = None if selector is None else selection.parse(selector)

    def wanted(doc: model.Doc) -> bool:
        if ref is not None:
            return model.ref_of(doc) == ref
        return chosen is None or chosen.matches(doc.metadata.labels)

    try:
        watching.Watch(client, kind, scope, out, wanted=wanted, now=_now, controllers=controllers).run()
    except KeyboardInterrupt:
        return


def _there(client: Client, ref: Ref) -> None:
    """Raise the `NotFound` of `ref` when it is not there."""
    from kukeon_cli import resources

    if ref.kind != "Container":
        resources.get(client, ref)
        return
    assert ref.parent is not None
    cell = resources.get_cell(client, ref.parent)
    if all(row.doc.metadata.name != ref.name for row in resources.containers(cell)):
        raise resources.missing(client, ref)


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
        session: Session, name: str | None, output: str, selector: str | None, watch: bool, **given: Any
    ) -> None:
        from kukeon_cli import resources

        if name is not None and selector is not None:
            raise click.UsageError("give a name or -l/--selector, not both")

        controllers = given.pop("show_controllers", False)
        scope = resources.Scope(**given)
        out = session.output(output)
        if watch:
            _watch(session.client, kind, name, scope, out, selector=selector, controllers=controllers)
            return
        if kind == "Container":
            if name is None:
                containers(session.client, scope, out, selector=selector)
            else:
                container(session.client, name, scope, out)
        elif name is None:
            resources_of(session.client, kind, scope, out, selector=selector, controllers=controllers)
        else:
            resource(session.client, kind, name, scope, out, controllers=controllers)

    function: Callable[..., Any] = click.pass_obj(callback)
    function = click.option("-w", "--watch", is_flag=True, help="Go on with what changes, until Ctrl-C.")(function)
    if kind != "Container":
        function = click.option("--show-controllers", is_flag=True, help="Add the delegated cgroup controllers.")(
            function
        )
    function = options.output("KUKE_GET_OUTPUT")(function)
    function = options.selector(function)
    function = options.scope(*_PARENTS[kind], filters=True)(function)
    function = options.name(noun, required=False, variable=f"KUKE_GET_{kind.upper()}_NAME")(function)
    named = f"One {noun} by its name is looked up in the default scope where no flag says another."
    examples = "\n".join(f"    kuke get {line}" for line in _EXAMPLES[kind])
    text = f"{entry.help}\n\nWithout a name: all. {named}\n\n\b\n{examples}"
    return click.command(noun, cls=lazy.Command, help=text)(function)


realm = _command("Realm")
space = _command("Space")
stack = _command("Stack")
cell = _command("Cell")
container_command = _command("Container")


@click.command("image", cls=lazy.Command)
@options.name("image", parameter="ref", shown="REF", required=False, variable="KUKE_GET_IMAGE_NAME")
@options.scope("realm", filters=True)
@options.output("KUKE_GET_OUTPUT")
@click.pass_obj
def image_command(session: Session, ref: str | None, realm: str | None, output: str) -> None:
    """Images of realms.

    Without a reference: those of every realm. One image is looked up in the realm `default` unless --realm says
    another.

    \b
        kuke get images
        kuke get image app:1 --realm default -o json
    """
    out = session.output(output)
    if ref is None:
        images(session.client, realm, out)
    else:
        image(session.client, ref, realm, out)


group = lazy.LazyGroup("get", entries=tree.GET, later=tree.LATER, help="Show one resource or many.")
