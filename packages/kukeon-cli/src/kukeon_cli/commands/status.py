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
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_TIMEOUT_S = 5.0


class Verdict(enum.StrEnum):
    """What a check found."""

    OK = "OK"
    WARN = "WARN"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Check:
    """One row: what was looked at, how it is, and what to do about it."""

    section: str
    name: str
    verdict: Verdict
    detail: str
    remediation: str = ""


@dataclass
class Status:
    """Everything found, in the order of looking."""

    checks: list[Check] = field(default_factory=list)

    def add(self, section: str, name: str, verdict: Verdict, detail: str, remediation: str = "") -> None:
        self.checks.append(Check(section, name, verdict, detail, remediation))

    @property
    def ok(self) -> bool:
        return all(check.verdict is not Verdict.FAIL for check in self.checks)

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
        return {"ok": self.ok, "checks": rows}


def look(client: Client, address: str, run_path: str = "") -> Status:
    """Return how kukeond, its host and its cells are; trouble is part of the answer, not an error."""
    from kukeon_api import errors
    from kukeon_cli import failures

    status = Status()
    try:
        # The first call connects; the second one tells how quick kukeond is.
        client.ping(timeout=_TIMEOUT_S)
        started = time.monotonic()
        answer = client.ping(timeout=_TIMEOUT_S)
    except errors.KukeonError as exc:
        status.add("daemon", "socket", Verdict.FAIL, exc.message, failures.hint_for(exc, run_path))
        return status
    latency_ms = (time.monotonic() - started) * 1000
    status.add("daemon", "socket", Verdict.OK, f"{address} ({latency_ms:.1f} ms)")
    _daemon(status, answer)
    _host(status, answer)
    try:
        _resources(status, client)
    except errors.KukeonError as exc:
        status.add("resources", "list", Verdict.FAIL, exc.message, exc.hint)
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


def _host(status: Status, answer: model.PingResult) -> None:
    if answer.containerd_version:
        detail = f"{answer.containerd_mode}, {answer.containerd_version}, {answer.containerd_socket}"
        status.add("host", "containerd", Verdict.OK, detail)
    else:
        status.add(
            "host",
            "containerd",
            Verdict.FAIL,
            f"{answer.containerd_mode}, {answer.containerd_socket}: does not answer",
            "see: kuke daemon logs",
        )
    status.add("host", "cgroups", Verdict.OK, answer.cgroup_mode)
    for warning in answer.warnings:
        status.add("host", "warning", Verdict.WARN, warning)


def _resources(status: Status, client: Client) -> None:
    from kukeon_cli import columns, resources

    cells = client.list_cells()
    counts = {
        "realms": resources.listed(client, "Realm"),
        "spaces": resources.listed(client, "Space"),
        "stacks": resources.listed(client, "Stack"),
        "cells": cells,
    }
    for name, docs in counts.items():
        _count(status, name, docs)
    for cell in sorted(cells, key=resources.place):
        _cell(status, cell, columns.address(cell))


def _count(status: Status, name: str, docs: Sequence[model.Doc]) -> None:
    ready = sum(str(getattr(doc.status, "state", "")) == "Ready" for doc in docs)
    detail = str(len(docs)) if ready == len(docs) else f"{len(docs)}, {ready} ready"
    status.add("resources", name, Verdict.OK, detail)


def _cell(status: Status, cell: model.CellDoc, address: str) -> None:
    from kukeon_api import model

    state = cell.status.state
    healthy = state in (
        model.CellState.READY,
        model.CellState.STOPPED,
        model.CellState.EXITED,
        model.CellState.PENDING,
    )
    where = str(model.ref_of(cell))
    message = f": {cell.status.message}" if cell.status.message else ""
    detail = f"{state} {address}" if address != "-" else f"{state}{message}"
    hint = "" if healthy else f"see: kuke get cell {cell.metadata.name} -o yaml"
    status.add("cells", where, Verdict.OK if healthy else Verdict.WARN, detail, hint)


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
    verdict = "OK" if status.ok else "FAIL"
    return [*text, "", f"Status: {terminal.coloured(verdict, verdict, out.stream)}"]


@click.command("status", cls=lazy.Command)
@click.option("--json", "as_json", is_flag=True, help="The same as -o json.")
@options.output()
@click.pass_obj
def command(session: Session, as_json: bool, output: str) -> int:
    """Show whether kukeond, the host and the cells are well.

    Exits with 1 when something FAILs; a WARN is not a failure.
    """
    from kukeon_cli.output import Format

    out = session.output("json" if as_json else output)
    status = look(session.client, session.settings.host.value, session.other_run_path)
    if out.format in (Format.TABLE, Format.WIDE):
        for line in lines(status, out, verbose=session.verbose):
            out.line(line)
    else:
        out.result(status.value(), (), ["daemon/kukeond"])
    return 0 if status.ok else 1
