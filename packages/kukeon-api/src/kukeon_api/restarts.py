"""Which ended containers are to be started again, and when. Pure.

The first start after an exit comes at once; each further one in a row waits twice as long as the one before, with a
little chance in it so that many that failed together do not come back together. Whoever ran for a while starts anew.
Everything that decides is stored, so that it survives a restart of kukeond.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import endings, model, restart_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

DEFAULT_BACKOFF_S = 1.0
LONGEST_S = 300.0
"""No pause is longer; Kubernetes has the same bound."""
DEFAULT_RETRIES = 5
STABLE = dt.timedelta(seconds=60)
"""Who ran this long was well: what happens next is a new story."""
SPREAD = 0.1
"""The share of a pause that chance may add."""

PARTLY = frozenset({model.CellState.READY, model.CellState.EXITED, model.CellState.ERROR, model.CellState.STOPPED})
"""States of a cell that is Degraded while a container of it is to come back."""

FOR_EVER = frozenset({restart_rules.ALWAYS, restart_rules.UNLESS_STOPPED})
"""Policies that want a container back whatever its code."""

ENDED = frozenset({model.ContainerState.EXITED, model.ContainerState.ERROR, model.ContainerState.FAILED})

RESTART_FAILED = "RestartFailed"
"""Reason of a container that could not be started again, and is tried again later."""

GIVEN_UP = "RestartsGivenUp"
"""Reason of a container that failed too often in a row."""

IMAGE_PULL_FAILED = "ImagePullFailed"
"""Reason of a container whose image could not be pulled; with a time for its next start, that begins with a pull."""

GONE = frozenset({model.ContainerState.STOPPED, model.ContainerState.NOT_CREATED})
"""States that a start which came to nothing may leave: it removes what cannot be started before it makes that anew."""


def owed(spec: model.ContainerSpec, status: model.ContainerStatus) -> bool:
    """Whether the policy wants the ended container back."""
    ended = status.state in ENDED or (status.reason == RESTART_FAILED and status.state in GONE)
    if not ended or status.reason in (endings.ASKED_TO_END, GIVEN_UP):
        return False
    match spec.restart_policy:
        case policy if policy in FOR_EVER:
            return True
        case restart_rules.ON_FAILURE:
            return status.state is not model.ContainerState.EXITED
        case _:
            return False


def scheduled(
    doc: model.CellDoc, status: model.CellStatus, now: dt.datetime, chance: Callable[[], float]
) -> model.CellStatus:
    """`status` with a time for each container that is to be started again, and without for all others.

    `chance` gives a number from 0 to 1.
    """
    specs = {each.id: each for each in doc.spec.containers}
    wanted = status.desired is model.DesiredState.RUNNING and status.state is not model.CellState.FAILED
    containers = tuple(_scheduled(specs[each.name], each, now, chance, wanted=wanted) for each in status.containers)
    status = _replaced(status, containers=containers)
    if next_due(status) is not None and status.state in PARTLY:
        return _replaced(status, state=model.CellState.DEGRADED)
    return status


def _scheduled(
    spec: model.ContainerSpec,
    status: model.ContainerStatus,
    now: dt.datetime,
    chance: Callable[[], float],
    *,
    wanted: bool,
) -> model.ContainerStatus:
    if status.reason == IMAGE_PULL_FAILED and wanted:
        set_back = status.next_restart is not None and status.next_restart - now > _bound(LONGEST_S)
        return _replaced(status, next_restart=now) if set_back else status  # see `unpulled`
    if not wanted or not owed(spec, status):
        return _replaced(status, next_restart=None)
    if status.next_restart is not None and status.next_restart - now <= _longest(spec, status.restart_attempts):
        return status  # else the clock was set back since
    attempts = 0 if _ran_well(status) else status.restart_attempts
    retries = spec.restart_max_retries or DEFAULT_RETRIES
    if spec.restart_policy == restart_rules.ON_FAILURE and attempts >= retries:
        words = f"it failed {attempts + 1} times in a row"
        return _replaced(status, restart_attempts=attempts, reason=GIVEN_UP, message=words)
    # The pause counts from the exit: long ago when kukeond was away, yet to come by a clock that was set back.
    since = min(now, max(filter(None, (status.finish_time, status.restart_time)), default=now))
    due = since + dt.timedelta(seconds=pause_s(spec, attempts) * (1 + SPREAD * chance()))
    return _replaced(status, restart_attempts=attempts, next_restart=due)


def _longest(spec: model.ContainerSpec, attempts: int) -> dt.timedelta:
    return _bound(pause_s(spec, attempts))


def _bound(pause_s: float) -> dt.timedelta:
    return dt.timedelta(seconds=pause_s * (1 + SPREAD))


def pause_s(spec: model.ContainerSpec, attempts: int) -> float:
    """How long to wait before the next start, after so many in a row."""
    if attempts == 0:
        return 0.0
    first = DEFAULT_BACKOFF_S if spec.restart_backoff_seconds is None else float(spec.restart_backoff_seconds)
    # Doubled at most 30 times: far beyond the bound, and no overflow.
    return min(LONGEST_S, first * float(2 ** min(attempts - 1, 30)))


def pulled_again(doc: model.CellDoc) -> bool:
    """Whether images that a person's command could not pull for the cell are to be pulled later: some policy says so.

    A cell comes up as a whole, so that one container of it that is to be kept running is enough.
    """
    return any(each.restart_policy not in ("", restart_rules.NEVER) for each in doc.spec.containers)


def unpulled(
    doc: model.CellDoc,
    names: Collection[str],
    message: str,
    now: dt.datetime,
    chance: Callable[[], float],
    *,
    again: bool,
) -> model.CellStatus:
    """The status of `doc` after the images of these containers could not be pulled; `again`: they will be, later.

    How often that is tried has no bound: a registry may be away for longer than a program may fail.
    """
    specs = {each.id: each for each in doc.spec.containers}

    def wait(each: model.ContainerStatus) -> model.ContainerStatus:
        attempts = (each.restart_attempts if each.reason == IMAGE_PULL_FAILED else 0) + 1
        spec = specs[each.name]
        # Whoever wants a program back without any pause does not want its registry asked without any.
        patient = _replaced(spec, restart_backoff_seconds=spec.restart_backoff_seconds or None)
        pause = dt.timedelta(seconds=pause_s(patient, attempts) * (1 + SPREAD * chance()))
        told = _replaced(each, reason=IMAGE_PULL_FAILED, message=message, restart_attempts=attempts)
        return _replaced(told, next_restart=now + pause if again else None)

    known = {each.name: each for each in doc.status.containers}
    fresh = model.ContainerState.NOT_CREATED
    containers = [known.get(name, model.ContainerStatus(name=name, state=fresh)) for name in specs]
    return _replaced(doc.status, containers=tuple(wait(each) if each.name in names else each for each in containers))


def due(status: model.CellStatus, now: dt.datetime) -> tuple[str, ...]:
    """The names of the containers whose time has come."""
    return tuple(each.name for each in status.containers if each.next_restart is not None and each.next_restart <= now)


def next_due(status: model.CellStatus) -> dt.datetime | None:
    """When the next container is to be started."""
    return min((each.next_restart for each in status.containers if each.next_restart is not None), default=None)


def pulled_later(status: model.CellStatus, now: dt.datetime) -> bool:
    """Whether an image that could not be pulled is to be tried again, but not yet."""
    waiting = (each.next_restart for each in status.containers if each.reason == IMAGE_PULL_FAILED)
    return any(at is not None and at > now for at in waiting)


def started(status: model.CellStatus, name: str, now: dt.datetime) -> model.CellStatus:
    """`status` after an attempt to start a container again, whatever comes of it."""

    def count(each: model.ContainerStatus) -> model.ContainerStatus:
        # Pulls that failed are no starts that failed.
        before = 0 if each.reason == IMAGE_PULL_FAILED else each.restart_attempts
        return _replaced(
            each,
            restart_count=each.restart_count + 1,
            restart_attempts=before + 1,
            restart_time=now,
            next_restart=None,
        )

    return _each(status, name, count)


def failed(status: model.CellStatus, name: str, message: str) -> model.CellStatus:
    """`status` after an attempt to start a container again that came to nothing."""
    return _each(status, name, lambda each: _replaced(each, reason=RESTART_FAILED, message=message))


def forgiven(status: model.CellStatus, only: Collection[str] | None = None) -> model.CellStatus:
    """`status` after a person asked for a start: what failed before does not count any more."""

    def forgive(each: model.ContainerStatus) -> model.ContainerStatus:
        over = each.reason in (GIVEN_UP, IMAGE_PULL_FAILED, endings.ASKED_TO_END)
        reason, message = ("", "") if over else (each.reason, each.message)
        return _replaced(each, restart_attempts=0, next_restart=None, reason=reason, message=message)

    containers = tuple(forgive(each) if only is None or each.name in only else each for each in status.containers)
    return _replaced(status, containers=containers)


def _ran_well(status: model.ContainerStatus) -> bool:
    if status.start_time is None or status.finish_time is None:
        return False
    # After a start that failed, both times are still of the run before.
    new = status.restart_time is None or status.restart_time <= status.start_time
    return new and status.finish_time - status.start_time >= STABLE


def _each(
    status: model.CellStatus, name: str, change: Callable[[model.ContainerStatus], model.ContainerStatus]
) -> model.CellStatus:
    containers = tuple(change(each) if each.name == name else each for each in status.containers)
    return _replaced(status, containers=containers)


_replaced = msgspec.structs.replace
