"""Purge: what delete does, and a sweep of everything that carries the names, whether or not anything is known of it.

Metadata may be lost, damaged or never have been there: the names of things on the host are made of the names of
resources, so they lead to what is left. One thing that refuses does not keep the others; what matters is what is there
in the end.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic

from kukeon_api import errors, labels, model, names
from kukeon_runner.runner import remains
from kukeon_runner.runner.level import CHILD, D, Level, Piece, still_there
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

log = logging.getLogger(__name__)

ORPHANS, PINS, FILES = "orphaned-containers", "namespace-pins", "files"
LEFTOVER = {"network": "cni-resources"}
"""What a piece is called that nothing known accounts for; the others keep their names."""

_PLACE = (labels.CONTAINERD_REALM, labels.CONTAINERD_SPACE, labels.CONTAINERD_STACK)


@dataclass(frozen=True)
class Purged(Generic[D]):
    """What a purge found and removed."""

    doc: D
    existed: bool
    """Whether there was a document, readable or not."""
    deleted: tuple[str, ...]
    """What a delete would have told: `space:x` for each child, the pieces, `metadata`."""
    purged: tuple[str, ...]
    """What was found beyond that, by kind, each once."""
    warnings: tuple[str, ...]
    """What went wrong on the way."""
    pre: Mapping[str, bool]
    post: Mapping[str, bool]
    """Whether anything of each piece was there before and after."""
    metadata_deleted: bool
    metadata_left: bool
    """Whether there is a document, or only its directory."""

    @property
    def succeeded(self) -> bool:
        """Whether nothing is left."""
        return not self.metadata_left and not any(self.post.values())

    @property
    def namespace_removed(self) -> bool:
        """Whether containerd has no such namespace now; of a realm."""
        return not self.post.get("namespace", False)

    def removed(self, piece: str) -> bool:
        """Whether `piece` was there and is not any more."""
        return self.pre[piece] and not self.post[piece]


@dataclass
class Sweep:
    """What is found while one resource is purged."""

    purged: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    first: errors.KukeonError | None = None

    def leftover(self, *kinds: str) -> None:
        self.purged += [kind for kind in kinds if kind not in self.purged]

    async def trying(self, what: str, work: Coroutine[Any, Any, Any]) -> Any:
        """The result of `work`; None, and a warning, when it fails."""
        try:
            return await work
        except errors.KukeonError as error:
            log.warning("%s: %s", what, error)
            self.first = self.first or error
            self.warnings.append(f"{what}: {error}")
            return None


class Purging(Level[D]):
    """A level that can be purged."""

    async def purge(self, ref: model.Ref, *, cascade: bool, unreadable: bool = False) -> Purged[D]:
        """Remove whatever there is of the resource and, with `cascade`, inside it. Of what never was: nothing is done.

        Raises ResourceHasDependencies when there are children and no `cascade`, ConnectContainerd, and `Delete<Kind>`
        when something of the resource itself stays (of a realm: only its namespace). For a realm whose document is
        damaged CorruptMetadata, unless `unreadable` ones are to go by their names, too.
        """
        async with self.context.lock(ref):
            doc, existed = await self.whatever(ref, unreadable=unreadable)
            children: list[str] = self.children(ref, "purge", cascade=cascade)
            await self.end_uses(ref)
            strays: list[str] = await self._strays(ref, doc, children)
            sweep = Sweep()
            if strays:
                sweep.leftover(ORPHANS)
            pieces = self.pieces(ref, self.complete(ref, doc))
            pre = await _present(pieces)
            right = {each.name: await each.exists() for each in pieces}
            await together(*(self._purge_below(sweep, ref.child(name)) for name in (*children, *strays)))
            left = set(remains.below(self.context.store, ref))
            removed = [f"{CHILD[self.kind]}:{name}" for name in children if name not in left]
            for piece in reversed(pieces):
                if pre[piece.name]:
                    await sweep.trying(f"cannot remove the {piece.name}", piece.remove())
            await self.sweep(ref, doc, sweep)
            post = await _present(pieces)
            for piece in reversed(pieces):
                if pre[piece.name] and not post[piece.name]:
                    if existed and right[piece.name]:
                        removed.append(piece.name)
                    else:
                        sweep.leftover(LEFTOVER.get(piece.name, piece.name))
            forgotten = await self._forget(ref, sweep, post)
            if forgotten and existed:
                removed.append("metadata")
            elif forgotten:
                sweep.leftover(FILES)
            found = Purged(
                doc=doc,
                existed=existed,
                deleted=tuple(removed),
                purged=tuple(sweep.purged),
                warnings=tuple(sweep.warnings),
                pre=pre,
                post=post,
                metadata_deleted=existed and forgotten,
                metadata_left=self._recorded(ref) or ref.name in self.context.store.leftovers(ref.parent),
            )
            self.check_gone(ref, found, sweep.first)
            return found

    async def whatever(self, ref: model.Ref, *, unreadable: bool) -> tuple[D, bool]:
        """What is known of `ref`, and whether there is a document, readable or not."""
        doc, readable = remains.whatever(self.context.store, ref, self.document)
        return doc, readable or self._recorded(ref)

    async def sweep(self, ref: model.Ref, doc: D, sweep: Sweep) -> None:
        """Remove what belongs to `ref` and to none of its pieces: pins and tmpfs of cells that nobody knows of."""
        layout = self.context.layout
        for root in (f"{layout.runtime_dir}/{each}" for each in ("ns", "shm", "secrets")):
            work = self.context.host.kernel.clear(root, ref.parts)
            if await sweep.trying(f"cannot clear {root!r}", work):
                sweep.leftover(PINS)

    def check_gone(self, ref: model.Ref, found: Purged[D], cause: errors.KukeonError | None) -> None:
        """Raise `Delete<Kind>` when something of `ref` stays."""
        left = [name for name, there in found.post.items() if there] + (["metadata"] if found.metadata_left else [])
        if left:
            raise still_there("purge", ref, left, "; ".join(found.warnings)) from cause

    async def realm_namespace(self, ref: model.Ref, doc: D) -> str:
        """The containerd namespace in which containers of `ref` are."""
        realm, _ = remains.whatever(self.context.store, model.Ref(ref.realm), model.RealmDoc)
        return self.context.layout.namespace(ref.realm, realm.spec.namespace)

    async def _strays(self, ref: model.Ref, doc: D, known: list[str]) -> list[str]:
        """Names inside `ref` that have no directory, but something on the host."""
        host, layout = self.context.host, self.context.layout
        namespace, depth = await self.realm_namespace(ref, doc), len(ref.parts)
        place = dict(zip(_PLACE, ref.parts, strict=False))
        # Asked even for what never was: without containerd nobody knows.
        ids = list(await host.containers.ids(namespace, place))
        if ref.space:
            ids += [id for id in await host.network.holders(layout.network(ref.ancestors[0].child(ref.space)))]
        found = {parts for parts in map(_places, ids) if parts[: depth - 1] == ref.parts[1:]}
        spaces = {parts[depth - 1] for parts in found}
        if not ref.space:
            spaces |= {each.space for each in await self.networks() if each.realm == ref.realm}
        return sorted(spaces - set(known))

    async def networks(self) -> list[model.Ref]:
        """The spaces of this instance of whose networks the host has anything."""
        named = [self.context.layout.space_of(name) for name in await self.context.host.network.networks()]
        return [ref for ref in named if ref is not None]

    async def _purge_below(self, sweep: Sweep, ref: model.Ref) -> None:
        what = f"cannot purge {ref.kind.lower()} {str(ref)!r}"
        if isinstance(self.below, Purging):
            inner = await sweep.trying(what, self.below.purge(ref, cascade=True, unreadable=True))
            if inner is not None:
                sweep.leftover(*inner.purged)
                sweep.warnings += inner.warnings
        elif not isinstance(self.below, Level):
            cell = await sweep.trying(what, self.below.purge(ref))
            if cell is not None:
                if set(cell.outcome.pre.containers) - (cell.ids if cell.known else set()):
                    sweep.leftover(ORPHANS)
                sweep.warnings += [f"{ref}: {error}" for error in cell.troubles]

    async def _forget(self, ref: model.Ref, sweep: Sweep, post: Mapping[str, bool]) -> bool:
        """Remove the directory, unless something is left that it may still be needed for."""
        if any(post.values()):
            return False
        return bool(await sweep.trying("cannot remove the metadata", self.context.forget(ref, residue=True)))

    def _recorded(self, ref: model.Ref) -> bool:
        try:
            return self.find(ref) is not None
        except errors.KukeonError:
            return True


async def _present(pieces: tuple[Piece, ...]) -> dict[str, bool]:
    found = await together(*(each.stays() for each in pieces))
    return {each.name: there for each, there in zip(pieces, found, strict=True)}


def _places(id: str) -> tuple[str, ...]:
    """Space, stack and cell of a containerd id of ours; nothing for one of somebody else's."""
    parts = tuple(id.split("_"))
    return parts[:3] if len(parts) == 4 and all(map(names.is_name, parts)) else ("", "", "")
