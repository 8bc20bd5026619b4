"""Events: what happened between two documents of a resource, and a ring that remembers the last ones. Pure.

The real kukeond and the one in memory tell the same, because they both ask here.
"""

from __future__ import annotations

import collections
import secrets
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import endings, errors, fields, model, restarts, suggest

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence

    StoredDoc = model.RealmDoc | model.SpaceDoc | model.StackDoc | model.CellDoc

REMEMBERED = 10_000
"""Events; about a megabyte."""


class Ring:
    """The last events of one kukeond, in the order of their numbers."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._epoch = secrets.token_hex(4)
        self._ring: collections.deque[model.Event] = collections.deque(maxlen=remembered)
        self.count = 0
        """How many events there ever were."""

    @property
    def oldest(self) -> int:
        """How many events are forgotten."""
        return self.count - len(self._ring)

    def tell(self, before: StoredDoc | None, after: StoredDoc | None, now: dt.datetime) -> bool:
        """Remember what happened between two documents of one resource (None: it was or is not there); if anything."""
        known = self.count
        for event in between(before, after, now):
            self.count += 1
            self._ring.append(msgspec.structs.replace(event, cursor=self._cursor(self.count)))
        return self.count != known

    def reader(self, since: str = "", *, follow: bool = False) -> Reader:
        """Return who reads what is remembered, or what comes after `since`.

        With `follow` and no `since`, only what is told from now on. Raises `Invalid` for what is no cursor.
        """
        if since:
            return Reader(self, *self._after(since))
        return Reader(self, self.count if follow else self.oldest, False)

    def at(self, number: int) -> model.Event:
        """Return the event `number`, counted from 0; it must not be forgotten."""
        return self._ring[number - self.oldest]

    def resync(self, number: int) -> model.Event:
        """Return what to tell somebody who goes on at `number` after having missed events."""
        return model.Event(
            cursor=self._cursor(number),
            at=self._ring[-1].at if self._ring else fields.EPOCH,
            type=model.EventType.RESYNC,
            message="events were missed: list the resources again",
        )

    def _after(self, since: str) -> tuple[int, bool]:
        """Where to go on after the cursor `since`, and whether something in between is not known any more."""
        epoch, _, number = since.rpartition("-")
        if not epoch or not number.isdecimal() or len(number) > 18:
            raise errors.Invalid(
                f"cannot go on after {since[:80]!r}: that is no cursor of an event",
                hint="use the cursor of the last event that was seen, or none",
            )
        following = int(number)
        if epoch != self._epoch or not self.oldest <= following <= self.count:
            return self.oldest, True
        return following, False

    def _cursor(self, seen: int) -> str:
        """The cursor of whoever has seen that many events."""
        return f"{self._epoch}-{seen}"


class Reader:
    """Who reads a ring, at a pace of their own. Where events were missed, a Resync comes first."""

    def __init__(self, ring: Ring, at: int, gap: bool) -> None:
        self._ring = ring
        self._at = at
        self._gap = gap

    def next(self) -> model.Event | None:
        """Return the next event; None when there is none yet."""
        ring = self._ring
        if self._at < ring.oldest:
            self._at, self._gap = ring.oldest, True
        if self._gap:
            self._gap = False
            return ring.resync(self._at)
        if self._at == ring.count:
            return None
        self._at += 1
        return ring.at(self._at - 1)


def check_kinds(kinds: Sequence[str]) -> None:
    """Raise `Invalid` for what is no kind of resource."""
    for kind in kinds:
        if kind not in model.KINDS:
            raise errors.Invalid(
                f"cannot follow {kind[:80]!r}: that is no kind of resource",
                hint=suggest.question(suggest.nearest(kind.capitalize(), model.KINDS)),
            )


def within(event: model.Event, place: Sequence[str], kinds: Sequence[str]) -> bool:
    """Whether an event is of these kinds and lies in `place`; empty names, or no kinds, mean any. Resync always is."""
    if event.type is model.EventType.RESYNC:
        return True
    if kinds and event.kind not in kinds:
        return False
    parts = event.ref.split("/")
    # A resource is within a scope that it lies in; what lies above the scope is not.
    return all(not name or (at < len(parts) and parts[at] == name) for at, name in enumerate(place))


def between(before: StoredDoc | None, after: StoredDoc | None, now: dt.datetime) -> Iterator[model.Event]:
    """Yield what happened between two documents of one resource, without cursors. Pure."""
    doc = after or before
    if doc is None:
        return
    ref = model.ref_of(doc)
    if before is None or after is None:
        kind = model.EventType.CREATED if before is None else model.EventType.DELETED
        yield _event(kind, ref, now, state=str(doc.status.state))
        if before is None and isinstance(after, model.CellDoc):
            yield from _containers(None, after, now)
        return
    if after.metadata.generation != before.metadata.generation or after.metadata.labels != before.metadata.labels:
        yield _event(model.EventType.UPDATED, ref, now, state=str(after.status.state))
    if isinstance(before, model.CellDoc) and isinstance(after, model.CellDoc):
        yield from _containers(before, after, now)
    if after.status.state != before.status.state:
        failed = str(after.status.state) == "Failed"
        yield _event(
            model.EventType.FAILED if failed else model.EventType.STATE_CHANGED,
            ref,
            now,
            state=str(after.status.state),
            reason=after.status.reason,
            message=after.status.message,
        )


def _containers(before: model.CellDoc | None, after: model.CellDoc, now: dt.datetime) -> Iterator[model.Event]:
    cell = model.ref_of(after)
    old = {each.id for each in before.spec.containers} if before else set()
    new = {each.id for each in after.spec.containers}
    for name in sorted(new - old):
        yield _event(model.EventType.CREATED, cell.child(name), now)
    statuses = {each.name: each for each in before.status.containers} if before else {}
    for status in after.status.containers:
        if status.name in new:
            known = statuses.get(status.name, model.ContainerStatus(name=status.name))
            yield from _container(cell.child(status.name), known, status, after.status.desired, now)
    for name in sorted(old - new):
        yield _event(model.EventType.DELETED, cell.child(name), now)


def _container(
    ref: model.Ref,
    before: model.ContainerStatus,
    after: model.ContainerStatus,
    desired: model.DesiredState,
    now: dt.datetime,
) -> Iterator[model.Event]:
    told = False
    if after.oom_killed and not before.oom_killed:
        yield _event(model.EventType.OOM_KILLED, ref, now, state=str(after.state))
    begun = after.start_time if after.start_time != before.start_time else None
    ended = after.finish_time if after.finish_time != before.finish_time else None
    if begun is not None and ended is not None and begun <= ended:
        # So short a life that nobody looked meanwhile.
        yield _event(model.EventType.STARTED, ref, begun, state=str(model.ContainerState.READY))
        begun = None
    if ended is not None:
        asked = after.reason == endings.ASKED_TO_END or desired is not model.DesiredState.RUNNING
        killed = model.EventType.KILLED if after.exit_signal == "SIGKILL" else model.EventType.STOPPED
        yield _event(
            killed if asked else model.EventType.EXITED,
            ref,
            ended,
            state=str(after.state),
            reason=after.reason,
            message=after.message,
            exit_code=after.exit_code,
            exit_signal=after.exit_signal,
        )
        told = True
    if after.restart_count > before.restart_count:
        message = f"start {after.restart_count}"
        yield _event(model.EventType.RESTARTING, ref, now, state=str(after.state), message=message)
    if begun is not None:
        yield _event(model.EventType.STARTED, ref, begun, state=str(after.state))
        told = True
    if restarts.IMAGE_PULL_FAILED == after.reason != before.reason:
        yield _event(
            model.EventType.FAILED, ref, now, state=str(after.state), reason=after.reason, message=after.message
        )
        told = True
    if not told and after.state != before.state:
        yield _event(
            model.EventType.STATE_CHANGED,
            ref,
            now,
            state=str(after.state),
            reason=after.reason,
            message=after.message,
        )


def _event(
    type: model.EventType,
    ref: model.Ref,
    at: dt.datetime,
    *,
    state: str = "",
    reason: str = "",
    message: str = "",
    exit_code: int | None = None,
    exit_signal: str = "",
) -> model.Event:
    return model.Event(
        cursor="",
        at=at,
        type=type,
        kind=ref.kind,
        ref=str(ref),
        state=state,
        reason=reason,
        message=message,
        exit_code=exit_code,
        exit_signal=exit_signal,
    )
