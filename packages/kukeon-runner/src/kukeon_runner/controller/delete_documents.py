"""Delete what documents name: children before parents, each told on its own, and what is gone already is no failure."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors, manifest, model
from kukeon_runner.controller.base import Base
from kukeon_runner.runner import remains
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

AT_ONCE = 16
"""Documents of one kind in work at the same time."""

_NOT_FOUND = (
    errors.RealmNotFound,
    errors.SpaceNotFound,
    errors.StackNotFound,
    errors.CellNotFound,
    errors.ContainerNotFound,
)


class DeleteDocuments(Base):
    async def delete_documents(
        self, raw_yaml: bytes, cascade: bool = False, force: bool = False
    ) -> model.DeleteDocumentsResult:
        """Delete the resources that the documents name, containers first and realms last; their specs do not matter.

        With `cascade` or `force` what is inside of them goes as well. A document that fails does not keep the others;
        what went wrong stands in its result. Raises InvalidManifest with every problem, before anything is touched.
        """
        documents = await asyncio.to_thread(manifest.parse, raw_yaml)
        limit = asyncio.Semaphore(AT_ONCE)

        async def one(each: manifest.Document) -> model.DeleteResourceResult:
            async with limit:
                return await self._delete_document(each, cascade=cascade or force)

        results: list[model.DeleteResourceResult] = []
        for kind in reversed(model.KINDS):
            results += await together(*(one(each) for each in documents if each.doc.kind == kind))
        return model.DeleteDocumentsResult(resources=tuple(results))

    async def _delete_document(self, document: manifest.Document, *, cascade: bool) -> model.DeleteResourceResult:
        ref = model.ref_of(document.doc)
        result = model.DeleteResourceResult(
            index=document.index, kind=ref.kind, name=ref.name, action=model.DeleteAction.DELETED
        )
        try:
            self.changeable(ref, "delete")
            inside = list(self._inside(ref))
            await self._delete(ref, cascade=cascade)
        except _NOT_FOUND as error:
            if not self._there(ref):
                return msgspec.structs.replace(result, action=model.DeleteAction.NOT_FOUND)
            return _failed(result, error)
        except errors.KukeonError as error:
            return _failed(result, error)
        return msgspec.structs.replace(result, cascaded=_cascaded(ref, inside), details=_counted(inside))

    async def _delete(self, ref: model.Ref, *, cascade: bool) -> None:
        match ref.kind:
            case "Container":
                await self.runner.cells.delete_container(ref)
            case "Cell":
                await self.runner.cells.delete(ref)
            case kind:
                await self.runner.level(kind).delete(ref, cascade=cascade)

    def _inside(self, ref: model.Ref) -> Iterator[model.Ref]:
        """What is in `ref` now, parents first; a damaged document hides no more than a cell's own containers."""
        store = self.runner.context.store
        if ref.kind == "Container":
            return
        if ref.kind == "Cell":
            try:
                found = store.find(ref, model.CellDoc)
            except errors.CorruptMetadata:
                return
            yield from (ref.child(each.id) for each in (found.spec.containers if found else ()))
            return
        for name in remains.below(store, ref):
            yield ref.child(name)
            yield from self._inside(ref.child(name))

    def _there(self, ref: model.Ref) -> bool:
        """Whether the store knows `ref` after all, so that not to find something is a failure."""
        store = self.runner.context.store
        if ref.kind != "Container":
            return ref.name in remains.below(store, ref.parent)
        cell, _ = remains.whatever(store, ref.ancestors[-1], model.CellDoc)
        return any(each.id == ref.container for each in cell.spec.containers)


def _failed(result: model.DeleteResourceResult, error: errors.KukeonError) -> model.DeleteResourceResult:
    details = {"kind": error.kind, "hint": error.hint}
    return msgspec.structs.replace(result, action=model.DeleteAction.FAILED, error=str(error), details=details)


def _cascaded(ref: model.Ref, inside: Sequence[model.Ref]) -> tuple[str, ...]:
    """`stack:web`, `cell:web/db`: what had a document of its own, by its place below `ref`."""
    deep = len(ref.parts)
    return tuple(f"{each.kind.lower()}:{'/'.join(each.parts[deep:])}" for each in inside if each.kind != "Container")


def _counted(inside: Sequence[model.Ref]) -> dict[str, str]:
    counts = Counter(each.kind for each in inside)
    return {f"{kind.lower()}s": f"{counts[kind]} deleted" for kind in model.KINDS if counts[kind]}
