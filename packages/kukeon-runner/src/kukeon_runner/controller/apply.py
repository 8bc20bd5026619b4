"""Apply: documents become the state of the host, and each says what it took."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import errors, manifest, model, normalise
from kukeon_runner import diff, documents
from kukeon_runner.controller.base import Base
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from kukeon_runner.runner.cell import Outcome

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Documents of one kind in work at the same time: enough to keep two cores and a disk busy."""

ATTEMPTS = 3
"""How often a document is begun whose parents vanish meanwhile; once is rare."""

Applied = tuple[model.ApplyAction, list[str]]


class Apply(Base):
    async def apply_documents(self, raw_yaml: bytes) -> model.ApplyDocumentsResult:
        """Make the host what the documents say: parents before children, those of one kind side by side.

        Raises InvalidManifest with every problem, before anything is touched. A document that fails does not keep the
        others; what went wrong stands in its result, its `details` holding the error's kind and hint.
        """
        documents = await asyncio.to_thread(manifest.parse, raw_yaml)
        limit = asyncio.Semaphore(AT_ONCE)
        results: list[model.ApplyResourceResult] = []
        for kind in model.KINDS:
            results += await together(*(self._apply(each, limit) for each in documents if each.doc.kind == kind))
        return model.ApplyDocumentsResult(resources=tuple(results))

    async def _apply(self, document: manifest.Document, limit: asyncio.Semaphore) -> model.ApplyResourceResult:
        doc = normalise.normalise(document.doc)
        result = model.ApplyResourceResult(
            index=document.index, kind=doc.kind, name=doc.metadata.name, action=model.ApplyAction.FAILED
        )
        async with limit:
            try:
                self.changeable(model.ref_of(doc))
                action, changes = await self._persistently(doc)
            except errors.KukeonError as error:
                details = {"kind": error.kind, "hint": error.hint}
                return msgspec.structs.replace(result, error=str(error), details=details)
        return msgspec.structs.replace(result, action=action, changes=tuple(changes))

    async def _persistently(self, doc: model.Doc) -> Applied:
        """Begin again when somebody else deletes what was there a moment ago."""
        for _ in range(ATTEMPTS - 1):
            with contextlib.suppress(errors.RealmNotFound, errors.SpaceNotFound, errors.StackNotFound):
                return await self._verb(doc)
        return await self._verb(doc)

    def _verb(self, doc: model.Doc) -> Coroutine[Any, Any, Applied]:
        match doc:
            case model.CellDoc():
                return self._apply_cell(doc)
            case model.ContainerDoc():
                return self._apply_container(doc)
            case _:
                return self._apply_level(doc)

    async def _apply_level(self, doc: model.RealmDoc | model.SpaceDoc | model.StackDoc) -> Applied:
        made = await self._have_parents(model.ref_of(doc))
        found = await self.runner.level(doc.kind).converge(doc, update=True)
        if not found.existed:
            return model.ApplyAction.CREATED, made
        changes = diff.level(found.before, found.doc)
        changes += [f"{piece} restored" for piece, there in found.pre.items() if not there]
        return (model.ApplyAction.UPDATED if changes else model.ApplyAction.UNCHANGED), changes

    async def _apply_cell(self, doc: model.CellDoc) -> Applied:
        made = await self._have_parents(model.ref_of(doc))
        before, outcome = await self.runner.cells.apply(doc)
        if before is None:
            return model.ApplyAction.CREATED, made
        return _changed(before, outcome)

    async def _apply_container(self, doc: model.ContainerDoc) -> Applied:
        ref = model.ref_of(doc)
        assert ref.parent is not None
        own = msgspec.structs.replace(doc.spec, id=ref.container)

        def change(stored: model.CellDoc) -> model.CellDoc:
            found = list(stored.spec.containers)
            place = [each.id for each in found]
            if own.id in place:
                found[place.index(own.id)] = own
            else:
                found.append(own)
            return msgspec.structs.replace(stored, spec=msgspec.structs.replace(stored.spec, containers=tuple(found)))

        before, outcome = await self.runner.cells.change(ref.parent, change)
        action, changes = _changed(before, outcome)
        new = all(each.id != own.id for each in before.spec.containers)
        return (model.ApplyAction.CREATED if new else action), changes

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


def _changed(before: model.CellDoc, outcome: Outcome) -> Applied:
    changes = diff.cell(before, outcome.doc)
    if outcome.steps:
        changes += _repaired(before, outcome)
    if outcome.steps and not changes:
        changes.append("leftovers of an earlier attempt removed")
    return (model.ApplyAction.UPDATED if changes else model.ApplyAction.UNCHANGED), changes


def _repaired(before: model.CellDoc, outcome: Outcome) -> list[str]:
    """A line for each thing that was not as it should be, whatever the manifest says."""
    pre = outcome.pre
    lines = []
    for each in before.spec.containers:
        found = pre.containers.get(outcome.site.container_id(each.id, root=each.root))
        if found is None or not found.alive:
            lines.append(f'container "{each.id}" started')
    if before.status.ready_observed:
        root = pre.containers.get(outcome.site.root_id)
        if not lines and (root is None or not root.alive):
            lines.append("root container started")
        if pre.pinned and pre.address is None:
            lines.append("network attached")
        if not pre.cgroup:
            lines.append("cgroup restored")
    return lines
