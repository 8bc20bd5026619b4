"""`kuke create`: a realm, a space or a stack by its name alone; everything else is `kuke apply`."""

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


def create(client: Client, ref: Ref, out: Output, *, namespace: str = "") -> None:
    """Make sure that the realm, space or stack `ref` exists, and say what of it was there before."""
    from kukeon_api import errors
    from kukeon_cli import interruption, resources, terminal

    try:
        look = f"kuke get {ref.kind.lower()}s"
        with interruption.kukeond_goes_on(look), terminal.Progress(f"creating {resources.described(ref)}"):
            result = _call(client, ref, namespace)
    except errors.NotFound as exc:
        assert ref.parent is not None
        raise resources.with_hint(client, ref.parent, exc) from exc
    out.result(result, _lines(ref, result), [f"{ref.kind.lower()}/{ref.name}"])


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
            raise ValueError(f"a {other.kind} is not created by its name")


def _lines(ref: Ref, result: Any) -> list[str]:
    parts: tuple[tuple[str, str], ...]
    match ref.kind:
        case "Realm":
            namespace = result.realm.spec.namespace
            heading = f'Realm "{ref.name}"' + (f' (namespace "{namespace}")' if namespace else "")
            parts = (("metadata", "metadata"), ("containerd namespace", "containerd_namespace"), ("cgroup", "cgroup"))
        case "Space":
            heading = f'Space "{ref.name}" (realm "{ref.realm}")'
            parts = (("metadata", "metadata"), ("network", "cni_network"), ("cgroup", "cgroup"))
        case _:
            heading = f'Stack "{ref.name}" (realm "{ref.realm}", space "{ref.space}")'
            parts = (("metadata", "metadata"), ("cgroup", "cgroup"))
    return [heading, *(f"  - {label}: {_outcome(result, field)}" for label, field in parts)]


def _outcome(result: Any, field: str) -> str:
    if not getattr(result, f"{field}_exists_post"):
        return "missing"
    return "already existed" if getattr(result, f"{field}_exists_pre") else "created"


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
    return click.command(noun, cls=lazy.Command, help=f"{entry.help}\n\nWhat exists already is left as it is.")(
        function
    )


realm = _command("Realm")
space = _command("Space")
stack = _command("Stack")

HELP = "Create a realm, a space or a stack.\n\nFor cells see `kuke apply` and `kuke run`."

_FROM_A_FILE = "a cell is described in a file: kuke apply -f FILE, or kuke run -d -f FILE"
_LOADED = "an image is loaded from an archive: kuke image load FILE"
INSTEAD = {
    **dict.fromkeys(("cell", "cells", "ce", "container", "containers", "co"), _FROM_A_FILE),
    **dict.fromkeys(("image", "images", "img"), _LOADED),
}

group = lazy.LazyGroup("create", entries=tree.CREATE, instead=INSTEAD, help=HELP)
