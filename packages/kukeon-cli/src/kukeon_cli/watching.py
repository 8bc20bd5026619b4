"""`kuke get -w`: what is there, and then each resource again that changes."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING, Any

from kukeon_api import model
from kukeon_cli import columns, happenings, output, resources, running_table
from kukeon_cli.output import Format

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Sequence

    from kukeon_api.model import Kind, Ref
    from kukeon_cli.output import Output
    from kukeon_cli.resources import Scope
    from kukeon_sdk.client import Client


class Watch:
    """Resources of a kind in a scope, shown once and then each one that changes.

    `wanted` tells which ones. With events only what they are about is looked at; without, all of it again and again.
    """

    def __init__(
        self,
        client: Client,
        kind: Kind,
        scope: Scope,
        out: Output,
        *,
        wanted: Callable[[model.Doc], bool],
        now: Callable[[], dt.datetime],
        controllers: bool = False,
    ) -> None:
        self._client = client
        self._kind: Kind = kind
        self._scope = scope
        self._out = out
        self._wanted = wanted
        self._known: dict[Ref, Any] = {}
        self._table = running_table.RunningTable[Any](out, columns.of(kind, now(), controllers=controllers))
        self._now = now
        self._controllers = controllers

    def run(self) -> None:
        """Show everything, then what changes, until Ctrl-C."""
        levels = ("realm", "space", "stack", "cell")
        with happenings.Happenings(self._client, self._scope.filters(*levels)) as events:
            self._show(self._all())
            if not self._known:
                print(f"No {self._kind.lower()}s found yet.", file=sys.stderr)
            while True:
                event = events.next()
                if event is None:
                    self._update(self._all(), None)
                    continue
                happened = [event, *events.pending()]
                if any(each.type is model.EventType.RESYNC for each in happened):
                    self._update(self._all(), None)
                    continue
                for place in dict.fromkeys(self._place(each.ref) for each in happened):
                    if place is not None:
                        self._update(self._at(place), place)

    def _columns(self) -> Sequence[output.Column[Any]]:
        return columns.of(self._kind, self._now(), controllers=self._controllers)

    def _place(self, text: str) -> Ref | None:
        """Return what has to be looked at because of an event: our own kind, or the cell of the containers."""
        depth = min(model.KINDS.index(self._kind), 3) + 1
        parts = text.split("/")
        return model.Ref(*parts[:depth]) if len(parts) >= depth else None

    def _all(self) -> dict[Ref, Any]:
        if self._kind == "Container":
            return self._rows(resources.container_rows(self._client, self._scope))
        return self._rows(resources.listed(self._client, self._kind, self._scope))

    def _at(self, place: Ref) -> dict[Ref, Any]:
        found = resources.find(self._client, place)
        if found is None:
            return {}
        if self._kind == "Container":
            assert isinstance(found, model.CellDoc)
            return self._rows(resources.containers(found))
        return self._rows([found])

    def _rows(self, rows: Sequence[Any]) -> dict[Ref, Any]:
        found = {model.ref_of(resources.of_row(row)): row for row in rows}
        return {ref: row for ref, row in found.items() if self._wanted(resources.of_row(row))}

    def _update(self, found: dict[Ref, Any], place: Ref | None) -> None:
        """Show what differs from what is known, of everything or of what is at `place`."""
        before = {ref: row for ref, row in self._known.items() if place is None or place.contains(ref)}
        changed = {ref: row for ref, row in found.items() if not _alike(row, before.get(ref))}
        gone = {ref: row for ref, row in before.items() if ref not in found}
        for ref in gone:
            del self._known[ref]
        self._show(changed)
        self._show_gone(gone)

    def _show(self, found: dict[Ref, Any]) -> None:
        self._known |= found
        rows = [found[ref] for ref in sorted(found)]
        if self._out.for_people:
            self._table.refresh(self._columns())
            self._table.rows(rows)
            return
        for row in rows:
            self._print(output.document(resources.of_row(row)), ref=model.ref_of(resources.of_row(row)))
        self._out.stream.flush()

    def _show_gone(self, gone: dict[Ref, Any]) -> None:
        if not gone:
            return
        if self._out.for_people:
            self._table.refresh(
                [
                    dataclasses.replace(each, cell=lambda row: columns.GONE) if each.state else each
                    for each in self._columns()
                ]
            )
            self._table.rows([gone[ref] for ref in sorted(gone)])
            return
        for ref in sorted(gone):
            value = output.document(resources.of_row(gone[ref]))
            self._print(value | {"status": {**value.get("status", {}), "state": columns.GONE}}, ref=ref)
        self._out.stream.flush()

    def _print(self, value: Any, *, ref: Ref) -> None:
        match self._out.format:
            case Format.JSON:
                self._out.compact(value)
            case Format.YAML:
                self._out.line("---")
                self._out.yaml([value])
            case _:
                self._out.line(f"{ref.kind.lower()}/{ref.name}")


def _alike(row: Any, before: Any) -> bool:
    """Tell whether there is nothing new to show; that it was looked at again is nothing new."""
    if before is None:
        return False
    if isinstance(row, resources.ContainerRow):
        return bool(row.doc == before.doc and row.status == before.status)
    return bool(_timeless(row) == _timeless(before))


def _timeless(doc: model.Doc) -> Any:
    import msgspec

    status = doc.status
    if not isinstance(status, model.Status):
        return doc
    return msgspec.structs.replace(doc, status=msgspec.structs.replace(status, updated_at=None))
