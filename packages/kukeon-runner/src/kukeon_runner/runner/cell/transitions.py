"""How a cell gets up and down, with what is stored on the way: after a crash, it is that which decides."""

from __future__ import annotations

import asyncio
import logging
import random
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import endings, errors, model, restarts
from kukeon_runner import derive, observe, observed, wanted
from kukeon_runner.execute import execute
from kukeon_runner.plan import cell as plan
from kukeon_runner.runner import needs
from kukeon_runner.runner.cell import wishes
from kukeon_runner.runner.cell.work import Outcome, Work
from kukeon_runner.steps import DeleteTask, Plan, Results, StartTask, StopTask
from kukeon_runner.together import together

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Collection, Container, Mapping

log = logging.getLogger(__name__)

UP = frozenset({model.CellState.READY, model.CellState.DEGRADED})


class Transitions(Work):
    async def _start(
        self,
        doc: model.CellDoc,
        only: Collection[str] | None = None,
        *,
        reason: str = "",
        spare: bool = False,
        asked: bool = True,
        final: bool = True,
    ) -> Outcome:
        """Bring the cell up, or of its workloads `only` these; `asked`: somebody wants it now, see `needs.lacking`.

        A failure is stored with `reason` (when empty: that of creating or starting a cell) and ends the whole cell;
        with `spare`, what runs already goes on. Unless `final`, what was stored stays as it was: the caller goes on.
        """
        try:
            return await self._bring_up(doc, only, reason, spare=spare, asked=asked, final=final)
        except errors.Invalid as error:
            # The request was well formed and is stored; what it names does not fit this host.
            raise errors.CreateCell(str(error), hint=error.hint) from error

    async def _bring_up(
        self,
        doc: model.CellDoc,
        only: Collection[str] | None,
        reason: str,
        *,
        spare: bool,
        asked: bool,
        final: bool,
    ) -> Outcome:
        ref = model.ref_of(doc)
        # Nothing was ever made by another spec than this one, whose ids are all known.
        fresh = doc.metadata.generation == 1 and not doc.status.containers
        site, before = self.site(ref), doc
        status = msgspec.structs.replace(doc.status, desired=model.DesiredState.RUNNING)
        doc = msgspec.structs.replace(doc, status=restarts.forgiven(status, only))
        up, failed = doc.status.state in UP, doc.status.state is model.CellState.FAILED
        try:
            pre, images = await together(
                observe.cell(self.context.host, site, self._ids(doc, site), strays=not fresh),
                needs.images(self.context, doc, site),
            )
        except errors.KukeonError as error:
            # What runs does not suffer from a host that cannot be looked at.
            if final and not up and not isinstance(error, errors.ConnectContainerd):
                await self._failed(doc, site, error, reason)
            raise
        if only is not None:
            # Once there are namespaces again, nothing tells any more that a reboot took them; nor what else was begun.
            only = {*only, *derive.taken(before, site, pre), *self._unfinished(before, site, pre)}
        limit = None if only is None else {site.root_id, *self._ids_of(doc, site, only)}
        # After a crash, it is this that decides.
        doc = await self.context.save(wishes.under_way(doc, only) if failed else self._wished(doc, site, pre, only))
        unpulled: Mapping[str, errors.KukeonError] = {}
        try:
            await needs.check(self.context, doc)
            lacking = needs.lacking(doc, site, pre, images, only, asked=asked)
            came = await needs.pulled(self.context, doc, site, lacking)
            unpulled = needs.unpulled(came)
            for first in unpulled.values():
                raise first
            images |= {name: each for name, each in came.items() if isinstance(each, observed.Image)}
            steps = plan.start(await needs.fulfilled(self.context, doc, site, pre, images, only), pre, limit)
        except errors.ConnectContainerd:
            raise
        except errors.KukeonError as error:
            # Nor does it from something new that is missing.
            if not final:
                await self.context.save(before)
            elif up and (self._alive(doc, site, pre) or not unpulled):
                await self.context.save(wishes.done(before))
            elif unpulled and restarts.pulled_again(doc):
                await self._store(self._unpulled(doc, unpulled, only, again=True), site, pre, {})
            else:
                await self._failed(self._unpulled(doc, unpulled, only, again=False), site, error, reason)
            raise
        try:
            results = await execute(steps, self.context.host, now=self.context.now)
        except errors.ConnectContainerd:
            # What is done and what is not shows when containerd is back; who finds the cell so goes on with it.
            raise
        except errors.KukeonError as error:
            if not final:
                await self.context.save(before)
            elif spare and any(found.alive for id, found in pre.containers.items() if id != site.root_id):
                await self._tell(wishes.done(doc), site)
            else:
                await self._failed(doc, site, error, reason)
            raise
        post = await observe.cell(self.context.host, site, self._ids(doc, site), strays=False)
        # Everything was started: a program that is quickly done may never be seen running.
        status = msgspec.structs.replace(doc.status, state=model.CellState.READY, ready_observed=True)
        ready = wishes.done(msgspec.structs.replace(doc, status=status))
        ready = await self._store(ready, site, post, exits(results), starts(results))
        return Outcome(ready, site, pre, post, len(steps))

    def _wished(
        self, doc: model.CellDoc, site: wanted.Site, seen: observed.Cell, only: Collection[str] | None
    ) -> model.CellDoc:
        """`doc` as it is stored while what does not run of it (of its containers `only` these) is started."""
        if not self._alive(doc, site, seen):
            return wishes.under_way(doc, only)
        up = {id for id, found in seen.containers.items() if found.alive}
        ids = {each.id: site.container_id(each.id, root=each.root) for each in doc.spec.containers}
        return wishes.begun(doc, {name for name, id in ids.items() if id not in up and (only is None or name in only)})

    def _unpulled(
        self,
        doc: model.CellDoc,
        failed: Mapping[str, errors.KukeonError],
        only: Container[str] | None = None,
        *,
        again: bool,
    ) -> model.CellDoc:
        """`doc` with those of its containers (`only` these) marked whose images could not be pulled."""
        for image, error in failed.items():
            names = {
                each.id for each in doc.spec.containers if each.image == image and (only is None or each.id in only)
            }
            words, now = derive.one_line(error), self.context.now()
            status = restarts.unpulled(doc, names, words, now, random.random, again=again)
            doc = msgspec.structs.replace(doc, status=status)
        return doc

    async def _failed(self, doc: model.CellDoc, site: wanted.Site, error: errors.KukeonError, reason: str) -> None:
        """Leave no sibling running, and the reason where people look; stored first, in case the rest fails, too."""
        reason = reason or ("StartCellFailed" if doc.status.ready_observed else "CreateCellFailed")
        doc = wishes.done(doc)
        failed = msgspec.structs.replace(
            doc,
            status=msgspec.structs.replace(
                doc.status, state=model.CellState.FAILED, reason=reason, message=derive.one_line(error)
            ),
        )
        # Nothing of it is due any more, whatever becomes of the rest.
        status = restarts.scheduled(failed, failed.status, self.context.now(), random.random)
        failed = await self.context.save(msgspec.structs.replace(failed, status=status))
        try:
            await self._end_failed(failed)
        except errors.KukeonError as second:
            log.warning("cannot clean up after cell %s failed: %s", site.ref, second)

    async def _end_failed(self, failed: model.CellDoc) -> model.CellDoc:
        """Take down what there is of a cell that failed, and store how it ended."""
        seen, site = await self._observe(failed)
        ended = exits(await execute(plan.stop(site, seen, grace_s=0), self.context.host))
        failed = wishes.asked_to_end(failed, ended)
        return await self._store(failed, site, (await self._observe(failed))[0], ended)

    async def _down(self, doc: model.CellDoc, site: wanted.Site, pre: observed.Cell, steps: Plan) -> Outcome:
        ends = EndRecord(self, doc)
        try:
            results = await execute(steps, self.context.host, ends.note)
        except errors.KukeonError:
            await self._tell(ends.doc, site)
            raise
        doc = ends.doc
        post = await observe.cell(self.context.host, site, pre.containers, strays=False)
        calm = doc
        # Ending what failed and does not run tells nothing new, and must not hide why it failed.
        failed = doc.status.state is model.CellState.FAILED and not steps
        if doc.status.desired is not model.DesiredState.RUNNING and not failed:
            status = msgspec.structs.replace(doc.status, state=model.CellState.STOPPED, reason="", message="")
            calm = msgspec.structs.replace(doc, status=status)
        return Outcome(await self._store(calm, site, post, exits(results)), site, pre, post, len(steps))


class EndRecord:
    """Stores how tasks end before they are deleted, since nobody could tell after that; `doc` is what is stored."""

    def __init__(self, work: Work, doc: model.CellDoc) -> None:
        self.doc = doc
        self._work = work
        self._one = asyncio.Lock()

    async def note(self, id: str, end: observed.Exit) -> None:
        async with self._one:
            asked = self.doc.status.desired is not model.DesiredState.RUNNING
            containers = tuple(
                derive.ended(each, end, asked=asked or each.reason == endings.ASKED_TO_END) if each.id == id else each
                for each in self.doc.status.containers
            )
            if containers != self.doc.status.containers:
                status = msgspec.structs.replace(self.doc.status, containers=containers)
                self.doc = await self._work._wish(msgspec.structs.replace(self.doc, status=status))


def exits(results: Results) -> dict[str, observed.Exit]:
    """How the tasks ended that a plan ended, by containerd id."""
    ended: dict[str, observed.Exit] = {}
    for step, result in results.items():
        if isinstance(step, (StopTask, DeleteTask)) and isinstance(result, observed.Exit):
            ended[step.id] = result
    return ended


def starts(results: Results) -> dict[str, dt.datetime]:
    """When the tasks were started that a plan started, by containerd id."""
    return {step.id: at for step, at in results.items() if isinstance(step, StartTask)}
