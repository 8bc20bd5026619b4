"""Realm, space and stack are alike: a document, a few pieces of the host, and children. Written once for the three."""

from __future__ import annotations

import abc
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from kukeon_api import errors, labels, model
from kukeon_runner import derive
from kukeon_runner.runner import remains
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from kukeon_runner.runner.context import Context

D = TypeVar("D", model.RealmDoc, model.SpaceDoc, model.StackDoc)


@dataclass(frozen=True)
class Piece:
    """One thing on the host that a resource is made of; `make` and `remove` are idempotent."""

    name: str
    exists: Callable[[], Coroutine[Any, Any, bool]]
    make: Callable[[], Coroutine[Any, Any, object]]
    remove: Callable[[], Coroutine[Any, Any, object]]


@dataclass(frozen=True)
class Converged(Generic[D]):
    """A resource as it was and is now, with what was there before and after, by piece."""

    before: D
    doc: D
    existed: bool
    pre: Mapping[str, bool]
    post: Mapping[str, bool]
    changed: bool
    """Whether anything was made or the stored document rewritten."""


@dataclass(frozen=True)
class Deleted(Generic[D]):
    doc: D
    removed: tuple[str, ...]
    """`space:x` for each child, then the pieces, then `metadata`."""


class Level(abc.ABC, Generic[D]):
    """The verbs of one kind. `child` deletes the children of a resource that is deleted with `cascade`."""

    kind: str
    document: type[D]

    def __init__(self, context: Context, child: Callable[[model.Ref], Coroutine[Any, Any, object]]) -> None:
        self.context = context
        self._delete_child = child

    @abc.abstractmethod
    def pieces(self, ref: model.Ref, doc: D) -> tuple[Piece, ...]:
        """What `doc` is made of, in the order of making."""

    @abc.abstractmethod
    def complete(self, ref: model.Ref, doc: D) -> D:
        """`doc` with the fields that the server fills in."""

    def check_change(self, stored: D, wanted: D) -> None:
        """Raise BreakingChange for what cannot change in place."""

    async def _status(self, doc: D, found: Mapping[str, bool]) -> dict[str, Any]:
        """The fields of the status that say what was `found` of the pieces."""
        cgroup = self.context.layout.cgroup(model.ref_of(doc))
        controllers = await self.context.host.kernel.controllers(cgroup) if found["cgroup"] else ()
        fields = {"cgroup_path": cgroup, "cgroup_ready": found["cgroup"], "subtree_controllers": controllers}
        return fields | self.status(found)

    def status(self, found: Mapping[str, bool]) -> dict[str, Any]:
        """Further such fields, of one kind only."""
        return {}

    def find(self, ref: model.Ref) -> D | None:
        return self.context.store.find(ref, self.document)

    def get(self, ref: model.Ref) -> D:
        """Raises `<Kind>NotFound`."""
        return self.context.store.load(ref, self.document)

    async def presence(self, ref: model.Ref, doc: D) -> dict[str, bool]:
        """Which pieces of `doc` exist."""
        pieces = self.pieces(ref, self.complete(ref, doc))
        found = await together(*(each.exists() for each in pieces))
        return {each.name: there for each, there in zip(pieces, found, strict=True)}

    async def converge(self, wanted: D, *, update: bool) -> Converged[D]:
        """Have the resource; when it is there already, with the spec of `wanted` only if `update`.

        Raises `<Parent>NotFound`, BreakingChange, or what the host says; then the resource stays, Failed, with the
        reason.
        """
        ref = model.ref_of(wanted)
        async with self.context.placed(ref, self.document, lambda: self._register(ref, wanted)):
            return await self._converge(ref, wanted, update=update)

    async def _register(self, ref: model.Ref, wanted: D) -> D:
        """Write the document before anything is made, so that whatever a crash leaves has a name."""
        new = self.document(metadata=_labelled(ref, wanted).metadata, spec=wanted.spec)
        return await self.context.save(self.complete(ref, new))

    async def _converge(self, ref: model.Ref, wanted: D, *, update: bool) -> Converged[D]:
        stored = self.get(ref)
        existed = stored.status.ready_at is not None
        if update and existed:
            self.check_change(stored, wanted)
        doc = self.complete(ref, merged(stored, _labelled(ref, wanted)) if update or not existed else stored)
        doc = await self.context.save(doc)
        pieces = self.pieces(ref, doc)
        pre = await self.presence(ref, doc)
        try:
            for piece in pieces:
                if not pre[piece.name]:
                    await piece.make()
            post = await self.presence(ref, doc)
        except errors.KukeonError as error:
            failed = {"state": _state(doc, "Failed"), "reason": f"Create{self.kind}Failed"}
            await self._save(doc, failed | {"message": derive.one_line(error)})
            raise
        state = _state(doc, "Ready" if all(post.values()) else "Unknown")
        found = {"state": state, "reason": "", "message": "", "observed_generation": doc.metadata.generation}
        after = await self._save(doc, found | await self._status(doc, post))
        changed = after.spec != stored.spec or after.metadata.labels != stored.metadata.labels or pre != post
        return Converged(stored, after, existed, pre, post, changed)

    async def _save(self, doc: D, status: Mapping[str, Any]) -> D:
        after = msgspec.structs.replace(doc, status=msgspec.structs.replace(doc.status, **status))
        return await self.context.save(after)

    async def refresh(self, ref: model.Ref) -> D:
        """Look at the pieces and store the state they add up to."""
        async with self.context.lock(ref):
            doc = self.get(ref)
            found = await self.presence(ref, doc)
            whole = all(found.values())
            seen: dict[str, Any] = {"state": _state(doc, "Ready" if whole else "Unknown")}
            if whole:
                seen |= {"reason": "", "message": ""}
            elif doc.status.state == _state(doc, "Failed"):
                seen = {}
            return await self._save(doc, seen | await self._status(doc, found))

    async def delete(self, ref: model.Ref, *, cascade: bool) -> Deleted[D]:
        """Remove the resource; with `cascade` its children first, all at once.

        Raises `<Kind>NotFound`; ResourceHasDependencies when there are children and no `cascade`. When the host
        refuses, the document stays, so that the call can be repeated. A document that is lost or damaged keeps
        nothing from being removed.
        """
        async with self.context.lock(ref):
            doc = await self._remains(ref)
            children = remains.below(self.context.store, ref)
            if children and not cascade:
                noun = _CHILD[self.kind] + ("" if len(children) == 1 else "s")
                raise errors.ResourceHasDependencies(
                    f"cannot delete {self.kind.lower()} {str(ref)!r}: {len(children)} {noun} inside",
                    hint="delete them first, or pass --cascade",
                )
            await together(*(self._delete_below(ref, name) for name in children))
            removed: list[str] = [f"{_CHILD[self.kind]}:{name}" for name in children]
            for piece in reversed(self.pieces(ref, self.complete(ref, doc))):
                # One that is not as it should be does not exist in that sense, and goes as well.
                existed = await piece.exists()
                await piece.remove()
                removed += [piece.name] if existed else []
            await self.context.forget(ref)
            return Deleted(doc, (*removed, "metadata"))

    async def _remains(self, ref: model.Ref) -> D:
        return remains.of(self.context.store, ref, self.document)

    async def _delete_below(self, ref: model.Ref, name: str) -> None:
        try:
            await self._delete_child(ref.child(name))
        except errors.NotFound:
            if name in remains.below(self.context.store, ref):
                raise
            # Somebody else deleted it meanwhile.


_CHILD = {"Realm": "space", "Space": "stack", "Stack": "cell"}


def merged(stored: D, wanted: D) -> D:
    """`stored` with the spec and labels of `wanted`; managed labels that the user does not name stay."""
    managed = {key: value for key, value in stored.metadata.labels.items() if labels.is_managed(key)}
    metadata = msgspec.structs.replace(stored.metadata, labels=managed | wanted.metadata.labels)
    return msgspec.structs.replace(stored, metadata=metadata, spec=wanted.spec)


def _labelled(ref: model.Ref, doc: D) -> D:
    keys = (labels.REALM, labels.SPACE, labels.STACK)
    own = dict(zip(keys, ref.parts, strict=False))
    metadata = model.Metadata(name=ref.name, labels=own | doc.metadata.labels)
    return msgspec.structs.replace(doc, metadata=metadata)


def _state(doc: D, name: str) -> Any:
    return type(doc.status.state)(name)
