"""`kuke run`: what to run, how it is said, and what does not go together."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kukeon_cli import lazy, options, refusals, usage

if TYPE_CHECKING:
    from kukeon_cli.resources import Scope
    from kukeon_cli.run_job import Job
    from kukeon_cli.session import Session

_SOURCES = {"cell": "CELL", "file": "-f/--file", "profile": "-p/--profile", "image": "--image"}
"""Parameter -> how people write it; exactly one says what to run."""

_BELONGS = {
    "name": (("profile", "image"), "is not for -f, where the file says the name, nor for a cell that is there"),
    "params": (("profile",), "is for -p/--profile"),
    "param_files": (("profile",), "is for -p/--profile"),
    "program": (("image",), "is for --image; in a cell that is there: kuke exec CELL -- COMMAND"),
    "command": (("image",), "is for --image"),
    "image_pull_policy": (("image",), "is for --image: other cells say 'imagePullPolicy'"),
    "tty": (("image",), "is for --image: other cells say 'attachable: true'"),
    "env": (("file", "profile", "image"), "is for cells that are described: one that is there keeps its environment"),
    "labels": (("file", "profile", "image"), "is for cells that are described: one that is there keeps its labels"),
    "remove": (("file", "profile", "image"), "is for cells that are described: one that is there says autoDelete"),
    "ignore_disk_pressure": (("file", "profile", "image"), "is for cells that are made"),
}
_SPOKEN = {
    "params": "--param",
    "param_files": "--param-file",
    "program": "a command",
    "image_pull_policy": "--image-pull-policy",
    "tty": "-t/--tty",
    "labels": "--label",
    "remove": "--rm",
    "ignore_disk_pressure": "--ignore-disk-pressure",
}


class _Command(lazy.Command):
    """A command whose words behind `--` are a program, whatever stands before them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = args.index("--") if "--" in args else len(args)
        rest = super().parse_args(ctx, args[:at])
        ctx.params["program"] = tuple(args[at + 1 :])
        return rest


def _source(ctx: click.Context, given: dict[str, Any]) -> str:
    """Return which parameter says what to run; on the command line it counts more than in the environment."""
    stated = [name for name in _SOURCES if given[name] is not None]
    typed = [name for name in stated if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    chosen = typed or stated
    if len(chosen) != 1:
        ways = f"{', '.join(list(_SOURCES.values())[:-1])} or {list(_SOURCES.values())[-1]}"
        if not chosen:
            raise click.UsageError(f"nothing says what to run: give one of {ways}")
        message = f"give one of {ways}, not {' and '.join(_SOURCES[name] for name in chosen)}"
        if chosen == ["cell", "image"]:
            hint = f"a command stands behind --: kuke run --image {given['image']} -- {given['cell']}"
            raise usage.HintedUsageError(message, hint)
        raise click.UsageError(message)
    return chosen[0]


def _check(ctx: click.Context, source: str, given: dict[str, Any], session: Session) -> None:
    """Raise a `UsageError` for what does not go together."""
    for name, (sources, why) in _BELONGS.items():
        if given[name] and source not in sources:
            raise click.UsageError(f"{_SPOKEN.get(name, f'--{name}')} {why}")
    if given["program"] and given["command"]:
        raise click.UsageError("give --command or a command after --, not both")
    formatted = ctx.get_parameter_source("output") is ParameterSource.COMMANDLINE
    if given["detach"] and given["container"] and not given["env"]:
        raise click.UsageError("--container says what to attach to, and -d/--detach not to attach")
    if not given["detach"] and formatted:
        raise click.UsageError("-o/--output is for -d/--detach: in the foreground the output is the program's own")
    if given["remove"] and session.settings.in_process:
        raise click.UsageError("--rm needs kukeond, which deletes the cell: it does not go with --no-daemon")


def _job(source: str, scope: Scope, session: Session, given: dict[str, Any], *, terminal: bool) -> Job:
    from kukeon_cli import cell_sources, resources, run_job

    name = given["name"] or ""
    prefix, new = "", False
    match source:
        case "cell":
            return run_job.Job(resources.get_cell(session.client, scope.at("Cell", given["cell"])), None)
        case "file":
            from kukeon_cli import manifests

            (read,) = manifests.read([given["file"]])
            doc, told = cell_sources.of_file(read, scope), read.name
        case "profile":
            doc = cell_sources.of_profile(
                given["profile"],
                scope,
                session.environ,
                params=given["params"],
                files=given["param_files"],
                cell=name,
            )
            told = "a file of the cell"
        case _:
            program = given["program"] or ((given["command"],) if given["command"] else ())
            doc = cell_sources.of_image(
                given["image"], program, scope, name, terminal=terminal, policy=given["image_pull_policy"]
            )
            told, new = "a file of the cell", True
    if source != "file" and not name:
        prefix = doc.metadata.name.rpartition("-")[0]
    doc = cell_sources.adapted(
        doc,
        remove=given["remove"],
        env=given["env"],
        labels=given["labels"],
        container=given["container"],
        image=source == "image",
    )
    if given["ignore_disk_pressure"]:
        doc = resources.ignoring_disk_pressure(doc)
    return run_job.Job(doc, told, prefix, new)


def _profiles(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    """Offer the names of the profiles; what is wrong with them is no business of the shell."""
    from kukeon_api import errors
    from kukeon_cli import profiles

    session: Session | None = ctx.obj
    try:
        found = profiles.known(session.environ) if session is not None else []
    except errors.KukeonError:
        return []
    return [name for name in found if name.startswith(incomplete)]


def _words(*flags: str, text: str) -> options.Decorator:
    named = next(flag for flag in flags if flag.startswith("--"))
    return click.option(*flags, multiple=True, type=options.Words(named), metavar="KEY=VALUE", help=text)


@click.command("run", cls=_Command)
@click.argument(
    "cell", metavar="[CELL] [-- COMMAND [ARG...]]", required=False, shell_complete=options.completion("cell")
)
@click.option("-f", "--file", metavar="FILE", help="File with one Cell, or - for stdin: run that.")
@click.option(
    "-p", "--profile", metavar="NAME", shell_complete=_profiles, help="Profile: run a cell that it describes."
)
@click.option(
    "--image", metavar="REF", shell_complete=options.completion("image"), help="Image: run a cell with that alone."
)
@options.image_pull_policy
@click.option("--command", metavar="COMMAND", help="With --image: what to run, when no COMMAND follows --.")
@click.option("-t", "--tty", is_flag=True, help="With --image: have a terminal, also when there is none here.")
@click.option("--name", metavar="NAME", help="With -p and --image: what to call the cell.  [default: a new name]")
@click.option("-d", "--detach", is_flag=True, help="Leave the cell running and return.")
@click.option("--rm", "remove", is_flag=True, help="Delete the cell when it has ended.")
@click.option("-c", "--container", metavar="NAME", help="The container to attach to, and the one that --env is for.")
@_words("--param", "params", text="With -p: value of a parameter.")
@click.option(
    "--param-file",
    "param_files",
    multiple=True,
    type=options.Words("--param-file"),
    metavar="FILE",
    help="With -p: file with a KEY=VALUE line for each parameter; --param counts more.",
)
@_words("-e", "--env", text="Variable for the program's environment.")
@refusals.elsewhere("-i/--interactive", "is for kuke exec: with a terminal here, what runs gets it anyway", switch=True)
@_words("--label", "labels", text="Label of the cell.")
@options.ignore_disk_pressure
@refusals.described
@refusals.later("--from-blueprint", "--from-config", "--clone", instead="describe the cell in a file or a profile")
@options.scope("realm", "space", "stack")
@options.output()
@click.pass_context
def command(ctx: click.Context, /, realm: str | None, space: str | None, stack: str | None, **given: Any) -> int:
    """Run one cell, in the foreground or not.

    The cell is one that is there, or is described by a file, a profile or an image. What a file or a profile with
    --name describes may be there already: then it is started if need be, and not touched when it differs. The scope
    flags stand in for what the file or the profile leaves open.

    In the foreground the exit code is the program's own. With a terminal here and there this is `kuke attach`:
    Ctrl-] twice leaves, and the cell goes on. Without one the output is shown until the program ends; Ctrl-C stops
    the cell, unless it ran before.

    \b
        kuke run -f web.yaml -d
        kuke run --rm --image busybox -- sh -c 'echo hello'
        kuke run -p dev --param BRANCH=main
        kuke run web
    """
    from kukeon_cli import resources, run_job
    from kukeon_cli import terminal as terminals

    session: Session = ctx.obj
    given["program"] = ctx.params["program"]
    source = _source(ctx, given)
    _check(ctx, source, given, session)
    here = not given["detach"] and terminals.is_terminal(sys.stdin) and terminals.is_terminal(sys.stdout)
    scope = resources.Scope(realm, space, stack)
    job = _job(source, scope, session, given, terminal=given["tty"] or here)
    if given["detach"]:
        run_job.background(session.client, job, session.output(given["output"]))
        return 0
    return run_job.foreground(session, job, given["container"], remove=given["remove"], terminal=here)
