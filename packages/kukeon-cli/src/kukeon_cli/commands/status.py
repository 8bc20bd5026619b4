"""`kuke status`: one look at kukeond, the host it works on and what runs there."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

import kukeon_cli
from kukeon_cli import checks, lazy, options, resource_checks
from kukeon_cli.checks import Status, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_api import model
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

_TIMEOUT_S = 5.0

LOW_DISK_BYTES = 256 << 20
"""Less than most images take."""
LOW_DISK_FILES = 10_000
"""Fewer than an image of a whole distribution has."""


def look(
    client: Client,
    address: str,
    option: str | None = "",
    *,
    inside: Callable[[str], Client] | None = None,
    process: Callable[[], str] = str,
) -> Status:
    """Return how kukeond, its host and its cells are; trouble is part of the answer, not an error.

    `option` is what to add to `kuke` to manage this kukeond, None when it is none of this host. `inside` returns a
    client of this process for a run path; `process` says how kukeond's process is, for when it does not answer.
    """
    from kukeon_api import errors
    from kukeon_cli import failures

    status = Status()
    try:
        started = time.monotonic()
        answer = client.ping(timeout=_TIMEOUT_S)
        if answer.containerd_version:
            # The first call connected, too; another one tells how quick kukeond is. Without containerd it would only
            # wait for that once more.
            started = time.monotonic()
            answer = client.ping(timeout=_TIMEOUT_S)
    except errors.KukeonError as exc:
        hint = failures.hint_for(exc, option)
        status.add("daemon", "socket", Verdict.FAIL, exc.message, hint, code=exc.exit_code)
        if said := process():
            hint = "" if option is None else f"have it start anew: sudo kuke{option} daemon restart"
            status.add("daemon", "process", Verdict.WARN, said, hint)
        _cgroups(status, "", option)
        return status
    latency_ms = (time.monotonic() - started) * 1000
    status.add("daemon", "socket", Verdict.OK, f"{address} ({latency_ms:.1f} ms)")
    _daemon(status, answer)
    _host(status, answer, option)
    _storage(status, answer, option)
    try:
        resource_checks.resources_of(status, client, option or "")
    except errors.KukeonError as exc:
        status.add("resources", "list", Verdict.FAIL, exc.message, exc.hint, code=exc.exit_code)
    if inside is not None and option is not None:
        resource_checks.parity_of(status, client, inside, answer.run_path, option)
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
    if answer.oci_runtime:
        status.add("host", "OCI runtime", Verdict.OK, answer.oci_runtime)
    _cgroups(status, answer.cgroup_mode, option)
    for warning in answer.warnings:
        status.add("host", "warning", Verdict.WARN, warning)
    for each in answer.damaged:
        status.add("host", "damage", Verdict.WARN, each.message, each.hint)


def _storage(status: Status, answer: model.PingResult, option: str | None) -> None:
    """Add how full it is where kukeond and containerd keep things, and what keeps the files of containers."""
    from kukeon_cli import quantities

    own = "" if option is None else option
    for each in answer.storage:
        left = f"{quantities.size(each.free_bytes)} of {quantities.size(each.total_bytes)} free"
        used = [_percent(each.free_bytes, each.total_bytes)]
        low = each.free_bytes < LOW_DISK_BYTES
        if each.total_files:
            left += f", room for {each.free_files} files"
            used.append(_percent(each.free_files, each.total_files))
            low = low or each.free_files < LOW_DISK_FILES
        detail = f"{left} ({max(used):.0f} % used), {each.path}"
        if low or (answer.disk_warn_percent and max(used) >= answer.disk_warn_percent):
            hint = f"make room: kuke{own} image delete, kuke{own} delete"
            status.add("storage", each.name, Verdict.WARN, detail, hint)
        else:
            status.add("storage", each.name, Verdict.OK, detail)
    if answer.snapshotter:
        status.add("storage", "snapshotter", Verdict.OK, answer.snapshotter)


def _percent(free: int, total: int) -> float:
    """Return how much is used."""
    return 100 * (total - free) / total if total else 0.0


_MENDED_BY_RIGHTS = frozenset({"permission-denied", "read-only"})
"""What is wrong with the cgroups of whoever asks, and not with kukeond's."""


def _cgroups(status: Status, mode: str, option: str | None) -> None:
    """Add the version of cgroups, and what the doctor finds where this is kukeond's host and the doctor is here."""
    from pathlib import Path

    from kukeon_api import errors
    from kukeon_cli import local

    if option is None or not local.available():
        if mode:
            status.add("host", "cgroups", Verdict.OK, mode)
        return
    try:
        found = local.doctor(Path("/sys/fs/cgroup")).examine(probe=False)
    except errors.KukeonError as exc:
        status.add("host", "cgroups", Verdict.FAIL, exc.message, exc.hint)
        return
    missing = [each.controller for each in found.troubles if str(each.status) not in _MENDED_BY_RIGHTS]
    if missing and not found.drained:
        detail = f"{mode or found.mode}, without {', '.join(missing)}"
        status.add("host", "cgroups", Verdict.WARN, detail, "see: sudo kuke doctor cgroups")
    else:
        status.add("host", "cgroups", Verdict.OK, mode or found.mode)


def process_of(session: Session) -> str:
    """Return how the process of the kukeond of this host is, empty when that is unknown."""
    from kukeon_api import errors
    from kukeon_cli import instances, processes
    from kukeon_cli import server as servers
    from kukeon_cli import service as services

    try:
        run_path = instances.run_path(session.settings, session.environ)
        if run_path is None:
            return ""
        server = servers.resolve({"run_path": run_path}, {}, session.environ)
        pid = services.of(server).pid()
        if pid is None:
            return ""
        paused = [each for each in (pid, processes.holder(server.pid_file)) if each and processes.paused(each)]
    except errors.KukeonError:
        # What is told is a help only; the row above says what fails.
        return ""
    return f"pid {paused[0]} is paused by a signal" if paused else f"pid {pid} runs, and does not answer"


@click.command("status", cls=lazy.Command)
@click.option("--json", "as_json", is_flag=True, allow_from_autoenv=False, help="The same as -o json.")
@options.output()
@click.pass_obj
def command(session: Session, as_json: bool, output: str) -> int:
    """Show whether kukeond, the host and the cells are well.

    Exits with 0 unless something FAILs: a WARN is not a failure. It exits with 8 when kukeond or containerd does not
    answer, with 6 when you may not talk to kukeond, else with 1.
    """
    from kukeon_cli import deadlines
    from kukeon_cli.output import Format

    session.require_daemon("status")
    out = session.output("json" if as_json else output)
    client = deadlines.Deadlines(session.daemon, session.settings.timeout_s)
    status = look(
        client,
        session.settings.host.value,
        session.option,
        inside=session.inside if session.can_work_inside else None,
        process=lambda: process_of(session),
    )
    if out.format in (Format.TABLE, Format.WIDE):
        for line in checks.lines(status, out, verbose=session.verbose):
            out.line(line)
    else:
        out.result(status.value(), (), [f"{check.section}/{check.name}" for check in status.checks])
    return status.exit_code
