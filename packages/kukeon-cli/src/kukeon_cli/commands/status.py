"""`kuke status`: one look at kukeond, the host it works on and what runs there."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import click

import kukeon_cli
from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_api import model
    from kukeon_api.model import Kind
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_TIMEOUT_S = 5.0
_READY = "Ready"

MOST_LISTED = 20
"""With more cells than this, those that are well are only counted: they would hide the others."""


class Verdict(enum.StrEnum):
    """What a check found, from good to bad."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Check:
    """One row: what was looked at, how it is, what to do about it, and the exit code that it means when it FAILs."""

    section: str
    name: str
    verdict: Verdict
    detail: str
    remediation: str = ""
    code: int = 1


@dataclass
class Status:
    """Everything found, in the order of looking."""

    checks: list[Check] = field(default_factory=list)

    def add(
        self, section: str, name: str, verdict: Verdict, detail: str, remediation: str = "", *, code: int = 1
    ) -> None:
        self.checks.append(Check(section, name, verdict, detail, remediation, code))

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        return max((check.verdict for check in self.checks), key=list(Verdict).index, default=Verdict.OK)

    @property
    def exit_code(self) -> int:
        """That of the first failure, which is the cause of what fails after it; 0 when nothing fails."""
        return next((check.code for check in self.checks if check.verdict is Verdict.FAIL), 0)

    def value(self) -> dict[str, Any]:
        """Return the status for programs."""
        rows = []
        for check in self.checks:
            row = {
                "section": check.section,
                "name": check.name,
                "status": str(check.verdict),
                "detail": check.detail,
            }
            rows.append({**row, "remediation": check.remediation} if check.remediation else row)
        return {"status": str(self.verdict), "ok": self.verdict is not Verdict.FAIL, "checks": rows}


def look(client: Client, address: str, option: str | None = "") -> Status:
    """Return how kukeond, its host and its cells are; trouble is part of the answer, not an error.

    `option` is what to add to `kuke` to manage this kukeond, None when it is none of this host.
    """
    from kukeon_api import errors
    from kukeon_cli import failures

    status = Status()
    try:
        # The first call connects; the second one tells how quick kukeond is.
        client.ping(timeout=_TIMEOUT_S)
        started = time.monotonic()
        answer = client.ping(timeout=_TIMEOUT_S)
    except errors.KukeonError as exc:
        hint = failures.hint_for(exc, option)
        status.add("daemon", "socket", Verdict.FAIL, exc.message, hint, code=exc.exit_code)
        return status
    latency_ms = (time.monotonic() - started) * 1000
    status.add("daemon", "socket", Verdict.OK, f"{address} ({latency_ms:.1f} ms)")
    _daemon(status, answer)
    _host(status, answer, option)
    try:
        _resources(status, client, option or "")
    except errors.KukeonError as exc:
        status.add("resources", "list", Verdict.FAIL, exc.message, exc.hint, code=exc.exit_code)
    return status


def _daemon(status: Status, answer: model.PingResult) -> None:
    if answer.version == kukeon_cli.__version__:
        status.add("daemon", "version", Verdict.OK, answer.version)
    else:
        status.add(
            "daemon",
            "version",
            Verdict.WARN,
            f"{answer.version}, and kuke is {kukeon_cli.__version__}",
            "install the same version of both",
        )
    status.add("daemon", "process", Verdict.OK, f"pid {answer.pid}")
    status.add("daemon", "instance", Verdict.OK, f"{answer.instance_id or 'default'} at {answer.run_path}")


def _host(status: Status, answer: model.PingResult, option: str | None) -> None:
    from kukeon_api import errors

    if answer.containerd_version:
        detail = f"{answer.containerd_mode}, {answer.containerd_version}, {answer.containerd_socket}"
        status.add("host", "containerd", Verdict.OK, detail)
    else:
        detail = f"{answer.containerd_mode}, {answer.containerd_socket}: does not answer"
        # An embedded one is kukeond's own child, and kukeond starts it.
        remedy = f"sudo kuke{option} daemon restart" if answer.containerd_mode == "embedded" else "start containerd"
        hint = "" if option is None else f"see: kuke{option} daemon logs; if it stays so: {remedy}"
        status.add("host", "containerd", Verdict.FAIL, detail, hint, code=errors.Unavailable.exit_code)
    status.add("host", "cgroups", Verdict.OK, answer.cgroup_mode)
    for warning in answer.warnings:
        status.add("host", "warning", Verdict.WARN, warning)


def _resources(status: Status, client: Client, option: str) -> None:
    from kukeon_api import model
    from kukeon_cli import resources

    cells = [doc for doc in resources.listed(client, "Cell") if isinstance(doc, model.CellDoc)]
    unwell: list[model.Doc] = []
    for kind in ("Realm", "Space", "Stack"):
        unwell += _count(status, kind, resources.listed(client, kind))
    well = sum(_is_well(cell) for cell in cells)
    status.add(
        "resources", "cells", Verdict.OK, str(len(cells)) if well == len(cells) else f"{len(cells)}, {well} well"
    )
    for doc in unwell:
        _unwell(status, "resources", doc, option)
    for cell in cells:
        if not _is_well(cell):
            _unwell(status, "cells", cell, option)
        elif len(cells) <= MOST_LISTED:
            _well(status, cell)


def _count(status: Status, kind: Kind, docs: Sequence[model.Doc]) -> list[model.Doc]:
    """Add how many there are; return those that are not ready."""
    unwell = [doc for doc in docs if str(getattr(doc.status, "state", "")) != _READY]
    detail = f"{len(docs)}, {len(docs) - len(unwell)} ready" if unwell else str(len(docs))
    status.add("resources", f"{kind.lower()}s", Verdict.OK, detail)
    return unwell


def _is_well(cell: model.CellDoc) -> bool:
    """Tell whether the cell is as it was asked to be: it runs, it was stopped, or its programs are done, all with 0."""
    from kukeon_api import model

    state = cell.status.state
    if state is model.CellState.STOPPED:
        return cell.status.desired is model.DesiredState.STOPPED
    return state in (model.CellState.READY, model.CellState.EXITED)


def _well(status: Status, cell: model.CellDoc) -> None:
    from kukeon_api import model
    from kukeon_cli import columns

    address = columns.address(cell)
    detail = str(cell.status.state) if address == "-" else f"{cell.status.state} {address}"
    status.add("cells", str(model.ref_of(cell)), Verdict.OK, detail)


def _unwell(status: Status, section: str, doc: model.Doc, option: str) -> None:
    """Add a resource that is not as it should be: its state, the reason and what was said about it."""
    from kukeon_api import model
    from kukeon_cli import columns, resources

    ref, found = model.ref_of(doc), doc.status
    assert isinstance(found, model.Status)
    reason = f" ({found.reason})" if found.reason else ""
    address = columns.address(doc) if isinstance(doc, model.CellDoc) else "-"
    where = "" if address == "-" else f" {address}"
    message = columns.message(doc)
    name = f"{ref.kind.lower()} {ref}" if section == "resources" else str(ref)
    hint = f"see: kuke{option} get {ref.kind.lower()} {ref.name}{resources.flags(ref)} -o yaml"
    detail = f"{found.state}{reason}{where}" + (f": {message}" if message else "")
    status.add(section, name, Verdict.WARN, detail, hint)


def lines(status: Status, out: Output, *, verbose: bool) -> list[str]:
    """Return the status for people: a title a section, a row a check, what to do below what is not well."""
    from kukeon_cli import terminal

    text: list[str] = []
    section, width = "", 0
    for check in status.checks:
        if check.section != section:
            text += [""] * bool(section) + [check.section.upper()]
            section = check.section
            width = max(len(other.name) for other in status.checks if other.section == section)
        verdict = terminal.coloured(f"{check.verdict:4}", str(check.verdict), out.stream)
        name, detail = terminal.printable(check.name), terminal.printable(check.detail)
        text.append(f"  {name:{width}}  {verdict}  {detail}".rstrip())
        if check.remediation and (verbose or check.verdict is not Verdict.OK):
            text.append(f"  {'':{width}}  ↳ {terminal.printable(check.remediation)}")
    word = str(status.verdict)
    return [*text, "", f"Status: {terminal.coloured(word, word, out.stream)}"]


@click.command("status", cls=lazy.Command)
@click.option("--json", "as_json", is_flag=True, help="The same as -o json.")
@options.output()
@click.pass_obj
def command(session: Session, as_json: bool, output: str) -> int:
    """Show whether kukeond, the host and the cells are well.

    Exits with 0 unless something FAILs: a WARN is not a failure. It exits with 8 when kukeond or containerd does not
    answer, with 6 when you may not talk to kukeond, else with 1.
    """
    from kukeon_cli.output import Format

    out = session.output("json" if as_json else output)
    status = look(session.client, session.settings.host.value, session.option)
    if out.format in (Format.TABLE, Format.WIDE):
        for line in lines(status, out, verbose=session.verbose):
            out.line(line)
    else:
        out.result(status.value(), (), [f"{check.section}/{check.name}" for check in status.checks])
    return status.exit_code
