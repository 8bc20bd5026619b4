"""What is observed, as the states that people see. One derivation for verbs, refresh and reconcile. Pure.

A status is carried on, never written from scratch: what the runtime cannot tell (when it was created, how it last
ended) survives every refresh.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import endings, model, restart_rules, restarts
from kukeon_runner import observed
from kukeon_runner.observed import TaskStatus

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Mapping, Sequence

    from kukeon_runner import wanted

MESSAGE_LIMIT_BYTES = 256
"""Room for a failure's words in a status (model: Status)."""

ACTIVE = frozenset(
    {
        model.ContainerState.READY,
        model.ContainerState.PENDING,
        model.ContainerState.PAUSED,
        model.ContainerState.PAUSING,
    }
)
SAME_RUN = frozenset(
    {
        model.ContainerState.READY,
        model.ContainerState.PAUSED,
        model.ContainerState.PAUSING,
        model.ContainerState.UNKNOWN,
    }
)
"""States after which a running program that has not ended in between is still the one that was started before."""
BAD = frozenset({model.ContainerState.ERROR, model.ContainerState.FAILED})
NOT_STARTED = frozenset({model.ContainerState.NOT_CREATED, model.ContainerState.STOPPED})

START_FAILED = "StartContainerFailed"
"""Reason of a container that could not be started, and of a cell that failed for that."""

SHIM_LOST = "ShimLost"
"""Reason of a container whose task vanished with its shim: it ended, and nobody saw how."""

OOM_KILLED = "OOMKilled"
"""Reason of a container that ended after the kernel ran out of the memory that it may use."""

NO_STARTS: Mapping[str, dt.datetime] = MappingProxyType({})

_OF_TASK = {
    TaskStatus.CREATED: model.ContainerState.PENDING,
    TaskStatus.RUNNING: model.ContainerState.READY,
    TaskStatus.PAUSED: model.ContainerState.PAUSED,
    TaskStatus.PAUSING: model.ContainerState.PAUSING,
    TaskStatus.UNKNOWN: model.ContainerState.UNKNOWN,
}


def cell(
    doc: model.CellDoc,
    site: wanted.Site,
    seen: observed.Cell,
    exits: Mapping[str, observed.Exit],
    now: dt.datetime,
    starts: Mapping[str, dt.datetime] = NO_STARTS,
) -> model.CellStatus:
    """The status of `doc` after what was `seen`.

    `exits` are ends of deleted tasks, `starts` when tasks were just started, both by containerd id: who is quickly done
    is never seen running.
    """
    before = {each.name: each for each in doc.status.containers}
    down = doc.status.desired is not model.DesiredState.RUNNING
    containers = tuple(
        container(before.get(each.id), each, site, seen, exits, now, starts, wanted_down=down)
        for each in doc.spec.containers
    )
    state = cell_state(doc, site, seen, containers)
    status = msgspec.structs.replace(
        doc.status,
        state=state,
        cgroup_path=site.cgroup,
        cgroup_ready=seen.cgroup,
        containers=containers,
        network=_network(doc.status.network, seen.address),
        ready_observed=doc.status.ready_observed or state is model.CellState.READY,
        observed_generation=doc.metadata.generation,
    )
    if state is model.CellState.FAILED:
        return status
    reason, message = "", ""
    if state is model.CellState.ERROR:
        reason, message = _failure(containers)
    elif state is model.CellState.PENDING:
        reason, message = _waiting(containers)
    return msgspec.structs.replace(status, reason=reason, message=message)


def cell_state(
    doc: model.CellDoc, site: wanted.Site, seen: observed.Cell, containers: Sequence[model.ContainerStatus]
) -> model.CellState:
    """Sum up the workloads. The root container counts only where there is no other."""
    stopped = doc.status.desired is not model.DesiredState.RUNNING
    roots = {each.id for each in doc.spec.containers if each.root}
    workloads = [each.state for each in containers if each.name not in roots]
    bad = any(each.state in BAD or _not_started(each) for each in containers if each.name not in roots)
    if not workloads:
        workloads = [_state_of(seen.containers.get(site.root_id), wanted_down=stopped)]
    active = [each for each in workloads if each in ACTIVE]
    if doc.status.state is model.CellState.PENDING and not stopped:
        return model.CellState.PENDING  # whoever brings it up is not done, or was cut off
    if doc.status.state is model.CellState.FAILED and not active:
        return model.CellState.FAILED
    if stopped and not active:
        return model.CellState.STOPPED
    if not seen.cgroup or (model.ContainerState.UNKNOWN in workloads and not active):
        return model.CellState.UNKNOWN
    if active:
        return model.CellState.DEGRADED if bad else model.CellState.READY
    if BAD.intersection(workloads):
        return model.CellState.ERROR
    if all(each is model.ContainerState.EXITED for each in workloads):
        return model.CellState.EXITED
    return model.CellState.STOPPED


def _not_started(status: model.ContainerStatus) -> bool:
    return status.reason == START_FAILED and status.state in NOT_STARTED


def container(
    before: model.ContainerStatus | None,
    spec: model.ContainerSpec,
    site: wanted.Site,
    seen: observed.Cell,
    exits: Mapping[str, observed.Exit],
    now: dt.datetime,
    starts: Mapping[str, dt.datetime] = NO_STARTS,
    *,
    wanted_down: bool = False,
) -> model.ContainerStatus:
    """The status of one container, carrying on what was known `before`."""
    identity = site.container_id(spec.id, root=spec.root)
    found = seen.containers.get(identity)
    status = before or model.ContainerStatus(name=spec.id)
    if wanted_down and status.reason == restarts.IMAGE_PULL_FAILED:
        status = msgspec.structs.replace(status, reason="", message="")
    began = starts.get(identity)
    if began is not None:
        # What is told below of how it ended is of this run, which may be over already.
        status = msgspec.structs.replace(status, start_time=began, oom_killed=False, reason="", message="")
    known = _end_of(status)
    ended = exits.get(identity) or (found.task.exit if found and found.task else None)
    asked = wanted_down or status.reason == endings.ASKED_TO_END
    state = _state_of(found, wanted_down=asked, known=ended or known)
    # Who was to be started stays so until that is done, given up, or not wanted any more.
    begun = before is not None and before.state is model.ContainerState.PENDING and not asked and state not in ACTIVE
    changes: dict[str, object] = {"id": identity, "state": model.ContainerState.PENDING if begun else state}
    if found is not None and found.recorded:
        changes["image_digest"] = found.image_digest
        if status.created_at is None:
            # Who looks only now at what runs already must not tell that it was made after it began.
            changes["created_at"] = min(now, began or now)
    if state is model.ContainerState.READY:
        same = status.state in SAME_RUN and status.start_time is not None and status.finish_time is None
        if began is None and (not same or identity in exits):
            changes |= {"start_time": now, "oom_killed": False}
        changes |= {"exit_code": None, "exit_signal": "", "finish_time": None, "reason": "", "message": ""}
    elif ended is not None:
        changes |= {
            "exit_code": ended.code,
            "exit_signal": endings.signal_name(ended.code),
            "finish_time": ended.at or status.finish_time or now,
        }
        # Of the kernel's victims only the program itself ends the container; one that lost a child may end well.
        if status.oom_killed and ended.code and not asked:
            changes |= {"reason": OOM_KILLED, "message": "it used more memory than it may"}
    elif not begun and _shim_lost(status, state, seen, asked=asked):
        changes |= {"state": model.ContainerState.ERROR, "finish_time": status.finish_time or now}
        if status.reason not in (restarts.RESTART_FAILED, restarts.GIVEN_UP, restarts.IMAGE_PULL_FAILED):
            changes |= {"reason": SHIM_LOST, "message": "its shim ended with it"}
    return msgspec.structs.replace(status, **changes)


def _shim_lost(before: model.ContainerStatus, state: model.ContainerState, seen: observed.Cell, *, asked: bool) -> bool:
    """Whether a task vanished that ran when last seen, by no verb and no reboot (which takes the pins along)."""
    if asked or state is not model.ContainerState.STOPPED:
        return False
    ran = before.start_time is not None and before.state in ACTIVE
    lost_before = before.finish_time is not None and before.exit_code is None
    return (ran and seen.pinned) or lost_before


def _state_of(
    found: observed.Container | None, *, wanted_down: bool, known: observed.Exit | None = None
) -> model.ContainerState:
    """The state of a container; `known` is how it ended, for when its task is gone."""
    if found is None or not found.recorded:
        return model.ContainerState.NOT_CREATED
    if found.task is None:
        if known is None or wanted_down:
            return model.ContainerState.STOPPED
        return model.ContainerState.ERROR if known.code else model.ContainerState.EXITED
    if found.task.status is not TaskStatus.STOPPED:
        return _OF_TASK[found.task.status]
    if wanted_down:
        return model.ContainerState.STOPPED  # ended because it was asked to, whatever its code
    failed = found.task.exit is not None and found.task.exit.code != 0
    return model.ContainerState.ERROR if failed else model.ContainerState.EXITED


def _end_of(status: model.ContainerStatus) -> observed.Exit | None:
    """How the last run ended, where that was seen."""
    if status.finish_time is None or status.exit_code is None:
        return None
    return observed.Exit(status.exit_code, status.finish_time)


def ended(before: model.ContainerStatus, end: observed.Exit, *, asked: bool) -> model.ContainerStatus:
    """The status of a container whose program has just ended; `asked` when an operator wants it down."""
    if asked:
        state = model.ContainerState.STOPPED
    elif before.state is model.ContainerState.PENDING:
        state = before.state  # it ends to be started again
    else:
        state = model.ContainerState.ERROR if end.code else model.ContainerState.EXITED
    return msgspec.structs.replace(
        before, state=state, exit_code=end.code, exit_signal=endings.signal_name(end.code), finish_time=end.at
    )


def taken(doc: model.CellDoc, site: wanted.Site, seen: observed.Cell) -> tuple[str, ...]:
    """The names of the containers that a reboot took from a cell that is to run.

    With `always`, so are those that an operator had ended: that is what tells it from `unless-stopped`.
    """
    status = doc.status
    if seen.pinned or status.desired is not model.DesiredState.RUNNING or status.state is model.CellState.FAILED:
        return ()
    lost = vanished(doc, site, seen)
    # Where nothing else ran: only a reboot takes the namespaces of a cell that is to run and was not wound down.
    idle = status.state in (model.CellState.STOPPED, model.CellState.UNKNOWN) and status.ready_observed
    if not lost and not idle:
        return ()
    always = {each.id for each in doc.spec.containers if each.restart_policy == restart_rules.ALWAYS}
    asked = (each.name for each in status.containers if each.reason == endings.ASKED_TO_END and each.name in always)
    return (*lost, *asked)


def vanished(doc: model.CellDoc, site: wanted.Site, seen: observed.Cell) -> tuple[str, ...]:
    """The names of containers that ran when last seen and have no task, where the cell's namespaces are gone, too.

    That is what a reboot leaves: a shim that dies leaves the pins.
    """
    if seen.pinned:
        return ()
    specs = {each.id: each for each in doc.spec.containers}
    found = []
    for each in doc.status.containers:
        spec = specs.get(each.name)
        if spec is None or each.start_time is None or each.finish_time is not None:
            continue
        if each.reason == endings.ASKED_TO_END:
            continue
        there = seen.containers.get(site.container_id(spec.id, root=spec.root))
        if there is None or there.task is None:
            found.append(each.name)
    return tuple(found)


def one_line(words: BaseException | str) -> str:
    """Words, an error's for one, on one line of at most 256 bytes."""
    text = " ".join(str(words).split())
    raw = text.encode()
    if len(raw) <= MESSAGE_LIMIT_BYTES:
        return text
    return raw[: MESSAGE_LIMIT_BYTES - 3].decode(errors="ignore") + "..."


def _network(before: model.CellNetworkStatus | None, address: observed.Address | None) -> model.CellNetworkStatus:
    bridge = before.bridge_name if before else ""
    if address is None:
        return model.CellNetworkStatus(bridge_name=bridge)
    return model.CellNetworkStatus(bridge_name=bridge, address=address.cidr, gateway=address.gateway)


def _waiting(containers: Iterable[model.ContainerStatus]) -> tuple[str, str]:
    for each in containers:
        if each.reason == restarts.IMAGE_PULL_FAILED:
            return each.reason, one_line(f"container {each.name!r}: {each.message}")
    return "", ""


def _failure(containers: Iterable[model.ContainerStatus]) -> tuple[str, str]:
    for each in containers:
        if each.state in BAD:
            if each.exit_code is None:
                return "WorkloadFailed", f"container {each.name!r} was lost: {each.message}"
            how = f"was ended by {each.exit_signal}" if each.exit_signal else f"exited with code {each.exit_code}"
            return "WorkloadFailed", f"container {each.name!r} {how}"
    return "", ""
