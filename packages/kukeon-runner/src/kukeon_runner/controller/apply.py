"""Apply: documents become the state of the host, and each says what it took."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import errors, manifest, model, normalise
from kukeon_runner import diff, observed
from kukeon_runner.controller.base import Base
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from kukeon_runner.runner.cell import Outcome

log = logging.getLogger(__name__)

AT_ONCE = 16
"""Documents of one kind in work at the same time: enough to keep two cores and a disk busy."""

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
                action, changes = await self._verb(doc)
            except errors.KukeonError as error:
                details = {"kind": error.kind, "hint": error.hint}
                return msgspec.structs.replace(result, error=str(error), details=details)
        return msgspec.structs.replace(result, action=action, changes=tuple(changes))

    def _verb(self, doc: model.Doc) -> Coroutine[Any, Any, Applied]:
        match doc:
            case model.CellDoc():
                return self._apply_cell(doc)
            case model.ContainerDoc():
                return self._apply_container(doc)
            case _:
                return self._apply_level(doc)

    async def _apply_level(self, doc: model.RealmDoc | model.SpaceDoc | model.StackDoc) -> Applied:
        ref = model.ref_of(doc)
        await self._have_parents(ref)
        changes: list[str] = []
        match doc:
            case model.RealmDoc():
                if (realm := self.runner.realms.find(ref)) is not None:
                    self.runner.realms.check_change(realm, doc)
                    changes = diff.level(realm, self.runner.realms.complete(ref, doc))
                found: Any = await self.runner.realms.converge(doc, update=True)
            case model.SpaceDoc():
                if (space := self.runner.spaces.find(ref)) is not None:
                    self.runner.spaces.check_change(space, doc)
                    changes = diff.level(space, self.runner.spaces.complete(ref, doc))
                found = await self.runner.spaces.converge(doc, update=True)
            case model.StackDoc():
                if (stack := self.runner.stacks.find(ref)) is not None:
                    changes = diff.level(stack, self.runner.stacks.complete(ref, doc))
                found = await self.runner.stacks.converge(doc, update=True)
        if not found.existed:
            return model.ApplyAction.CREATED, []
        changes += [f"{piece} restored" for piece, there in found.pre.items() if not there]
        return (model.ApplyAction.UPDATED if changes else model.ApplyAction.UNCHANGED), changes

    async def _apply_cell(self, doc: model.CellDoc) -> Applied:
        ref = model.ref_of(doc)
        await self._have_parents(ref)
        stored, new = await self.runner.cells.register(doc)
        if new:
            await self.runner.cells.start(ref)
            return model.ApplyAction.CREATED, []
        return await self._change_cell(stored, self.runner.cells.effective(doc))

    async def _apply_container(self, doc: model.ContainerDoc) -> Applied:
        ref = model.ref_of(doc)
        assert ref.parent is not None
        stored = self.runner.cells.get(ref.parent)
        own = msgspec.structs.replace(doc.spec, id=ref.container)
        others = [each for each in stored.spec.containers if each.id != own.id]
        place = [each.id for each in stored.spec.containers]
        at = place.index(own.id) if own.id in place else len(others)
        spec = msgspec.structs.replace(stored.spec, containers=(*others[:at], own, *others[at:]))
        wanted = self.runner.cells.effective(msgspec.structs.replace(stored, spec=spec))
        action, changes = await self._change_cell(stored, wanted)
        return (action if own.id in place else model.ApplyAction.CREATED), changes

    async def _change_cell(self, stored: model.CellDoc, wanted: model.CellDoc) -> Applied:
        changes = diff.cell(stored, wanted)
        outcome = await self.runner.cells.update(model.ref_of(wanted), wanted)
        changes += _started(outcome)
        if outcome.steps and not changes:
            changes.append("cell repaired")
        return (model.ApplyAction.UPDATED if changes else model.ApplyAction.UNCHANGED), changes

    async def _have_parents(self, ref: model.Ref) -> None:
        """Make the ancestors that are missing, with empty specs."""
        for parent in ref.ancestors:
            metadata = model.Metadata(name=parent.name)
            if parent.kind == "Realm" and self.runner.realms.find(parent) is None:
                await self.runner.realms.converge(model.RealmDoc(metadata=metadata), update=False)
            elif parent.kind == "Space" and self.runner.spaces.find(parent) is None:
                space = model.SpaceDoc(metadata=metadata, spec=model.SpaceSpec(realm_id=parent.realm))
                await self.runner.spaces.converge(space, update=False)
            elif parent.kind == "Stack" and self.runner.stacks.find(parent) is None:
                spec = model.StackSpec(realm_id=parent.realm, space_id=parent.space)
                await self.runner.stacks.converge(model.StackDoc(metadata=metadata, spec=spec), update=False)


def _started(outcome: Outcome) -> list[str]:
    """A line for each container that had ended and runs again."""
    lines = []
    for each in outcome.doc.spec.containers:
        identity = outcome.site.container_id(each.id, root=each.root)
        before = outcome.pre.containers.get(identity)
        if before is not None and before.recorded and not before.alive and _alive(outcome.post, identity):
            lines.append(f'container "{each.id}" started')
    return lines


def _alive(seen: observed.Cell, identity: str) -> bool:
    return identity in seen.containers and seen.containers[identity].alive
