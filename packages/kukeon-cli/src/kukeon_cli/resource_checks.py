"""Checks of `kuke status` that look at resources: how they are, and whether kukeond sees what is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_cli.checks import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kukeon_api import model
    from kukeon_api.model import Kind
    from kukeon_cli.checks import Status
    from kukeon_sdk.client import Client

_READY = "Ready"

MOST_LISTED = 20
"""With more cells than this, those that are well are only counted: they would hide the others."""


def resources_of(status: Status, client: Client, option: str) -> None:
    from kukeon_cli import resources

    cells = resources.listed(client, "Cell")
    unwell: list[model.Doc] = []
    for kind in ("Realm", "Space", "Stack"):
        unwell += _count(status, kind, resources.listed(client, kind), option)
    unwell_cells = _count(status, "Cell", cells, option)
    for doc in unwell:
        _unwell(status, "resources", f"{doc.kind.lower()} {'/'.join(resources.place(doc))}", doc)
    for cell in cells:
        if cell in unwell_cells:
            _unwell(status, "cells", "/".join(resources.place(cell)), cell)
        elif len(cells) <= MOST_LISTED:
            _well(status, cell)


def _count(status: Status, kind: Kind, docs: Sequence[model.Doc], option: str) -> list[model.Doc]:
    """Add how many there are; return those that are not as they should be."""
    noun = f"{kind.lower()}s"
    unwell = [doc for doc in docs if not _is_well(doc)]
    if unwell:
        detail = f"{len(docs)}, of which {len(unwell)} not well"
        status.add("resources", noun, Verdict.WARN, detail, f"see: kuke{option} get {noun} -o yaml")
    else:
        status.add("resources", noun, Verdict.OK, str(len(docs)))
    return unwell


def _is_well(doc: model.Doc) -> bool:
    """Tell whether a resource is ready; a cell may also be stopped on request, or done: its programs ended well."""
    from kukeon_api import model

    if isinstance(doc, model.CellDoc):
        state = doc.status.state
        if state is model.CellState.STOPPED:
            return doc.status.desired is model.DesiredState.STOPPED
        return state in (model.CellState.READY, model.CellState.EXITED)
    return str(getattr(doc.status, "state", "")) == _READY


def _well(status: Status, cell: model.Doc) -> None:
    from kukeon_cli import resources

    status.add("cells", "/".join(resources.place(cell)), Verdict.OK, _seen(cell))


def _unwell(status: Status, section: str, name: str, doc: model.Doc) -> None:
    """Add a resource that is not as it should be: its state, the reason and what was said about it."""
    from kukeon_cli import columns

    message = columns.message(doc)
    status.add(section, name, Verdict.WARN, _seen(doc) + (f": {message}" if message else ""))


def _seen(doc: model.Doc) -> str:
    """Return `Failed (CreateCellFailed) 10.88.0.2`, as much of it as there is."""
    from kukeon_api import model
    from kukeon_cli import columns

    assert isinstance(doc.status, model.Status)
    words = [str(doc.status.state)]
    if doc.status.reason:
        words.append(f"({doc.status.reason})")
    if isinstance(doc, model.CellDoc) and columns.address(doc) != "-":
        words.append(columns.address(doc))
    return " ".join(words)


def parity_of(status: Status, client: Client, inside: Callable[[str], Client], run_path: str, option: str) -> None:
    """Add whether kukeond's view of the resources is what its files say."""
    from kukeon_api import errors
    from kukeon_cli import parity

    try:
        with inside(run_path) as other:
            found = parity.compare(client, other)
    except errors.KukeonError as exc:
        status.add("parity", "views", Verdict.WARN, f"not compared: {exc.message}", exc.hint)
        return
    for each in found:
        if each.differing:
            more = f", and {len(each.differing) - 1} more" if len(each.differing) > 1 else ""
            hint = f"kukeond does not see what is stored: restart it with sudo kuke{option} daemon restart"
            status.add("parity", f"view of {each.noun}", Verdict.FAIL, f"{each.differing[0]}{more}", hint)
    if not any(each.differing for each in found):
        counts = ", ".join(f"{each.count} {each.noun.removesuffix('s' * (each.count == 1))}" for each in found)
        status.add("parity", "views", Verdict.OK, f"kukeond and its files agree: {counts}")
