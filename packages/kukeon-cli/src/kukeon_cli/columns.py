"""The columns of each kind's table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import model
from kukeon_cli import quantities
from kukeon_cli.output import Column

if TYPE_CHECKING:
    import datetime as dt
    import enum
    from collections.abc import Callable, Sequence

    from kukeon_cli.resources import ContainerRow, RealmImage


def of(kind: str, now: dt.datetime, *, controllers: bool = False) -> Sequence[Column[Any]]:
    """Return the columns for documents of `kind` as seen at `now`; `controllers` adds the delegated cgroup ones."""
    columns = _KINDS[kind](now)
    if controllers:
        columns = [*columns, Column("CONTROLLERS", lambda doc: ",".join(doc.status.subtree_controllers) or "-")]
    return columns


GONE = "Deleted"
"""The state that a resource is shown in which is gone."""

_ADDRESS = len("255.255.255.255")


def _age(now: dt.datetime) -> Column[Any]:
    return Column("AGE", lambda doc: quantities.age(doc.status.created_at, now), least=quantities.LONGEST_AGE)


def _state(states: type[enum.Enum]) -> Column[Any]:
    return Column("STATE", lambda doc: str(doc.status.state), state=True, least=_longest(states))


def _longest(states: type[enum.Enum]) -> int:
    return max(len(GONE), *(len(each.value) for each in states))


def _reason() -> Column[Any]:
    return Column("REASON", lambda doc: doc.status.reason or "-", wide=True)


def _name() -> Column[Any]:
    return Column("NAME", lambda doc: doc.metadata.name)


def _realm(now: dt.datetime) -> list[Column[model.RealmDoc]]:
    return [
        _name(),
        _state(model.RealmState),
        _age(now),
        Column("NAMESPACE", lambda doc: doc.spec.namespace, wide=True),
        _reason(),
    ]


def _space(now: dt.datetime) -> list[Column[model.SpaceDoc]]:
    return [
        _name(),
        Column("REALM", lambda doc: doc.spec.realm_id),
        _state(model.SpaceState),
        _age(now),
        Column("EGRESS", egress, wide=True),
        _reason(),
    ]


def _stack(now: dt.datetime) -> list[Column[model.StackDoc]]:
    return [
        _name(),
        Column("REALM", lambda doc: doc.spec.realm_id),
        Column("SPACE", lambda doc: doc.spec.space_id),
        _state(model.StackState),
        _age(now),
        _reason(),
    ]


def _cell(now: dt.datetime) -> list[Column[model.CellDoc]]:
    return [
        _name(),
        Column("REALM", lambda doc: doc.spec.realm_id),
        Column("SPACE", lambda doc: doc.spec.space_id),
        Column("STACK", lambda doc: doc.spec.stack_id),
        _state(model.CellState),
        _age(now),
        Column("IP", address, wide=True, least=_ADDRESS),
        Column("CONTAINERS", ready_of_all, wide=True),
        Column("BRIDGE", lambda doc: doc.status.network.bridge_name if doc.status.network else "-", wide=True),
        _reason(),
    ]


def _container(now: dt.datetime) -> list[Column[ContainerRow]]:
    return [
        Column("NAME", lambda row: row.doc.metadata.name),
        Column("REALM", lambda row: row.doc.spec.realm_id),
        Column("SPACE", lambda row: row.doc.spec.space_id),
        Column("STACK", lambda row: row.doc.spec.stack_id),
        Column("CELL", lambda row: row.doc.spec.cell_id),
        Column("STATE", lambda row: str(row.status.state), state=True, least=_longest(model.ContainerState)),
        Column("RESTARTS", lambda row: str(row.status.restart_count)),
        Column("AGE", lambda row: quantities.age(row.status.created_at, now), least=quantities.LONGEST_AGE),
        Column("IMAGE", lambda row: row.doc.spec.image, wide=True),
        Column("EXIT", lambda row: last_exit(row.status), wide=True, least=len("137 (SIGKILL)")),
        Column("IP", lambda row: address(row.cell), wide=True, least=_ADDRESS),
        Column("REASON", lambda row: row.status.reason or "-", wide=True),
    ]


def images(now: dt.datetime) -> Sequence[Column[RealmImage]]:
    """Return the columns of the table of images."""
    return [
        Column("NAME", lambda row: row.image.name),
        Column("REALM", lambda row: row.realm),
        Column("SIZE", lambda row: quantities.size(row.image.size)),
        Column("AGE", lambda row: quantities.age(row.image.created_at, now)),
        Column("CREATED", lambda row: quantities.stamp(row.image.created_at), wide=True),
        Column("PLATFORMS", lambda row: platforms(row.image), wide=True),
        Column("DIGEST", lambda row: row.image.digest, wide=True),
    ]


def platforms(image: model.ImageInfo) -> str:
    """Return the platforms of an image that are there, `-` when none is known."""
    return ",".join(sorted(each.platform for each in image.platforms if each.present)) or "-"


def address(doc: model.CellDoc) -> str:
    """Return the cell's address without the network's prefix, `-` while it has none."""
    return doc.status.network.address.partition("/")[0] or "-" if doc.status.network else "-"


def egress(doc: model.SpaceDoc) -> str:
    """Return what the cells of a space may reach: `allow`, `deny`, `deny, 2 allowed`."""
    policy = doc.spec.network.egress if doc.spec.network is not None else None
    if policy is None or policy.default != "deny":
        return "allow"
    return f"deny, {len(policy.allow)} allowed" if policy.allow else "deny"


def message(doc: model.Doc) -> str:
    """Return what is said about a resource; of a cell about which nothing is, what is said about its containers."""
    found = doc.status
    assert isinstance(found, model.Status)
    if found.message or not isinstance(doc, model.CellDoc):
        return found.message
    return "; ".join(
        f"container {each.name!r}: {each.message or each.reason}"
        for each in doc.status.containers
        if each.message or each.reason
    )


def ready_of_all(doc: model.CellDoc) -> str:
    """Return how many of the cell's own containers run, like `1/2`; our root container does not count."""
    wanted = [container.id for container in doc.spec.containers]
    states = {status.name: status.state for status in doc.status.containers}
    ready = sum(states.get(name) is model.ContainerState.READY for name in wanted)
    return f"{ready}/{len(wanted)}"


def last_exit(status: model.ContainerStatus) -> str:
    """Return how the container ended last: its code, the signal that ended it, `-` when it never did."""
    if status.exit_code is None:
        return "-"
    notes = [note for note in (status.exit_signal, "OOM" if status.oom_killed else "") if note]
    return f"{status.exit_code} ({', '.join(notes)})" if notes else str(status.exit_code)


_KINDS: dict[str, Callable[[dt.datetime], Sequence[Column[Any]]]] = {
    "Realm": _realm,
    "Space": _space,
    "Stack": _stack,
    "Cell": _cell,
    "Container": _container,
}
