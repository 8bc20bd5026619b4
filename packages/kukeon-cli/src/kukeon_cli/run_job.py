"""A cell that `kuke run` runs: made if need be, started, and in the foreground until its program ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kukeon_api import model
    from kukeon_cli.foreground import End, Ending
    from kukeon_cli.output import Output
    from kukeon_cli.session import Session
    from kukeon_sdk.client import Client


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
    from kukeon_api import errors, model, restarts
    from kukeon_cli import resources

    state = found.status.state
    # One that waits for its image is not being made: whoever runs it has the image looked for now.
    half_made = state is model.CellState.PENDING and found.status.reason != restarts.IMAGE_PULL_FAILED
    if state is model.CellState.UNKNOWN or (half_made and not half_made_is_fine):
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
