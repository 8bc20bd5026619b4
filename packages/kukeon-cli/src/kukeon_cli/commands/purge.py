"""`kuke purge`: a resource, and every trace of it that nothing else knows of any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_cli import lazy, removing, tree

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kukeon_api.model import Ref
    from kukeon_cli.removing import Switches
    from kukeon_sdk.client import Client


def _call(client: Client, ref: Ref, switches: Switches) -> Any:
    from kukeon_api import model
    from kukeon_cli import resources

    match resources.document(ref):
        case model.RealmDoc() as doc:
            return client.purge_realm(doc, switches.force, switches.cascade)
        case model.SpaceDoc() as doc:
            return client.purge_space(doc, switches.force, switches.cascade)
        case model.StackDoc() as doc:
            return client.purge_stack(doc, switches.force, switches.cascade)
        case model.CellDoc() as doc:
            return client.purge_cell(doc)
        case model.ContainerDoc() as doc:
            return client.purge_container(doc)


def _lines(ref: Ref, result: Any) -> Iterable[str]:
    from kukeon_cli import resources

    warnings = [f"  warning: {warning}" for warning in result.warnings]
    if not result.deleted and not result.purged:
        yield from (f"Nothing is left of {resources.described(ref)}", *warnings)
        return
    yield f"Purged {resources.described(ref, 'from')}"
    if ref.kind == "Space":
        told = {"metadata": result.metadata_deleted, "cgroup": result.cgroup_deleted, "cni": result.cni_network_deleted}
        yield "  Deleted resources -> " + " ".join(f"{name}:{str(done).lower()}" for name, done in told.items())
    if result.purged:
        yield f"  Additional resources purged: [{' '.join(result.purged)}]"
    yield from warnings


VERB = removing.Verb("purge", "purging", _call, _lines, selects=False)

realm = removing.command(VERB, "Realm", tree.PURGE, ("realm shop", "realm shop --cascade"))
space = removing.command(VERB, "Space", tree.PURGE, ("space web --realm shop --cascade",))
stack = removing.command(VERB, "Stack", tree.PURGE, ("stack front --cascade",))
cell = removing.command(VERB, "Cell", tree.PURGE, ("cell web",))
container = removing.command(VERB, "Container", tree.PURGE, ("container log --cell web",))

HELP = """Delete resources and sweep up every trace of them.

Like `kuke delete`, and it also finds what a deletion cannot: containers, networks, cgroups and files whose metadata is
lost or was never written. What is not there at all is no error.

\b
    kuke purge cell web
    kuke purge realm shop --cascade
"""

group = lazy.LazyGroup("purge", entries=tree.PURGE, later=tree.LATER, help=HELP, params=removing.outer_options("purge"))
