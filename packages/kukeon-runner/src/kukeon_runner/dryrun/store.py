"""Documents and subnets as they would be stored: what is stored, with changes that stay in memory."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, model
from kukeon_runner import documents
from kukeon_runner.store import Scan, Store, check_fresh, stamped
from kukeon_runner.subnets import Subnets

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Iterator
    from ipaddress import IPv4Network

    from kukeon_api.model import Ref
    from kukeon_runner.documents import D, StoredDoc
    from kukeon_runner.layout import Layout

log = logging.getLogger(__name__)


class DryStore(Store):
    """A store over another that is only read."""

    def __init__(self, below: Store, layout: Layout, now: Callable[[], dt.datetime]) -> None:
        super().__init__(layout, now=now)
        self._below = below
        self._logged = below._logged
        self._changed: dict[Ref, StoredDoc | None] = {}
        """What this run stored; None for what it deleted."""

    def open(self) -> tuple[errors.KukeonError, ...]:
        return ()

    def find(self, ref: Ref, kind: type[Any] | None = None) -> Any:
        if ref in self._changed:
            return self._changed[ref]
        return self._below.find(ref, kind) if kind else self._below.find(ref)

    def scan(self, kind: type[Any] | str, within: Ref | None = None) -> Any:
        word = kind if isinstance(kind, str) else kind.kind
        found: Scan[Any] = self._below.scan(word, within)
        docs = {model.ref_of(doc): doc for doc in found.docs}
        for ref, doc in self._now_changed().items():
            if doc is None:
                docs.pop(ref, None)
            elif ref.kind == word and (within is None or ref.parts[: len(within.parts)] == within.parts):
                docs[ref] = doc
        return Scan(tuple(docs[ref] for ref in sorted(docs)), found.problems)

    def look(self, kind: type[D]) -> None:
        self._below.look(kind)

    def children(self, ref: Ref | None = None) -> list[str]:
        return sorted({*self._below.children(ref), *self._names(ref, there=True)} - self._names(ref, there=False))

    def leftovers(self, ref: Ref | None = None) -> list[str]:
        changed = self._names(ref, there=True) | self._names(ref, there=False)
        return sorted(set(self._below.leftovers(ref)) - changed)

    def save(self, doc: D, expected_generation: int | None = None) -> D:
        ref = model.ref_of(doc)
        before = self.find(ref)
        check_fresh(ref, doc, before, expected_generation)
        stored = stamped(doc, before, self._now())
        self._changed[ref] = stored
        return stored

    def update(self, ref: Ref, kind: type[D], change: Callable[[D], D]) -> D:
        return self.save(change(self.load(ref, kind)))

    def delete(self, ref: Ref, *, residue: bool = False) -> bool:
        below = [*self.children(ref), *self.leftovers(ref)] if ref.kind != documents.KINDS[-1] else []
        if below:
            raise errors.ResourceHasDependencies(f"cannot delete {ref.kind.lower()} {str(ref)!r}: {len(below)} inside")
        there = self._changed.get(ref) is not None or ref.name in (
            *self._below.children(ref.parent),
            *self._below.leftovers(ref.parent),
        )
        self._changed[ref] = None
        return there

    def _now_changed(self) -> dict[Ref, StoredDoc | None]:
        """A copy, made at one stroke: documents are saved on other threads."""
        return dict(self._changed)

    def _names(self, parent: Ref | None, *, there: bool) -> set[str]:
        changed = self._now_changed()
        return {ref.name for ref, doc in changed.items() if ref.parent == parent and (doc is not None) is there}


class DrySubnets(Subnets):
    """The subnets of the spaces, of which new ones are chosen and not recorded."""

    def __init__(self, below: Subnets, layout: Layout) -> None:
        super().__init__(layout, exclusive=True)
        self._below = below
        self._changed: dict[Ref, IPv4Network | None] = {}

    def find(self, space: Ref) -> IPv4Network | None:
        return self._changed[space] if space in self._changed else self._below.find(space)

    def recorded(self, space: Ref) -> bool:
        return self._changed[space] is not None if space in self._changed else self._below.recorded(space)

    def release(self, space: Ref) -> bool:
        had = self.find(space) is not None
        self._changed[space] = None
        return had

    def _known(self) -> Iterator[tuple[Ref, IPv4Network]]:
        for space, network in self._below.allocated():
            if space not in self._changed:
                yield space, network
        for space, changed in self._changed.items():
            if changed is not None:
                yield space, changed

    def _record(self, space: Ref, network: IPv4Network) -> None:
        self._changed[space] = network
