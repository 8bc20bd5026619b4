"""What a host needs before the first cell: idempotent, and reported row by row.

It uses the runner's public verbs alone, so whatever it makes is made as a user's command would make it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from kukeon_api import errors, model
from kukeon_runner import groundwork
from kukeon_runner.groundwork import BootstrapReport, BootstrapRow, Outcome, row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kukeon_runner.layout import Layout

D_contra = TypeVar("D_contra", contravariant=True)


class Converged(Protocol):
    """What became of a resource: whether it was there, and its pieces before and after."""

    @property
    def existed(self) -> bool: ...
    @property
    def pre(self) -> Mapping[str, bool]: ...
    @property
    def post(self) -> Mapping[str, bool]: ...


class Level(Protocol[D_contra]):
    """The verb of a level that is needed here."""

    async def converge(self, wanted: D_contra, *, update: bool) -> Converged: ...


class Context(Protocol):
    """What is needed of a runner's surroundings."""

    @property
    def layout(self) -> Layout: ...


class Runner(Protocol):
    """What is needed of a runner."""

    @property
    def context(self) -> Context: ...
    @property
    def realms(self) -> Level[model.RealmDoc]: ...
    @property
    def spaces(self) -> Level[model.SpaceDoc]: ...
    @property
    def stacks(self) -> Level[model.StackDoc]: ...
    async def ensure_kukeon_root_cgroup(self) -> tuple[bool, bool]: ...


async def bootstrap(runner: Runner) -> BootstrapReport:
    """Have directories, the root cgroup and default/default/default; report each.

    What exists is left as it is: an edited default realm stays edited. CNI plugins are only looked for: their absence
    is a row, since cells on the host's network do without. So is a default resource whose files are damaged: all others
    can be worked with. Raises what else the runner raises.
    """
    layout = runner.context.layout
    rows = list((await groundwork.directories(layout)).rows)
    if (containerd := layout.instance.containerd) is not None:
        rows.append(row(f'containerd "{containerd.socket}"', existed=True, detail=containerd.mode))
    existed, _ = await runner.ensure_kukeon_root_cgroup()
    rows.append(row("kukeon root cgroup", existed=existed, detail=layout.cgroup_root))
    rows += await _default_hierarchy(runner)
    return BootstrapReport(tuple(rows))


async def _default_hierarchy(runner: Runner) -> list[BootstrapRow]:
    layout = runner.context.layout
    realm = model.RealmDoc(metadata=model.Metadata(name=model.DEFAULT_REALM))
    space = model.SpaceDoc(
        metadata=model.Metadata(name=model.DEFAULT_SPACE), spec=model.SpaceSpec(realm_id=model.DEFAULT_REALM)
    )
    stack = model.StackDoc(
        metadata=model.Metadata(name=model.DEFAULT_STACK),
        spec=model.StackSpec(id=model.DEFAULT_STACK, realm_id=model.DEFAULT_REALM, space_id=model.DEFAULT_SPACE),
    )
    network = layout.network(model.ref_of(space))
    rows: list[BootstrapRow] = []
    label = f'realm "{model.DEFAULT_REALM}"'
    try:
        made = await runner.realms.converge(realm, update=False)
        rows += _resource("realm", model.DEFAULT_REALM, made, {"namespace": "containerd namespace"})
        label = f'space "{model.DEFAULT_SPACE}"'
        made = await runner.spaces.converge(space, update=False)
        rows += _resource("space", model.DEFAULT_SPACE, made, {"network": f'network "{network}"'})
        label = f'stack "{model.DEFAULT_STACK}"'
        made = await runner.stacks.converge(stack, update=False)
        rows += _resource("stack", model.DEFAULT_STACK, made, {})
    except (errors.CorruptMetadata, errors.SubnetStateCorrupt) as error:
        # What is inside of it is not looked at: it would stumble over the same file.
        rows.append(BootstrapRow(label, Outcome.DAMAGED, str(error)))
    return rows


def _resource(kind: str, name: str, made: Converged, labels: Mapping[str, str]) -> list[BootstrapRow]:
    rows = [row(f'{kind} "{name}"', existed=made.existed)]
    for piece, there in made.post.items():
        label = labels.get(piece, f"{kind} {piece}")
        if there:
            rows.append(row(label, existed=made.pre.get(piece, False)))
        else:
            was = "was previously present" if made.pre.get(piece) else ""
            rows.append(BootstrapRow(label, Outcome.MISSING, was))
    return rows
