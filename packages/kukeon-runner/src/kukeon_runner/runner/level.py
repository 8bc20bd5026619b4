"""Realm, space and stack are alike: a document, a few pieces of the host, and children. Written once for the three."""

from __future__ import annotations

import abc
import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from kukeon_api import errors, labels, model
from kukeon_runner import derive
from kukeon_runner.runner import remains
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from kukeon_runner.runner.cell import Cells
    from kukeon_runner.runner.context import Context

D = TypeVar("D", model.RealmDoc, model.SpaceDoc, model.StackDoc)

LOOK_TIMEOUT_S = 5.0
"""How long a look at something for a person may take: a containerd that hangs keeps no document from being shown."""

CHILD = {"Realm": "space", "Space": "stack", "Stack": "cell"}


@dataclass(frozen=True)
class Piece:
    """One thing on the host that a resource is made of; `make` and `remove` are idempotent."""

    name: str
    exists: Callable[[], Coroutine[Any, Any, bool]]
    """Whether it is there as it should be."""
    make: Callable[[], Coroutine[Any, Any, object]]
    remove: Callable[[], Coroutine[Any, Any, object]]
    left: Callable[[], Coroutine[Any, Any, bool]] | None = None
    """Whether anything of it is there, where that is not the same."""
    renew: Callable[[], Coroutine[Any, Any, object]] | None = None
    """Bring it up to date with the document when it is there already."""

    async def stays(self) -> bool:
        """Whether anything of it is there."""
        return await (self.left or self.exists)()


@dataclass(frozen=True)
class Converged(Generic[D]):
    """A resource as it was and is now, with what was there before and after, by piece."""

    before: D
    doc: D
    existed: bool
    pre: Mapping[str, bool]
    post: Mapping[str, bool]
    changed: bool
    """Whether anything was made or anything stored was rewritten."""
    secrets: tuple[str, ...] = ()
    """A line for each secret that changed: no document shows it, so no comparison of documents tells."""


@dataclass(frozen=True)
class Deleted(Generic[D]):
    doc: D
    removed: tuple[str, ...]
    """`space:x` for each child, then the pieces, then `metadata`."""


class Level(abc.ABC, Generic[D]):
    """The verbs of one kind. `below` are the resources inside, which go first when one goes with `cascade`."""

    kind: str
    document: type[D]

    def __init__(self, context: Context, below: Level[Any] | Cells) -> None:
        self.context = context
        self.below = below

    @abc.abstractmethod
    def pieces(self, ref: model.Ref, doc: D) -> tuple[Piece, ...]:
        """What `doc` is made of, in the order of making."""

    @abc.abstractmethod
    def complete(self, ref: model.Ref, doc: D) -> D:
        """`doc` as it is stored: with the fields that the server fills in, without what nobody may read."""

    def check_change(self, stored: D, wanted: D) -> None:
        """Raise BreakingChange for what cannot change in place."""

    async def keep(self, ref: model.Ref, wanted: D) -> tuple[str, ...]:
        """Store what of `wanted` is no part of the document; a line for each such thing that changed."""
        return ()

    async def drop(self, ref: model.Ref, wanted: D) -> None:
        """Remove what `keep` stored earlier and `wanted`, which is stored now, does without."""

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

    async def seen(self, ref: model.Ref, doc: D) -> dict[str, bool]:
        """Which pieces of `doc` are seen to exist: what cannot be asked, for want of containerd or rights, is not."""

        async def exists(piece: Piece) -> bool:
            try:
                async with asyncio.timeout(LOOK_TIMEOUT_S):
                    return await piece.exists()
            except (errors.Unavailable, errors.TimedOut, errors.Denied, TimeoutError):
                return False

        pieces = self.pieces(ref, self.complete(ref, doc))
        found = await together(*map(exists, pieces))
        return {each.name: there for each, there in zip(pieces, found, strict=True)}

    async def converge(self, wanted: D, *, update: bool) -> Converged[D]:
        """Have the resource; when it is there already, with the spec of `wanted` only if `update`.

        Raises `<Parent>NotFound`, BreakingChange, StaleResource, or what the host says; then the resource stays,
        Failed, with the reason.
        """
        ref = model.ref_of(wanted)
        async with self.context.placed(ref, self.document, lambda: self._register(ref, wanted)):
            return await self._converge(ref, wanted, update=update)

    async def update(self, wanted: D) -> Converged[D]:
        """Have the resource as `wanted` says. Raises like `converge`, and `<Kind>NotFound` when there is none."""
        ref = model.ref_of(wanted)
        async with self.context.lock(ref):
            self.get(ref)
            return await self._converge(ref, wanted, update=True)

    async def compared(self, ref: model.Ref, wanted: D) -> tuple[str, ...]:
        """What `keep` would return. Raises Invalid for what it would refuse."""
        return ()

    def _new(self, ref: model.Ref, wanted: D) -> D:
        return self.document(metadata=_labelled(ref, wanted).metadata, spec=wanted.spec)

    async def _register(self, ref: model.Ref, wanted: D) -> D:
        """Write the document before anything is made, so that whatever a crash leaves has a name."""
        await self.compared(ref, wanted)
        return await self.context.save(self.complete(ref, self._new(ref, wanted)))

    async def _check(self, ref: model.Ref, stored: D, wanted: D) -> None:
        """Raise what keeps `stored` from becoming `wanted`."""
        _check_fresh(ref, stored, wanted)
        # What failed half-way may change as it likes, unless something that its spec names was made already.
        if stored.status.ready_at is not None or any((await self.presence(ref, stored)).values()):
            self.check_change(stored, wanted)

    async def _converge(self, ref: model.Ref, wanted: D, *, update: bool) -> Converged[D]:
        stored = self.get(ref)
        existed = stored.status.ready_at is not None
        writes = update or not existed
        secrets: tuple[str, ...] = ()
        doc = self.complete(ref, stored)
        if writes:
            await self._check(ref, stored, wanted)
            secrets = await self.keep(ref, wanted)
            doc = self.complete(ref, merged(stored, _labelled(ref, wanted)))
        doc = await self.context.save(doc)
        if writes:
            await self.drop(ref, doc)
        pieces = self.pieces(ref, doc)
        pre = await self.presence(ref, doc)
        try:
            for piece in pieces:
                if not pre[piece.name]:
                    await piece.make()
                elif piece.renew is not None:
                    await piece.renew()
            post = await self.presence(ref, doc)
        except errors.KukeonError as error:
            failed = {"state": _state(doc, "Failed"), "reason": f"Create{self.kind}Failed"}
            await self._save(doc, failed | {"message": derive.one_line(error)})
            raise
        after = await self._save(
            doc, await self._observed(doc, post) | {"observed_generation": doc.metadata.generation}
        )
        same = after.spec == stored.spec and after.metadata.labels == stored.metadata.labels and pre == post
        return Converged(stored, after, existed, pre, post, not same or bool(secrets), secrets)

    async def refresh(self, ref: model.Ref) -> tuple[D, bool]:
        """Look at the pieces and store the state they add up to; the document now and whether that was rewritten.

        Only the status is written. Raises `<Kind>NotFound`, CorruptMetadata, or what the host says.
        """
        async with self.context.lock(ref):
            doc = self.get(ref)
            found = await self._observed(doc, await self.presence(ref, doc))
            try:
                after = await self._save(doc, found)
            except errors.StaleResource:
                # Somebody without our locks changed it this moment; what was seen is of what it was.
                return self.get(ref), False
            return after, after != doc

    async def _observed(self, doc: D, found: Mapping[str, bool]) -> dict[str, Any]:
        """The fields of the status that follow from what was `found` of the pieces."""
        cgroup, whole = self.context.layout.cgroup(model.ref_of(doc)), all(found.values())
        controllers = await self.context.host.kernel.controllers(cgroup) if found["cgroup"] else ()
        fields = {"cgroup_path": cgroup, "cgroup_ready": found["cgroup"], "subtree_controllers": controllers}
        fields |= self.status(found)
        if whole:
            return fields | {"state": _state(doc, "Ready"), "reason": "", "message": ""}
        # Why something failed is worth more than that it is not whole.
        failed = doc.status.state == _state(doc, "Failed")
        return fields if failed else fields | {"state": _state(doc, "Unknown")}

    def status(self, found: Mapping[str, bool]) -> dict[str, Any]:
        """Fields of the status that one kind has alone."""
        return {}

    async def _save(self, doc: D, status: Mapping[str, Any]) -> D:
        after = msgspec.structs.replace(doc, status=msgspec.structs.replace(doc.status, **status))
        return await self.context.save(after)

    async def delete(self, ref: model.Ref, *, cascade: bool) -> Deleted[D]:
        """Remove the resource; with `cascade` its children first, all at once.

        Raises `<Kind>NotFound`; ResourceHasDependencies when there are children and no `cascade`. When the host
        refuses, the document stays, so that the call can be repeated. A document that is lost or damaged keeps
        nothing from being removed.
        """
        async with self.context.lock(ref):
            doc = await self.known(ref)
            children = self.children(ref, "delete", cascade=cascade)
            await self.end_uses(ref)
            await together(*(self._delete_below(ref, name) for name in children))
            removed: list[str] = [f"{CHILD[self.kind]}:{name}" for name in children]
            for piece in reversed(self.pieces(ref, self.complete(ref, doc))):
                # One that is not as it should be does not exist in that sense, and goes as well.
                existed = await piece.exists()
                await piece.remove()
                if await piece.stays():
                    raise still_there("delete", ref, [piece.name])
                removed += [piece.name] if existed else []
            await self.context.forget(ref)
            return Deleted(doc, (*removed, "metadata"))

    def children(self, ref: model.Ref, verb: str, *, cascade: bool) -> list[str]:
        """The names inside `ref`, which has the lock. Raises ResourceHasDependencies if there are any, no `cascade`."""
        found = remains.below(self.context.store, ref)
        if found and not cascade:
            noun = CHILD[self.kind] + ("" if len(found) == 1 else "s")
            raise errors.ResourceHasDependencies(
                f"cannot {verb} {self.kind.lower()} {str(ref)!r}: {len(found)} {noun} inside",
                hint="delete them first, or pass --cascade (or --force)",
            )
        return found

    async def end_uses(self, ref: model.Ref) -> None:
        """End what hangs in `ref`. Raises Conflict while something is at work that needs it to stay."""

    async def known(self, ref: model.Ref) -> D:
        """The document of `ref`, or what is known without one. Raises `<Kind>NotFound`."""
        return remains.of(self.context.store, ref, self.document)

    async def _delete_below(self, ref: model.Ref, name: str) -> None:
        try:
            if isinstance(self.below, Level):
                await self.below.delete(ref.child(name), cascade=True)
            else:
                await self.below.delete(ref.child(name))
        except errors.NotFound:
            if name in remains.below(self.context.store, ref):
                raise
            # Somebody else deleted it meanwhile.


def still_there(verb: str, ref: model.Ref, pieces: list[str], why: str = "") -> errors.KukeonError:
    """The error for what a removal left although nothing refused, or although something did (`why`)."""
    error = errors.KINDS[f"Delete{ref.kind}"]
    left = ", ".join(pieces)
    return error(f"cannot {verb} {ref.kind.lower()} {str(ref)!r}: still there: {left}", hint=why or "try again")


def merged(stored: D, wanted: D) -> D:
    """`stored` with the spec and labels of `wanted`; managed labels that the user does not name stay."""
    managed = {key: value for key, value in stored.metadata.labels.items() if labels.is_managed(key)}
    metadata = msgspec.structs.replace(stored.metadata, labels=managed | labels.authored(wanted.metadata.labels))
    return msgspec.structs.replace(stored, metadata=metadata, spec=wanted.spec)


def _check_fresh(ref: model.Ref, stored: D, wanted: D) -> None:
    """Raise StaleResource for a change that says it is based on an older generation than the stored one."""
    claimed, now = wanted.metadata.generation, stored.metadata.generation
    if 0 < claimed < now:
        raise errors.StaleResource(
            f"cannot change {ref.kind.lower()} {str(ref)!r}: it is at generation {now}, the change is based on"
            f" {claimed}",
            hint="get it again and repeat the change, or leave metadata.generation out",
        )


def _labelled(ref: model.Ref, doc: D) -> D:
    keys = (labels.REALM, labels.SPACE, labels.STACK)
    own = dict(zip(keys, ref.parts, strict=False))
    metadata = model.Metadata(name=ref.name, labels=labels.authored(doc.metadata.labels) | own)
    return msgspec.structs.replace(doc, metadata=metadata)


def _state(doc: D, name: str) -> Any:
    return type(doc.status.state)(name)
