"""`kuke doctor`: what keeps this host from running cells, and what to do about it. Needs no kukeond."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from kukeon_cli import lazy, options, tree

if TYPE_CHECKING:
    from kukeon_api import model
    from kukeon_cli.local import Diagnosis
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session

_KINDS = ("realm", "space", "stack", "cell")


def group_of(session: Session, kind: str, name: str, given: dict[str, str | None]) -> str:
    """Return the cgroup of a resource, as its status says it.

    Raises `Invalid` naming the flag of a parent that is missing, the `NotFound` of its kind, and `Conflict` when it has
    no cgroup.
    """
    from kukeon_api import errors, model
    from kukeon_cli import resources

    parents = _KINDS[: _KINDS.index(kind)]
    missing = [f"--{parent}" for parent in parents if not given[parent]]
    if missing:
        raise errors.Invalid(
            f"cannot find the cgroup of {kind} {name!r}: it is not said where it is",
            hint=f"pass {' and '.join(missing)}",
        )
    scope = resources.Scope(**{parent: given[parent] for parent in parents})
    capital: Any = kind.capitalize()
    doc = resources.get(session.client, scope.at(capital, name))
    assert isinstance(doc.status, model.Status)
    path = str(getattr(doc.status, "cgroup_path", ""))
    if not path:
        raise errors.Conflict(
            f"cannot examine the cgroup of {kind} {name!r}: it has none", hint=f"see: kuke get {kind} {name} -o yaml"
        )
    return path


def tell(found: Diagnosis, out: Output, *, verbose: bool) -> int:
    """Print a diagnosis and return the exit code: nothing and 0 when all is well, unless `verbose`."""
    from kukeon_cli import local
    from kukeon_cli.output import Format
    from kukeon_cli.terminal import printable

    rows = [
        {"name": finding.controller, "status": str(finding.status), "detail": finding.detail}
        for finding in found.findings
    ]
    value = {
        "ok": found.well,
        "mode": found.mode,
        "target": found.target,
        "drained": found.drained,
        "controllers": rows,
        "fix": found.fix,
        "notes": list(found.notes),
    }
    lines = []
    if verbose or found.troubles:
        width = max((len(row["name"]) for row in rows), default=0)
        lines = [f"cgroups {found.mode} at {found.target}, needed: {', '.join(row['name'] for row in rows)}"]
        lines += [f"  {row['name']:{width}}  {row['status']}  {row['detail']}".rstrip() for row in rows]
    out.result(value, lines, [f"cgroups/{row['name']}" for row in rows])
    if out.format not in (Format.TABLE, Format.WIDE):
        return _code(found)
    out.stream.flush()
    if found.drained:
        print("note: kukeond moves these processes into a group below by itself", file=sys.stderr)
    elif found.troubles:
        for status in dict.fromkeys(finding.status for finding in found.troubles):
            names = ", ".join(finding.controller for finding in found.troubles if finding.status is status)
            print(printable(f"{names}: {local.remedy(status)}"), file=sys.stderr)
        if found.fix:
            print(printable(f"fix: {found.fix}"), file=sys.stderr)
    if verbose or found.troubles:
        for note in found.notes:
            print(f"note: {note}", file=sys.stderr)
    return _code(found)


def _code(found: Diagnosis) -> int:
    from kukeon_api import errors

    if found.well:
        return 0
    denied = all(str(finding.status) == "permission-denied" for finding in found.troubles)
    return errors.Denied.exit_code if denied else 1


@click.command("cgroups", cls=lazy.Command)
@click.argument("name", metavar="[NAME]", required=False)
@click.option(
    "--root",
    type=click.Path(path_type=Path),
    default="/sys/fs/cgroup",
    metavar="DIRECTORY",
    help="Where the cgroups are mounted.  [default: /sys/fs/cgroup]",
)
@click.option("--scope", type=click.Choice(_KINDS), help="Look at the cgroup of the resource NAME instead of the root.")
@options.scope("realm", "space", "stack")
@click.option("--probe/--no-probe", default=True, help="Ask the kernel for what is not enabled.  [default: --probe]")
@click.option(
    "--nested-cgroup-runtime", is_flag=True, help="Need all that is there, for cells that run containers of their own."
)
@click.option("--verbose-status", is_flag=True, help="Also print what is well.")
@options.output()
@click.pass_obj
def cgroups_command(
    session: Session,
    /,
    name: str | None,
    root: Path,
    scope: str | None,
    probe: bool,
    nested_cgroup_runtime: bool,
    verbose_status: bool,
    output: str,
    **given: str | None,
) -> int:
    """Check that cells can be limited by cgroups.

    Prints nothing when all is well. What is not enabled yet is asked of the kernel, which needs root and does no harm;
    with --no-probe nothing is written. Exits with 1 when something is missing, with 6 when it only takes root.
    """
    from kukeon_api import errors
    from kukeon_cli import local

    session.start_logging()
    if scope is None and name is not None:
        raise errors.Invalid(f"cannot tell what {name!r} is", hint="pass --scope realm, space, stack or cell")
    if scope is not None and name is None:
        raise errors.Invalid(
            f"cannot look at a {scope} without its name", hint=f"kuke doctor cgroups --scope {scope} NAME"
        )
    group = group_of(session, scope, name, given) if scope and name else ""
    found = local.doctor(root).examine(group, probe=probe, everything=nested_cgroup_runtime)
    return tell(found, session.output(output), verbose=verbose_status or session.verbose)


def tell_files(answer: model.PingResult, out: Output) -> int:
    """Print what cannot be read of what is stored, with what to do about it; return the exit code."""
    from kukeon_api import model
    from kukeon_cli.output import Format
    from kukeon_cli.terminal import printable

    hint = "repair the file, or remove the resource: kuke purge KIND NAME --cascade"
    found = [model.Damage(message=line, hint=hint) for line in answer.unreadable]
    found += answer.damaged
    value = {"ok": not found, "damaged": [{"message": each.message, "hint": each.hint} for each in found]}
    out.result(value, [each.message for each in found], [])
    if out.format in (Format.TABLE, Format.WIDE):
        out.stream.flush()
        for each in dict.fromkeys(each.hint for each in found if each.hint):
            print(f"hint: {printable(each)}", file=sys.stderr)
    return 1 if found else 0


@click.command("files", cls=lazy.Command)
@options.output()
@click.pass_obj
def files_command(session: Session, output: str) -> int:
    """Check that everything that is stored can be read.

    Prints nothing when all is well, else a line for each file, and exits with 1. Works without kukeond, too.
    """
    return tell_files(session.client.ping(), session.output(output))


group = lazy.LazyGroup("doctor", entries=tree.DOCTOR, help="Find out what keeps this host from running cells.")
