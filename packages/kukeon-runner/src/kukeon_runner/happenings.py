"""What happened to resources, told by what was stored of them before and after, and remembered for a while.

Every change of state goes through the store, so nothing happens that is not told here. Followers read at their own
pace from one ring; who is too slow, or comes back too late, is told to look everything up again.
"""

from __future__ import annotations

import asyncio
import collections
import secrets
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, model
from kukeon_runner import derive

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import AsyncGenerator, Iterator

    from kukeon_runner.documents import StoredDoc

REMEMBERED = 10_000
"""Events; about a megabyte."""


class Happenings:
    """The events of one kukeond, in the order of their numbers."""

    def __init__(self) -> None:
        self._epoch = secrets.token_hex(4)
        self._ring: collections.deque[model.Event] = collections.deque(maxlen=REMEMBERED)
        self._count = 0
        """How many events there ever were."""
        self._more = asyncio.Event()
        """Set by the next event, which puts a new one in its place."""

    def tell(self, before: StoredDoc | None, after: StoredDoc | None, now: dt.datetime) -> None:
        """Remember what happened between two documents of one resource; None: it was or is not there."""
        for event in between(before, after, now):
            self._ring.append(msgspec.structs.replace(event, cursor=self._cursor(self._count + 1)))
            self._count += 1
            more, self._more = self._more, asyncio.Event()
            more.set()

    async def events(self, since: str = "", *, follow: bool = False) -> AsyncGenerator[model.Event, None]:
        """Yield what is remembered, or what comes after `since`, and with `follow` what happens from then on.

        With `follow` and no `since`, only what happens from now on. Where events after `since` are forgotten, or
        another kukeond gave it out, a Resync comes first. Raises Invalid for what is no cursor.
        """
        oldest = self._count - len(self._ring)
        if since:
            at, gap = self._after(since, oldest)
        else:
            at, gap = (self._count if follow else oldest), False
        if gap:
            yield self._resync(at)
        while True:
            more = self._more
            while at < self._count:
                oldest = self._count - len(self._ring)
                if at < oldest:
                    at = oldest
                    yield self._resync(at)
                event = self._ring[at - oldest]
                at += 1
                yield event
            if not follow:
                return
            await more.wait()

    def _after(self, since: str, oldest: int) -> tuple[int, bool]:
        """Where to go on after the cursor `since`, and whether something in between is not known any more."""
        epoch, _, number = since.rpartition("-")
        if not epoch or not number.isdecimal() or len(number) > 18:
            raise errors.Invalid(
                f"cannot go on after {since[:80]!r}: that is no cursor of an event",
                hint="use the cursor of the last event that was seen, or none",
            )
        following = int(number)
        if epoch != self._epoch or not oldest <= following <= self._count:
            return oldest, True
        return following, False

    def _resync(self, at: int) -> model.Event:
        newest = self._ring[-1].at if self._ring else derive.EPOCH
        return model.Event(
            cursor=self._cursor(at),
            at=newest,
            type=model.EventType.RESYNC,
            message="events were missed: list the resources again",
        )

    def _cursor(self, seen: int) -> str:
        """The cursor of whoever has seen that many events."""
        return f"{self._epoch}-{seen}"


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
    if after.finish_time is not None and after.finish_time != before.finish_time:
        asked = after.reason == derive.ASKED_TO_END or desired is model.DesiredState.STOPPED
        killed = model.EventType.KILLED if after.exit_signal == "SIGKILL" else model.EventType.STOPPED
        yield _event(
            killed if asked else model.EventType.EXITED,
            ref,
            after.finish_time,
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
    if after.start_time is not None and after.start_time != before.start_time:
        yield _event(model.EventType.STARTED, ref, after.start_time, state=str(after.state))
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
