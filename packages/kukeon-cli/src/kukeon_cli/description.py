"""What `kuke describe` says: spec, status, containers and last events as indented lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kukeon_api import errors, model, plain
from kukeon_cli import columns, happenings, quantities, resources
from kukeon_cli.resources import ContainerRow

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    from kukeon_api.model import Ref
    from kukeon_sdk.client import Client

LAST = 20
"""Events shown; `kuke events` has all."""

_WIDTH = 14
_PLACE = frozenset({"id", "realmId", "spaceId", "stackId", "cellId", "containerdId", "labels"})
"""Fields of specs that are told in other words."""
_CELL = frozenset({"containers", "rootContainerId"})


def events_of(client: Client, ref: Ref) -> list[model.Event] | None:
    """Return the last events of a resource and of what is in it, None where there are no events."""
    try:
        known = happenings.remembered(client, ref.parts[:4])
    except errors.Unsupported:
        return None
    found = [each for each in known if each.ref == str(ref) or each.ref.startswith(f"{ref}/")]
    return found[-LAST:]


def lines(what: model.Doc | ContainerRow, events: Sequence[model.Event] | None, now: dt.datetime) -> Iterator[str]:
    """Yield the description of a resource."""
    doc = what.doc if isinstance(what, ContainerRow) else what
    ref = model.ref_of(doc)
    yield _row("Name", ref.name)
    yield _row("Kind", doc.kind)
    for parent in ref.ancestors:
        yield _row(parent.kind, parent.name)
    labels = ", ".join(f"{key}={value}" for key, value in sorted(doc.metadata.labels.items()))
    yield _row("Labels", labels or "none")
    if isinstance(what, ContainerRow):
        yield from _container(what, now, "")
    else:
        yield from _level(what, now)
    yield from _events(events, now)


def _level(doc: model.Doc, now: dt.datetime) -> Iterator[str]:
    status: Any = doc.status
    yield _row("State", str(status.state))
    yield from _said(status, "")
    if isinstance(doc, model.CellDoc):
        yield _row("Desired", str(status.desired))
        if doc.status.network is not None:
            network = doc.status.network
            yield _row("Address", network.address or "none")
            yield _row("Network", f"bridge {network.bridge_name or 'none'}, gateway {network.gateway or 'none'}")
    yield _row("Created", _when(status.created_at, now))
    if status.ready_at is not None:
        yield _row("First ready", _when(status.ready_at, now))
    yield _row("Generation", f"{doc.metadata.generation} (seen: {status.observed_generation})")
    yield _row("Cgroup", f"{status.cgroup_path or 'none'} ({'there' if status.cgroup_ready else 'not there'})")
    yield from _spec(plain.to_builtins(doc).get("spec", {}), _PLACE | _CELL, "")
    if isinstance(doc, model.CellDoc):
        rows = resources.containers(doc)
        yield _row("Containers", f"{columns.ready_of_all(doc)} ready" if rows else "none")
        for row in rows:
            mark = " (root)" if row.doc.spec.root else ""
            yield f"  {row.doc.metadata.name}{mark}:"
            yield from _container(row, now, "    ")


def _container(row: ContainerRow, now: dt.datetime, indent: str) -> Iterator[str]:
    status = row.status
    yield _row("State", str(status.state), indent)
    yield from _said(status, indent)
    if not indent:
        yield _row("Address", columns.address(row.cell))
    yield _row("Restarts", _restarts(status, now), indent)
    if status.next_restart is not None:
        wait = quantities.age(now, status.next_restart)
        yield _row("Next start", f"{quantities.stamp(status.next_restart)} (in {wait})", indent)
    yield _row("Started", _when(status.start_time, now), indent)
    if status.exit_code is not None or status.finish_time is not None:
        yield _row("Last exit", f"{columns.last_exit(status)}, {_when(status.finish_time, now)}", indent)
    if row.doc.spec.containerd_id:
        yield _row("containerd id", row.doc.spec.containerd_id, indent)
    yield from _spec(plain.to_builtins(row.doc).get("spec", {}), _PLACE | {"root"}, indent)


def _restarts(status: model.ContainerStatus, now: dt.datetime) -> str:
    last = f", last {_when(status.restart_time, now)}" if status.restart_time is not None else ""
    return f"{status.restart_count}{last}"


def _said(status: Any, indent: str) -> Iterator[str]:
    if status.reason:
        yield _row("Reason", status.reason, indent)
    if status.message:
        yield _row("Message", status.message, indent)


def _spec(spec: dict[str, Any], told: frozenset[str], indent: str) -> Iterator[str]:
    """Yield the fields of a spec that say something, as YAML below a heading."""
    from kukeon_cli import output

    left = {key: value for key, value in spec.items() if key not in told}
    if not left:
        return
    yield f"{indent}Spec:"
    for line in output.yaml_text(left).splitlines():
        yield f"{indent}  {line}"


def _events(events: Sequence[model.Event] | None, now: dt.datetime) -> Iterator[str]:
    from kukeon_cli.commands import events as command

    if events is None:
        yield _row("Events", "this kukeond has none")
        return
    yield _row("Events", "" if events else "none")
    table = [
        (quantities.age(each.at, now), str(each.type), command.described(each), each.reason, command.told(each))
        for each in events
    ]
    widths = [max(len(row[index]) for row in table) for index in range(4)] if table else []
    for row in table:
        cells = [text.ljust(width) for text, width in zip(row, widths, strict=False)]
        yield f"  {'  '.join([*cells, row[4]])}".rstrip()


def _when(at: dt.datetime | None, now: dt.datetime) -> str:
    return "never" if at is None else f"{quantities.stamp(at)} ({quantities.age(at, now)} ago)"


def _row(label: str, value: str, indent: str = "") -> str:
    return f"{indent}{f'{label}:'.ljust(_WIDTH)} {value}".rstrip()
