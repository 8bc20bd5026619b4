"""`kuke create`: the group, and what is made by its name alone: realms, spaces and stacks."""

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

_PARENTS: dict[Kind, tuple[str, ...]] = {"Realm": (), "Space": ("realm",), "Stack": ("realm", "space")}

_EXAMPLES: dict[Kind, str] = {
    "Realm": "kuke create realm shop",
    "Space": "kuke create space web --realm shop",
    "Stack": "kuke create stack front --realm shop --space web",
}


def create(client: Client, ref: Ref, out: Output, *, namespace: str = "") -> None:
    """Make sure that the realm, space or stack `ref` exists, and say what of it was there before."""
    from kukeon_cli import creation

    result = creation.make(client, ref, lambda: _call(client, ref, namespace))
    out.result(result, creation.lines(ref, result), [f"{ref.kind.lower()}/{ref.name}"])


def _call(client: Client, ref: Ref, namespace: str) -> Any:
    from kukeon_api import model
    from kukeon_cli import resources

    match resources.document(ref):
        case model.RealmDoc(metadata=metadata):
            return client.create_realm(model.RealmDoc(metadata=metadata, spec=model.RealmSpec(namespace=namespace)))
        case model.SpaceDoc() as space:
            return client.create_space(space)
        case model.StackDoc() as stack:
            return client.create_stack(stack)
        case other:
            raise ValueError(f"a {other.kind} is not created by its name alone")


def _command(kind: Kind) -> click.Command:
    noun = kind.lower()
    entry = next(entry for entry in tree.CREATE if entry.name == noun)

    def callback(session: Session, name: str, output: str, namespace: str = "", **given: Any) -> None:
        from kukeon_cli import resources

        ref = resources.Scope(**given).at(kind, name)
        create(session.client, ref, session.output(output), namespace=namespace)

    function: Callable[..., Any] = click.pass_obj(callback)
    function = options.output()(function)
    if kind == "Realm":
        function = click.option(
            "--namespace", metavar="NAME", default="", help="containerd namespace.  [default: NAME.kukeon.io]"
        )(function)
    function = options.scope(*_PARENTS[kind])(function)
    function = options.name(noun, variable=f"KUKE_CREATE_{kind.upper()}_NAME", complete=False)(function)
    text = f"{entry.help}\n\nWhat exists already is left as it is.\n\n\b\n    {_EXAMPLES[kind]}"
    return click.command(noun, cls=lazy.Command, help=text)(function)


realm = _command("Realm")
space = _command("Space")
stack = _command("Stack")

HELP = """Create a resource by its name and flags.

What exists already is left as it is: to change something, or to describe more than flags can, use `kuke apply`.
"""

_LOADED = "an image is pulled, loaded or built: kuke image pull REF, kuke image load FILE, kuke build -t REF DIRECTORY"
INSTEAD = dict.fromkeys(("image", "images", "img"), _LOADED)

group = lazy.LazyGroup("create", entries=tree.CREATE, instead=INSTEAD, later=tree.LATER, help=HELP)
