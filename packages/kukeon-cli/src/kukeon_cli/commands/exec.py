"""`kuke exec`: one more program in a container that runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from kukeon_cli import lazy, options

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kukeon_api.model import CellDoc, Ref
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client
    from kukeon_sdk.sessions import ExecSession


@dataclass(frozen=True)
class Program:
    """What to run, and which of our streams it gets."""

    command: tuple[str, ...]
    interactive: bool = False
    tty: bool = False
    user: str = ""
    working_dir: str = ""
    env: tuple[str, ...] = ()


def run(client: Client, container: Ref, program: Program) -> int:
    """Run the program, be its streams, and return its exit code.

    Raises `Invalid` where it is to have a terminal and we have none to give.
    """
    from kukeon_cli import conversation, resources, streams
    from kukeon_sdk import own_terminal

    stdin = streams.standard_input().fileno() if program.interactive else None
    terminal = _terminal(stdin) if program.tty else None
    rows, columns = own_terminal.size(terminal) if terminal is not None else (0, 0)

    def start() -> ExecSession:
        return client.exec(
            resources.container_document(container),
            program.command,
            tty=program.tty,
            env=program.env,
            user=program.user,
            working_dir=program.working_dir,
            rows=rows,
            columns=columns,
        )

    return conversation.hold(start, stdin=stdin, terminal=terminal).code


def _terminal(stdin: int | None) -> int:
    """Return the descriptor of the terminal that the program's stands for."""
    from kukeon_api import errors
    from kukeon_cli import terminal

    if stdin is not None:
        if terminal.is_terminal(sys.stdin):
            return stdin
        raise errors.Invalid(
            "cannot give the program a terminal: standard input is none", hint="leave -t away; -i alone reads a pipe"
        )
    return sys.stdout.fileno()


def target(client: Client, cell: Ref, container: str | None) -> Ref:
    """Return the container meant: the one named, or the only one of the cell that is not its root container.

    Raises `CellNotFound`, `ContainerNotFound`, `Invalid` naming the choice when there are several, `TaskNotRunning`.
    """
    from kukeon_api import errors
    from kukeon_cli import resources

    found = resources.get_cell(client, cell)
    own = [spec.id for spec in found.spec.containers]
    workloads = [spec.id for spec in found.spec.containers if not spec.root]
    if container is not None:
        chosen = container.strip()
    elif len(workloads) == 1:
        chosen = workloads[0]
    elif not workloads:
        name = own[0] if own else ""
        hint = f"its root container, {name!r}, has to be named: -c {name}" if name else ""
        raise errors.ContainerNotFound(f"cannot choose a container of cell {str(cell)!r}: it has none", hint=hint)
    else:
        raise errors.Invalid(
            f"cannot choose a container of cell {str(cell)!r}: it has {', '.join(sorted(workloads))}",
            hint=f"name one: kuke exec {cell.name}{resources.scope_flags(cell)} -c {sorted(workloads)[0]} -- COMMAND",
        )
    if chosen not in own:
        choice = f"it has {', '.join(sorted(own))}" if own else "it has none"
        raise errors.ContainerNotFound(f"cannot find container {chosen!r} in cell {str(cell)!r}", hint=choice)
    _check_runs(found, cell.child(chosen))
    return cell.child(chosen)


def _check_runs(cell: CellDoc, container: Ref) -> None:
    """Raise `TaskNotRunning` with what to do next for a container that is known not to run."""
    from kukeon_api import model, start_ways

    status = next((each for each in cell.status.containers if each.name == container.name), None)
    states = model.ContainerState
    state = status.state if status is not None else states.UNKNOWN
    # What is unknown, or about to change, is kukeond's to judge.
    if state not in (states.STOPPED, states.FAILED, states.NOT_CREATED, states.EXITED, states.ERROR):
        return
    raise start_ways.not_running(cell, container, "run anything in")


def environment(given: Sequence[str], own: Mapping[str, str], *, tty: bool) -> tuple[str, ...]:
    """Return the program's variables: `KEY=VALUE` as given, the value of `KEY` alone from our `own`.

    With a terminal it learns which kind ours is. Raises a usage error for a variable that we do not have.
    """
    made = [f"TERM={own['TERM']}"] if tty and own.get("TERM") else []
    for entry in given:
        name, equals, _ = entry.partition("=")
        if not name:
            raise click.UsageError(f"-e/--env: {entry!r} is no variable: write it as KEY=VALUE")
        if equals:
            made.append(entry)
        elif name in own:
            made.append(f"{name}={own[name]}")
        else:
            raise click.UsageError(f"-e/--env: {name!r} is not set here: write it as {name}=VALUE")
    return tuple(made)


class _Command(lazy.Command):
    """A command whose first word is a cell and whose others are a program, with what looks like options among them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        at = _program_at(args, self.get_params(ctx))
        return super().parse_args(ctx, args if at is None else [*args[:at], "--", *args[at:]])


def _program_at(args: Sequence[str], params: Sequence[click.Parameter]) -> int | None:
    """Return where the program begins that no `--` stands before, None when there is none."""
    valued = {flag for each in params if isinstance(each, click.Option) and not each.is_flag for flag in each.opts}
    words, at = 0, 0
    while at < len(args) and args[at] != "--":
        word = args[at]
        if not word.startswith("-") or word == "-":
            words += 1
            if words == 2:
                return at
        elif word.startswith("--"):
            at += word in valued
        else:
            # Letters up to the first one with a value; that is the rest of the word or, at its end, the next one.
            letter = next((number for number, each in enumerate(word[1:], 2) if f"-{each}" in valued), 0)
            at += letter == len(word)
        at += 1
    return None


@click.command("exec", cls=_Command)
@options.name("cell", variable="KUKE_EXEC_CELL", shown="CELL")
@click.argument("program", nargs=-1, required=True, metavar="-- COMMAND...", type=click.UNPROCESSED)
@options.container("The container; needed when the cell has several.")
@click.option("-i", "--interactive", is_flag=True, help="Give it our standard input.")
@click.option("-t", "--tty", is_flag=True, help="Run it in a terminal.")
@click.option("-u", "--user", metavar="USER[:GROUP]", default="", help="Who it runs as.  [default: the container's]")
@click.option("-w", "--workdir", metavar="DIRECTORY", default="", help="Where it runs.  [default: the container's]")
@click.option(
    "-e",
    "--env",
    metavar="KEY[=VALUE]",
    multiple=True,
    type=options.Words("--env"),
    help="Add a variable, without a value our own one.",
)
@options.scope("realm", "space", "stack")
@click.pass_obj
def command(
    session: Session,
    name: str,
    program: tuple[str, ...],
    container: str | None,
    interactive: bool,
    tty: bool,
    user: str,
    workdir: str,
    env: tuple[str, ...],
    realm: str | None,
    space: str | None,
    stack: str | None,
) -> int:
    """Run a program in a container.

    The program's exit code is that of kuke; its stdout and stderr come on ours. Signals that kuke gets are for the
    program: press Ctrl-C three times within a second to leave it. When kuke or kukeond ends, it ends, too, with what
    it has started; only what has a session of its own, by setsid, goes on. Exit code 8: kukeond ended first.

    Options of kuke stand before the program, which begins behind -- or with the first word after CELL.

    \b
        kuke exec web -- ls -l /tmp
        kuke exec -it web -c nginx -- sh
        tar c . | kuke exec -i web -- tar x -C /tmp
    """
    from kukeon_cli import resources

    cell = resources.Scope(realm, space, stack).at("Cell", name)
    wanted = Program(program, interactive, tty, user, workdir, environment(env, session.environ, tty=tty))
    return run(session.client, target(session.client, cell, container), wanted)
