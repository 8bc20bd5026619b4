"""`kuke run`: one cell, made if need be, started, and in the foreground until its program ends."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from kukeon_cli import lazy, options, refusals

if TYPE_CHECKING:
    from kukeon_api import model
    from kukeon_cli.foreground import End, Ending
    from kukeon_cli.output import Output
    from kukeon_cli.resources import Scope
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client

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


@dataclass(frozen=True)
class Job:
    """A cell to run.

    `source` is what describes it, None for one that is there already; `prefix` is that of a name that was generated.
    `new`: that there is one of this name is an error.
    """

    doc: model.CellDoc
    source: str | None
    prefix: str = ""
    new: bool = False


def background(client: Client, job: Job, out: Output) -> None:
    """Have the cell running, and say what of it was there before.

    Raises `CellSpecDrift` when the cell that is there is another one, and changes nothing then.
    """
    from kukeon_api import model
    from kukeon_cli import creation, lifecycle, resources, short_lives
    from kukeon_cli.commands import start

    job, found = settled(client, job)
    result = started(client, job, found)
    short_lives.tell(result)
    ref = model.ref_of(job.doc)
    if isinstance(result, model.CreateCellResult):
        lines = list(creation.lines(ref, result))
    else:
        lines = [lifecycle.line(start.VERB, ref, result)]
    out.result(result, lines, [resources.name_of(job.doc)])


def foreground(session: Session, job: Job, container: str | None, *, remove: bool, terminal: bool) -> int:
    """Have the cell running, be its terminal, or else show what it writes, and return its program's exit code.

    Which container that is about is settled before anything is made. With `remove` the cell is deleted in the end;
    kukeond does that too, for a client that is gone by then.
    """
    from kukeon_api import errors, model
    from kukeon_cli import creation, happenings, targets
    from kukeon_cli import foreground as following
    from kukeon_sdk import own_terminal

    client = session.client
    target = targets.to_run(job.doc, container, of_image=job.new and not terminal)
    job, found = settled(client, job)
    cell = model.ref_of(job.doc)
    target = cell.child(target.name)
    # Before the start, so that not even the shortest life is missed.
    with happenings.Happenings(client, cell.parts) as events:
        ending = following.Ending(client, target, events)
        try:
            end = _shown(session, job, found, ending, remove=remove, terminal=terminal)
        except (errors.CellExists, own_terminal.Left):
            # Somebody else's; or it goes on without the terminal that was closed.
            raise
        except BaseException as error:
            if remove and found is None and not creation.unknown(error):
                following.remove(client, cell)
            raise
    if end is None:
        return 0
    if remove:
        following.remove(client, cell)
    return following.exit_code(target, end)


def _shown(
    session: Session, job: Job, found: model.CellDoc | None, ending: Ending, *, remove: bool, terminal: bool
) -> End | None:
    """Start the cell, and return how its program ended, None when somebody left its terminal before."""
    from kukeon_cli import foreground as following

    client = session.client
    if terminal:
        started(client, job, found)
        return following.attach(session, ending)
    with following.Interrupts() as interrupts:
        output = None
        if remove and found is None:
            # kukeond deletes it with what it wrote as soon as it ends: somebody has to read before it begins.
            made(client, job, no_start=True)
            output = following.Output(client, ending.container)
            job = Job(job.doc, None)
        result = started(client, job, found)
        output = output or following.Output(client, ending.container)
        return following.follow(ending, output, interrupts, ours=result.started)


def settled(client: Client, job: Job) -> tuple[Job, model.CellDoc | None]:
    """Return the job with its final name, and the cell that is there; raises what speaks against running it."""
    from kukeon_api import errors, model
    from kukeon_cli import cell_sources, drift, resources

    if job.source is None:
        return job, _usable(job.doc)
    if job.prefix:
        doc = cell_sources.with_free_name(client, job.doc, job.prefix)
        return Job(doc, job.source, job.prefix, new=True), None
    ref = model.ref_of(job.doc)
    found = resources.find(client, ref)
    if not isinstance(found, model.CellDoc):
        return job, None
    if job.new:
        where = resources.scope_flags(ref)
        raise errors.CellExists(
            f"cannot make cell {str(ref)!r}: it exists",
            hint=f"run it: kuke run {ref.name}{where}; or make room: kuke delete cell {ref.name}{where}",
        )
    drift.refuse(client, job.doc, found, job.source)
    return job, _usable(found, half_made_is_fine=True)


def _usable(found: model.CellDoc, *, half_made_is_fine: bool = False) -> model.CellDoc:
    """Return the cell; raises `Conflict` when nobody knows what running it would mean."""
    from kukeon_api import errors, model
    from kukeon_cli import resources

    state = found.status.state
    if state is model.CellState.UNKNOWN or (state is model.CellState.PENDING and not half_made_is_fine):
        raise errors.Conflict(
            f"cannot run cell {str(model.ref_of(found))!r}: it is {state}",
            hint=f"look again: kuke refresh; if it stays so: kuke delete cell {found.metadata.name}"
            + resources.scope_flags(model.ref_of(found)),
        )
    return found


def started(client: Client, job: Job, found: model.CellDoc | None) -> Any:
    """Have the cell running and return the result of the call that did it."""
    from kukeon_api import model
    from kukeon_cli import creation, lifecycle
    from kukeon_cli.commands import start

    ref = model.ref_of(job.doc)
    if job.source is None:
        return creation.make(client, ref, lambda: lifecycle.call(client, start.VERB, ref), "starting")
    return made(client, job, no_start=False)


def made(client: Client, job: Job, *, no_start: bool) -> model.CreateCellResult:
    """Make the cell, or complete it, and start it unless `no_start`."""
    from kukeon_api import errors, model
    from kukeon_cli import creation, prefetch, resources
    from kukeon_cli import foreground as following

    ref = model.ref_of(job.doc)
    if not no_start:
        prefetch.missing(client, [job.doc])
    try:
        result: model.CreateCellResult = creation.make(
            client, ref, lambda: client.create_cell(job.doc, no_start), "creating" if no_start else "starting"
        )
    except errors.AlreadyExists:
        raise  # it is not ours
    except errors.KukeonError as error:
        if job.prefix and not creation.refused(error) and not creation.unknown(error):
            # Nobody has chosen its name, so nobody would look for it, or run it again.
            following.remove(client, ref)
        raise
    if job.new and not result.created:
        raise errors.CellExists(
            f"cannot make cell {str(ref)!r}: somebody else did just now",
            hint=f"run it: kuke run {ref.name}{resources.scope_flags(ref)}",
        )
    return result


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
        what = "nothing says what to run" if not chosen else f"{' and '.join(_SOURCES[name] for name in chosen)}"
        error = click.UsageError(f"{what}: give one of {ways}" if not chosen else f"give one of {ways}, not {what}")
        if chosen == ["cell", "image"]:
            error.hint = f"a command stands behind --: kuke run --image {given['image']} -- {given['cell']}"  # type: ignore[attr-defined]
        raise error
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
    from kukeon_cli import cell_sources, resources

    name = given["name"] or ""
    prefix, new = "", False
    match source:
        case "cell":
            return Job(resources.get_cell(session.client, scope.at("Cell", given["cell"])), None)
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
    return Job(doc, told, prefix, new)


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
    from kukeon_cli import resources
    from kukeon_cli import terminal as terminals

    session: Session = ctx.obj
    given["program"] = ctx.params["program"]
    source = _source(ctx, given)
    _check(ctx, source, given, session)
    here = not given["detach"] and terminals.is_terminal(sys.stdin) and terminals.is_terminal(sys.stdout)
    scope = resources.Scope(realm, space, stack)
    job = _job(source, scope, session, given, terminal=given["tty"] or here)
    if given["detach"]:
        background(session.client, job, session.output(given["output"]))
        return 0
    return foreground(session, job, given["container"], remove=given["remove"], terminal=here)
