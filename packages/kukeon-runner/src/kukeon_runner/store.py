"""The documents of realms, spaces, stacks and cells under the run path (door).

A document is replaced whole and durably, and never lost to a neighbour: what is corrupt is reported and left alone,
everything else keeps working. Opened `exclusive` (the caller holds the run path's lock for as long) all documents are
kept in memory and only writes touch the disk; but one that somebody else changed is read again when it is asked for,
and never overwritten unread. Otherwise every read comes from the disk, and each write takes the locks
that keep it apart from a daemon and from other processes.

All methods block, for about a millisecond a write; they may be called from several threads.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, overload

import msgspec

from kukeon_api import errors, model, names
from kukeon_runner import documents, durable, flock, sharing, tree
from kukeon_runner.documents import D, StoredDoc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kukeon_api.model import Ref
    from kukeon_runner.layout import Layout

log = logging.getLogger(__name__)

_STRIPES = 64

_Mark = tuple[int, int, int] | None
"""Number, time of change and size of a file; None for one that cannot be seen."""


@dataclass(frozen=True)
class Scan(Generic[D]):
    """The documents that could be read, in order of their Ref, and what is wrong with the rest."""

    docs: tuple[D, ...]
    problems: tuple[errors.KukeonError, ...]


def _utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


class Store:
    """See the module. `gid` is the group that may read (0: root's own); `now` is asked for the time of each write."""

    def __init__(
        self,
        layout: Layout,
        *,
        exclusive: bool = False,
        gid: int = 0,
        now: Callable[[], dt.datetime] = _utc_now,
    ) -> None:
        self._layout = layout
        self._gid = gid
        self._now = now
        self._memory = tree.Memory() if exclusive else None
        self._loaded = False
        self._marks: dict[tree.Parts, _Mark] = {}
        """What the files looked like that are in memory: by it one is noticed that somebody else wrote."""
        self._logged: set[str] = set()
        # Making and removing directories excludes each other; documents that exist are written side by side.
        self._structure = threading.RLock()
        self._stripes = tuple(threading.RLock() for _ in range(_STRIPES))

    @property
    def exclusive(self) -> bool:
        """Whether nobody else changes the run path meanwhile."""
        return self._memory is not None

    def open(self) -> tuple[errors.KukeonError, ...]:
        """Read everything into memory and return what can't be read; in shared mode there is nothing to do.

        Also sweeps what a crash left, and gives the tree to the group if it has another one. Optional: the first use
        does the same. 30 ms for 1,000 cells.
        """
        self._cached()
        return self._memory.problems() if self._memory else ()

    # Reading.

    @overload
    def load(self, ref: Ref) -> StoredDoc: ...
    @overload
    def load(self, ref: Ref, kind: type[D]) -> D: ...
    def load(self, ref: Ref, kind: type[Any] | None = None) -> Any:
        """Return the document of `ref`; `<Kind>NotFound` when there is none, CorruptMetadata when it can't be read."""
        doc = self.find(ref, kind) if kind else self.find(ref)
        if doc is None:
            raise not_found(ref)
        return doc

    @overload
    def find(self, ref: Ref) -> StoredDoc | None: ...
    @overload
    def find(self, ref: Ref, kind: type[D]) -> D | None: ...
    def find(self, ref: Ref, kind: type[Any] | None = None) -> Any:
        """Return the document of `ref`, None when there is none. What is there but can't be read raises."""
        if ref.kind not in documents.KINDS or (kind and kind.kind != ref.kind):
            raise ValueError(f"{str(ref)!r} is a {ref.kind}: no {kind.kind if kind else 'document'} is stored for it")
        memory = self._cached()
        if memory is None:
            return self._read(ref)
        doc = memory.get(ref)
        if doc is None:
            # What was not there may have been put there, by somebody who restores it.
            return self._reread(memory, ref) if memory.unreadable(ref) or self._mark(ref.parts) else None
        return doc if self._marks.get(ref.parts) == self._mark(ref.parts) else self._reread(memory, ref)

    @overload
    def docs(self, kind: type[D], within: Ref | None = None) -> list[D]: ...
    @overload
    def docs(self, kind: str, within: Ref | None = None) -> list[StoredDoc]: ...
    def docs(self, kind: type[Any] | str, within: Ref | None = None) -> Any:
        """Return the readable documents of a kind, in order; what is wrong is logged, once. `scan` returns both."""
        scan: Scan[Any] = self.scan(kind, within)
        for text in map(str, scan.problems):
            # Listings are periodic; the same line every time would bury all others.
            if text not in self._logged:
                self._logged.add(text)
                log.warning("%s", text)
        return list(scan.docs)

    @overload
    def scan(self, kind: type[D], within: Ref | None = None) -> Scan[D]: ...
    @overload
    def scan(self, kind: str, within: Ref | None = None) -> Scan[StoredDoc]: ...
    def scan(self, kind: type[Any] | str, within: Ref | None = None) -> Any:
        """Return all documents of a kind inside `within` (itself included), with what is wrong there."""
        word = kind if isinstance(kind, str) else kind.kind
        depth = documents.KINDS.index(word) + 1
        memory = self._cached()
        if memory is None:
            found = tree.walk(self._layout, within, frozenset({depth}))
            return Scan(tuple(found.docs.values()), tuple(found.problems.values()))
        memory.forget_strange(lambda parts: not os.path.lexists("/".join((self._layout.data, *parts))))
        for ref in memory.unreadable_refs(depth, within):
            with contextlib.suppress(errors.KukeonError):
                self._reread(memory, ref)
        return Scan(memory.docs(depth, within), memory.problems(depth, within))

    def look(self, kind: type[D]) -> None:
        """Read again which documents of `kind` somebody else has changed, so that a listing after this tells it.

        3 ms for 1,000, where nothing has changed.
        """
        memory = self._cached()
        if memory is None:
            return
        depth = next(at for at, each in enumerate(documents.KINDS, 1) if each == kind.kind)
        for parts, mark in tuple(self._marks.items()):
            if len(parts) == depth and mark != self._mark(parts):
                with contextlib.suppress(errors.KukeonError):
                    self._reread(memory, model.Ref(*parts))

    def children(self, ref: Ref | None = None) -> list[str]:
        """Return the names of the resources one level down (of the realms, for None); a cell's containers are none."""
        depth = len(ref.parts) if ref else 0
        if depth >= len(documents.KINDS):
            return []
        memory = self._cached()
        if memory is not None:
            return memory.children(ref)
        return tree.walk(self._layout, ref, frozenset({depth + 1})).names()

    def leftovers(self, ref: Ref | None = None) -> list[str]:
        """Return the names of directories one level down that hold no document: something was lost or half made."""
        if ref is not None and ref.kind not in documents.KINDS[:-1]:
            return []
        return sorted(set(tree.directories(self._layout, ref)) - set(self.children(ref)))

    # Writing.

    def save(self, doc: D, expected_generation: int | None = None) -> D:
        """Store `doc` and return it as stored: generation and the times of its status are set here.

        The generation is 1 at first and grows when the spec differs from the stored one. A `doc` that carries a
        generation was read before: if what is stored now is of another generation, another life (createdAt) or gone,
        StaleResource is raised and nothing written. Generation 0 asks for no such check. `expected_generation` states
        it explicitly; there 0 means that nothing may be stored yet. A save that would change nothing writes nothing.
        HostError for a full or failing disk; the stored document is intact then.
        """
        ref = model.ref_of(doc)
        while True:
            known = self.find(ref) is not None
            with self._writing(ref, structural=not known):
                before = self._read_again(ref)
                if before is None and known:
                    continue  # It was deleted since; to make it again needs the structure's lock.
                return self._commit(ref, doc, before, expected_generation)

    def update(self, ref: Ref, kind: type[D], change: Callable[[D], D]) -> D:
        """Replace the document of `ref` by `change` of it, with no other write between; `<Kind>NotFound` if gone.

        `change` runs with locks held: it computes, and calls nothing that waits.
        """
        with self._writing(ref, structural=False):
            before = self._read_again(ref)
            if before is None:
                raise not_found(ref)
            assert isinstance(before, kind)
            return self._commit(ref, change(before), before, before.metadata.generation)

    def delete(self, ref: Ref, *, residue: bool = False) -> bool:
        """Remove the document of `ref` and all files kept beside it, at once; tell whether its directory was there.

        Of a container, which has no document of its own, the files.

        ResourceHasDependencies when a child's directory is still there, with or without a document: deleting a
        parent must never be what loses sight of a living child. With `residue`, directories that no resource can have
        go as well. HostError if some file can't be removed; the resource
        is gone all the same, and the rest goes when the store is opened next.
        """
        *above, name = tree.parts_of(ref)
        path = self._layout.directory(ref)
        with self._writing(ref, structural=True), durable.host_errors("delete", path):
            try:
                with durable.directory(self._layout.run_path, above) as parent:
                    self._check_childless(ref, residue=residue)
                    hidden = durable.trash(parent, name)
                    self._ask_disk(ref)
                    durable.remove_tree(parent, hidden)
            except FileNotFoundError:
                self._ask_disk(ref)
                return False
            except OSError:
                self._ask_disk(ref)
                raise
        return True

    # The rest is how.

    def _cached(self) -> tree.Memory | None:
        """The memory, filled; None in shared mode."""
        if self._memory is not None and not self._loaded:
            with self._structure:
                if not self._loaded:
                    with (
                        durable.host_errors("open", self._layout.data),
                        durable.directory(self._layout.run_path, ("data",), create=True, gid=self._gid),
                    ):
                        if self._gid:
                            sharing.share(self._layout, self._gid)
                        found = tree.walk(self._layout, None, frozenset({1, 2, 3, 4}), sweep=True)
                    self._memory.fill(found)
                    self._marks = {parts: self._mark(parts) for parts in found.docs}
                    self._loaded = True
        return self._memory

    def _read(self, ref: Ref) -> StoredDoc | None:
        path = self._layout.metadata(ref)
        with durable.host_errors("read", path):
            try:
                with durable.directory(self._layout.run_path, tree.parts_of(ref)) as fd:
                    content = durable.read(fd, tree.METADATA)
            except FileNotFoundError:
                return None
        return documents.decode(ref, content, path)

    def _reread(self, memory: tree.Memory, ref: Ref) -> StoredDoc | None:
        """Read what could not be read before: somebody may have repaired it."""
        with self._stripes[hash(ref) % _STRIPES]:
            mark = self._mark(ref.parts)
            try:
                doc = self._read(ref)
            except errors.KukeonError as exc:
                memory.put_problem(ref, exc)
                self._marks.pop(ref.parts, None)
                raise
            if doc is None:
                memory.drop(ref)
                self._marks.pop(ref.parts, None)
            else:
                memory.put(ref, doc)
                self._marks[ref.parts] = mark
            return doc

    def _mark(self, parts: tree.Parts) -> _Mark:
        try:
            path = f"{self._layout.data}/{'/'.join(parts)}/{tree.METADATA}"
            found = os.stat(path)  # noqa: PTH116 - many, and of a path that is text
        except OSError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _ask_disk(self, ref: Ref) -> None:
        """Have the memory say what is on disk after a change that may or may not have come to its end."""
        if self._memory is not None and ref.kind in documents.KINDS:
            with contextlib.suppress(errors.KukeonError):
                self._reread(self._memory, ref)

    def _read_again(self, ref: Ref) -> StoredDoc | None:
        """What is stored now that the locks are held."""
        return self._read(ref) if self._memory is None else self.find(ref)

    def _commit(self, ref: Ref, doc: D, before: StoredDoc | None, expected: int | None) -> D:
        check_fresh(ref, doc, before, expected)
        stored = stamped(doc, before, self._now())
        if before is not None and msgspec.structs.replace(stored, status=_timed_as(stored, before)) == before:
            return before
        path = self._layout.metadata(ref)
        content = documents.encode(stored)
        parts = tree.parts_of(ref)
        try:
            with (
                durable.host_errors("write", path),
                durable.directory(self._layout.run_path, parts, create=before is None, gid=self._gid) as fd,
            ):
                durable.replace(fd, tree.METADATA, content, gid=self._gid)
        except errors.KukeonError:
            # If the very last step failed, the new document may be on disk.
            self._ask_disk(ref)
            raise
        if self._memory is not None:
            self._memory.put(ref, stored)
            self._marks[ref.parts] = self._mark(ref.parts)
        return stored

    def _check_childless(self, ref: Ref, *, residue: bool) -> None:
        if ref.kind not in documents.KINDS[:-1]:
            return
        below = [name for name in tree.directories(self._layout, ref) if not residue or names.is_name(name)]
        if below:
            some = ", ".join(map(repr, below[:5])) + (", ..." if len(below) > 5 else "")
            raise errors.ResourceHasDependencies(
                f"cannot delete {ref.kind.lower()} {str(ref)!r}: {len(below)} inside ({some})",
                hint="delete them first or pass --cascade",
            )

    @contextlib.contextmanager
    def _writing(self, ref: Ref, *, structural: bool) -> Iterator[None]:
        self._cached()
        with contextlib.ExitStack() as held:
            if structural:
                held.enter_context(self._structure)
            held.enter_context(self._stripes[hash(ref) % _STRIPES])
            if self._memory is None:
                held.enter_context(flock.one_change(self._layout.run_path, gid=self._gid))
            yield


def not_found(ref: Ref) -> errors.KukeonError:
    """The `<Kind>NotFound` for `ref`."""
    return errors.KINDS[f"{ref.kind}NotFound"](f"cannot find {ref.kind.lower()} {str(ref)!r}")


def check_fresh(ref: Ref, doc: StoredDoc, before: StoredDoc | None, expected: int | None) -> None:
    """Raise StaleResource when `doc` was made of another document than the one `before` it; see `Store.save`."""
    generation = before.metadata.generation if before else 0
    claimed = doc.metadata.generation if expected is None else expected
    if expected is None and not claimed:
        return
    created = doc.status.created_at
    other_life = bool(claimed and before and created and created != before.status.created_at)
    if claimed == generation and not other_life:
        return
    what = f"{ref.kind.lower()} {str(ref)!r}"
    if before is None:
        why = "it was deleted meanwhile"
    elif not claimed:
        why = "it exists already"
    elif other_life:
        why = "it was deleted and made anew meanwhile"
    else:
        why = f"it is at generation {generation}, this change is based on {claimed}"
    raise errors.StaleResource(f"cannot save {what}: {why}", hint="read it again and repeat the change")


def stamped(doc: D, before: StoredDoc | None, now: dt.datetime) -> D:
    """`doc` with the generation and the times that it gets when it is stored over `before`."""
    changed = before is None or before.spec != doc.spec
    generation = (before.metadata.generation if before else 0) + changed
    ready = before.status.ready_at if before else None
    if ready is None and doc.status.state == "Ready":
        ready = now
    status = msgspec.structs.replace(
        doc.status,
        created_at=(before.status.created_at if before else None) or now,
        updated_at=now,
        ready_at=ready,
    )
    metadata = msgspec.structs.replace(doc.metadata, generation=generation)
    return msgspec.structs.replace(doc, metadata=metadata, status=status)


def _timed_as(doc: StoredDoc, other: StoredDoc) -> model.Status:
    return msgspec.structs.replace(doc.status, updated_at=other.status.updated_at)
