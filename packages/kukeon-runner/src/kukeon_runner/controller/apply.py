"""Apply: documents become the state of the host, and each says what it took."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import diff, errors, manifest, model, normalise
from kukeon_runner import documents, dryrun, manifest_hash
from kukeon_runner.controller import prune as pruning
from kukeon_runner.controller.base import Base
from kukeon_runner.plan import reuse
from kukeon_runner.runner import HostRunner
from kukeon_runner.runner.cell.change import Survey
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Mapping, Sequence

    from kukeon_api.selector import Selector
    from kukeon_runner.runner.cell import Outcome
    from kukeon_runner.runner.cell.change import Applied

AT_ONCE = 16
"""Documents of one kind in work at the same time: enough to keep two cores and a disk busy."""

ATTEMPTS = 3
"""How often a document is begun whose parents vanish meanwhile; once is rare."""

SURVEYED = 4
"""From this many cells on, looking once at a whole namespace is cheaper than at each cell."""

ROOT_RECREATED = "root container recreated"


class Apply(Base):
    async def apply_documents(
        self, raw_yaml: bytes, dry_run: bool = False, prune: str = ""
    ) -> model.ApplyDocumentsResult:
        """Make the host what the documents say: parents before children, those of one kind side by side.

        With `dry_run` nothing is done, and the answer is what would be told. `prune` is a label selector: what it
        matches and the documents do not name is deleted afterwards, unless a document failed.

        Raises InvalidManifest with every problem, or Invalid for the selector, before anything is touched. A document
        that fails does not keep the others; what went wrong stands in its result, its `details` holding the error's
        kind and hint.
        """
        selector = pruning.selector(prune) if prune else None
        found = await asyncio.to_thread(manifest.parse, raw_yaml)
        runner = HostRunner(dryrun.of(self.runner.context)) if dry_run else self.runner
        return await Batch(runner, found).apply(selector)


class Batch(Base):
    """The documents of one input, on their way."""

    def __init__(self, runner: HostRunner, documents: Sequence[manifest.Document]) -> None:
        super().__init__(runner)
        self._documents = documents
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._surveys: dict[str, Survey] = {}
        """What there is in containerd, by realm."""
        self._apart: dict[model.Ref, set[str]] = {}
        """By cell the containers that have documents of their own in the input: the cell's own leaves them alone."""
        for each in documents:
            ref = model.ref_of(each.doc)
            if ref.parent is not None and isinstance(each.doc, model.ContainerDoc):
                self._apart.setdefault(ref.parent, set()).add(ref.container)

    async def apply(self, selector: Selector | None) -> model.ApplyDocumentsResult:
        results: list[model.ApplyResourceResult] = []
        for kind in model.KINDS:
            own = [each for each in self._documents if each.doc.kind == kind]
            if kind == "Cell":
                self._surveys = await self._survey(own)
            # Those that change one document take turns, so that the order of the input decides.
            groups: dict[model.Ref | None, list[manifest.Document]] = {}
            for each in own:
                ref = model.ref_of(each.doc)
                groups.setdefault(ref.parent if kind == "Container" else ref, []).append(each)
            made = await self._parents(own)
            done = await together(*(self._group(each, made) for each in groups.values()))
            by_index = {result.index: result for group in done for result in group}
            results += [by_index[each.index] for each in own]
        if selector is not None:
            docs = [normalise.normalise(each.doc) for each in self._documents]
            failed = sum(each.action is model.ApplyAction.FAILED for each in results)
            results += await pruning.prune(self.runner, selector, docs, failed)
        return model.ApplyDocumentsResult(resources=tuple(results))

    async def _survey(self, cells: Sequence[manifest.Document]) -> dict[str, Survey]:
        """One look at all containers of each realm where several cells may be as they should already.

        What goes wrong with that, each cell that is concerned tells.
        """
        stored = []
        for ref in (model.ref_of(each.doc) for each in cells):
            with contextlib.suppress(errors.KukeonError):
                stored.append(self.runner.cells.get(ref).spec.realm_id)
        found = {}
        for realm in sorted(set(stored)):
            if stored.count(realm) >= SURVEYED:
                with contextlib.suppress(errors.KukeonError):
                    namespace = self.runner.realms.namespace(realm)
                    found[realm] = Survey.of(await self.runner.context.host.containers.survey(namespace))
        return found

    async def _parents(self, own: Iterable[manifest.Document]) -> dict[int, list[str] | errors.KukeonError]:
        """Have the parents of all documents, one after another: the first that needs one tells of it."""
        made: dict[int, list[str] | errors.KukeonError] = {}
        for each in own:
            if each.doc.kind == "Container":
                made[each.index] = []
                continue
            try:
                ref = self.changeable(model.ref_of(each.doc))
                made[each.index] = await self._have_parents(ref)
            except errors.KukeonError as error:
                made[each.index] = error
        return made

    async def _group(
        self, own: Sequence[manifest.Document], made: Mapping[int, list[str] | errors.KukeonError]
    ) -> list[model.ApplyResourceResult]:
        results = []
        async with self._limit:
            for each in own:
                results.append(await self._apply(each, made[each.index]))
        return results

    async def _apply(
        self, document: manifest.Document, made: list[str] | errors.KukeonError
    ) -> model.ApplyResourceResult:
        doc = document.doc
        result = model.ApplyResourceResult(
            index=document.index, kind=doc.kind, name=doc.metadata.name, action=model.ApplyAction.FAILED
        )
        try:
            if isinstance(made, errors.KukeonError):
                raise made
            self.changeable(model.ref_of(doc))
            done = await self._persistently(normalise.normalise(doc))
        except errors.KukeonError as error:
            details = {"kind": error.kind, "hint": error.hint}
            return msgspec.structs.replace(result, error=str(error), details=details)
        changes = (*made, *done.changes) if done.action is model.ApplyAction.CREATED else done.changes
        return msgspec.structs.replace(result, action=done.action, changes=changes, details=done.details)

    async def _persistently(self, doc: model.Doc) -> Done:
        """Begin again when somebody else deletes what was there a moment ago."""
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(errors.RealmNotFound, errors.SpaceNotFound, errors.StackNotFound):
                return await self._verb(doc)
            if not isinstance(doc, model.ContainerDoc):
                await self._have_parents(model.ref_of(doc))
        return await self._verb(doc)

    def _verb(self, doc: model.Doc) -> Coroutine[Any, Any, Done]:
        match doc:
            case model.CellDoc():
                return self._apply_cell(doc)
            case model.ContainerDoc():
                return self._apply_container(doc)
            case _:
                return self._apply_level(doc)

    async def _apply_level(self, doc: model.RealmDoc | model.SpaceDoc | model.StackDoc) -> Done:
        found = await self.runner.level(doc.kind).converge(doc, update=True)
        if not found.existed:
            return Done(model.ApplyAction.CREATED)
        changes = diff.level(found.before, found.doc)
        restored = [f"{piece} restored" for piece, there in found.pre.items() if not there]
        return _updated(changes, [*found.secrets, *restored])

    async def _apply_cell(self, doc: model.CellDoc) -> Done:
        ref = model.ref_of(doc)
        keep = self._apart.get(ref, ())
        survey = self._surveys.get(ref.realm)
        if survey is not None and await self.runner.cells.as_wanted(doc, survey, keep):
            return Done(model.ApplyAction.UNCHANGED)
        applied = await self.runner.cells.apply(doc, keep)
        if applied.before is None:
            return Done(model.ApplyAction.CREATED, tuple(_ended(applied.outcome)))
        return _changed(applied)

    async def _apply_container(self, doc: model.ContainerDoc) -> Done:
        applied = await self.runner.cells.apply_container(doc)
        assert applied.before is not None
        done = _changed(applied)
        if applied.recreated or any(each.id == doc.metadata.name for each in applied.before.spec.containers):
            return done
        return msgspec.structs.replace(done, action=model.ApplyAction.CREATED)

    async def _have_parents(self, ref: model.Ref) -> list[str]:
        """Make the ancestors that are missing, with empty specs, and those that somebody began and never finished.

        Returns a line for each: a mistyped parent should not go unnoticed.
        """
        made = []
        for parent in ref.ancestors:
            found = self.runner.context.store.find(parent)
            if found is None or found.status.ready_at is None:
                converged = await self.runner.level(parent.kind).converge(found or documents.bare(parent), update=False)
                if not converged.existed:
                    made.append(f'{parent.kind.lower()} "{parent.name}" created')
        return made


class Done(msgspec.Struct, frozen=True):
    """What became of one document."""

    action: model.ApplyAction
    changes: tuple[str, ...] = ()
    details: dict[str, str] = {}


def _updated(changes: diff.Changes, more: Sequence[str]) -> Done:
    lines = (*diff.lines(changes), *more)
    if not lines:
        return Done(model.ApplyAction.UNCHANGED)
    return Done(model.ApplyAction.UPDATED, lines, diff.details(changes))


def _changed(applied: Applied) -> Done:
    before, outcome = applied.before, applied.outcome
    assert before is not None
    changes = diff.cell(before, outcome.doc)
    if applied.recreated:
        lines = (ROOT_RECREATED, *diff.lines(changes), *_ended(outcome))
        return Done(model.ApplyAction.RECREATED, lines, diff.details(changes))
    repaired = [*_repaired(before, outcome), *_ended(outcome)] if outcome.steps else []
    if outcome.steps and not changes and not repaired:
        repaired = ["leftovers of an earlier attempt removed"]
    return _updated(changes, repaired)


def _ended(outcome: Outcome) -> list[str]:
    """A line for each container that failed as soon as it was started: it could not be executed, for one."""
    failed = (each for each in outcome.doc.status.containers if each.state is model.ContainerState.ERROR)
    return [f'container "{each.name}" ended at once with code {each.exit_code}' for each in failed]


def _repaired(before: model.CellDoc, outcome: Outcome) -> list[str]:
    """A line for each thing that was not as it should be, whatever the manifest says."""
    pre, site = outcome.pre, outcome.site
    own = {each.id: each for each in outcome.doc.spec.containers}
    nested = outcome.doc.spec.nested_cgroup_runtime
    lines = []
    for each in before.spec.containers:
        found = pre.containers.get(site.container_id(each.id, root=each.root))
        if each.id not in own:
            continue
        if found is None or not found.alive:
            lines.append(f'container "{each.id}" started')
            continue
        intact = pre.pinned and pre.shm and reuse.intact(manifest_hash.spec_hash(each, nested=nested), found)
        if own[each.id] == each and not intact:
            lines.append(f'container "{each.id}" restarted')
    if before.status.ready_observed:
        root = pre.containers.get(site.root_id)
        if not lines and (root is None or not root.alive):
            lines.append("root container started")
        if pre.pinned and pre.address is None and not pre.networkless:
            lines.append("network attached")
        if not pre.cgroup:
            lines.append("cgroup restored")
    return lines
