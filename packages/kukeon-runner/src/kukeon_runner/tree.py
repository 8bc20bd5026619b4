"""The tree of resource directories: walking it on disk, and the same kept in memory.

What a directory means follows from its depth below `data`: 1 realms, 2 spaces, 3 stacks, 4 cells. A directory without
a document is not a resource, but what lies below it still is; one level below the cells are containers, which have
none. Entries that begin with a dot are bookkeeping.
"""

from __future__ import annotations

import bisect
import os
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kukeon_api import errors, names
from kukeon_api.model import Ref
from kukeon_runner import documents, durable

if TYPE_CHECKING:
    from collections.abc import Callable

    from kukeon_runner.documents import StoredDoc
    from kukeon_runner.layout import Layout

METADATA = "metadata.json"

Parts = tuple[str, ...]


@dataclass
class Found:
    """What a walk saw, by place; the order is that of Refs."""

    docs: dict[Parts, StoredDoc] = field(default_factory=dict)
    unreadable: dict[Parts, errors.KukeonError] = field(default_factory=dict)
    strange: dict[Parts, errors.KukeonError] = field(default_factory=dict)
    """Links and directories whose names are none, by the place where they stand."""

    @property
    def problems(self) -> dict[Parts, errors.KukeonError]:
        return {**self.unreadable, **self.strange}

    def names(self) -> list[str]:
        """The last name of each resource."""
        return sorted(parts[-1] for parts in (*self.docs, *self.unreadable))


def parts_of(ref: Ref | None) -> Parts:
    """The directory names from the run path to that of `ref`."""
    return ("data", *(ref.parts if ref else ()))


def directories(layout: Layout, ref: Ref | None) -> list[str]:
    """Return the names of all directories in that of `ref`, save bookkeeping; nothing when there is none."""
    path = layout.directory(ref) if ref else layout.data
    with durable.host_errors("list", path):
        try:
            with durable.directory(layout.run_path, parts_of(ref)) as fd:
                return [name for name, is_directory in _entries(fd) if is_directory]
        except FileNotFoundError:
            return []


def walk(layout: Layout, within: Ref | None, depths: frozenset[int], *, sweep: bool = False) -> Found:
    """Read all documents at `depths`, from `within` down. With `sweep`, remove what crashes left; only the one that
    holds the run path may do that.

    Raises only if the tree's root or `within` itself can't be opened; what is wrong below is in the result.
    """
    found = Found()
    path = layout.directory(within) if within else layout.data
    with durable.host_errors("list", path):
        try:
            with durable.directory(layout.run_path, parts_of(within)) as fd:
                _Walk(layout, depths, sweep, found).visit(fd, within.parts if within else ())
        except FileNotFoundError:
            pass  # Nothing has been stored yet, or it is gone: either way it holds nothing.
    return found


@dataclass
class _Walk:
    layout: Layout
    depths: frozenset[int]
    sweep: bool
    found: Found

    def visit(self, fd: int, parts: Parts) -> None:
        depth = len(parts)
        if depth in self.depths:
            self._read(fd, parts)
        if depth >= max(self.depths):
            if self.sweep:
                self._sweep(fd, parts, f"{durable.TEMP_PREFIX}{METADATA}")
            return
        try:
            entries = _entries(fd, hidden=self.sweep)
        except OSError as exc:
            self._strange(parts, "list", exc)
            return
        for name, is_directory in entries:
            place = (*parts, name)
            if name.startswith("."):
                if name.startswith((durable.TEMP_PREFIX, durable.TRASH_PREFIX)):
                    self._sweep(fd, parts, name)
            elif is_directory and names.is_name(name):
                self._descend(fd, place)
            elif is_directory:
                self.found.strange[place] = errors.HostError(
                    f"cannot use {self._path(place)!r}: no resource can be called {name!r}",
                    hint="move it away; only kukeon's own directories belong there",
                )
            elif is_directory is None and names.is_name(name):
                self.found.strange[place] = errors.HostError(
                    f"cannot use {self._path(place)!r}: symbolic links are not followed",
                    hint="replace it by the directory that it points to",
                )

    def _descend(self, fd: int, place: Parts) -> None:
        try:
            child = durable.open_directory(place[-1], fd)
        except FileNotFoundError:
            return
        except OSError as exc:
            self._strange(place, "list", exc)
            return
        try:
            self.visit(child, place)
        finally:
            os.close(child)

    def _read(self, fd: int, parts: Parts) -> None:
        path = f"{self._path(parts)}/{METADATA}"
        try:
            with durable.host_errors("read", path):
                try:
                    content = durable.read(fd, METADATA)
                except FileNotFoundError:
                    return
            self.found.docs[parts] = documents.decode(Ref(*parts), content, path)
        except errors.KukeonError as exc:
            self.found.unreadable[parts] = exc

    def _sweep(self, fd: int, parts: Parts, name: str) -> None:
        try:
            durable.remove_tree(fd, name)
        except OSError as exc:
            self._strange((*parts, name), "remove", exc)

    def _strange(self, place: Parts, doing: str, exc: OSError) -> None:
        self.found.strange[place] = durable.host_error(doing, self._path(place), exc)

    def _path(self, parts: Parts) -> str:
        return "/".join((self.layout.data, *parts))


def _entries(fd: int, *, hidden: bool = False) -> list[tuple[str, bool | None]]:
    """The sorted names in a directory with whether each is one itself; None for a link."""
    with os.scandir(fd) as entries:
        return sorted(
            (entry.name, None if entry.is_symlink() else entry.is_dir(follow_symlinks=False))
            for entry in entries
            if hidden or not entry.name.startswith(".")
        )


class Memory:
    """All documents of a run path, for the process that alone may change it. Safe to use from several threads."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._docs: dict[Parts, StoredDoc] = {}
        self._unreadable: dict[Parts, errors.KukeonError] = {}
        self._strange: dict[Parts, errors.KukeonError] = {}
        # The places of each depth in order: whatever is inside one parent is a slice.
        self._order: dict[int, list[Parts]] = {depth: [] for depth in range(1, len(documents.KINDS) + 1)}

    def fill(self, found: Found) -> None:
        with self._mutex:
            self._docs = dict(found.docs)
            self._unreadable = dict(found.unreadable)
            self._strange = dict(found.strange)
            for depth in self._order:
                places = {*self._docs, *self._unreadable}
                self._order[depth] = sorted(parts for parts in places if len(parts) == depth)

    def get(self, ref: Ref) -> StoredDoc | None:
        """Return what is remembered of `ref`; ask `unreadable` when that is None."""
        return self._docs.get(ref.parts)

    def put(self, ref: Ref, doc: StoredDoc) -> None:
        with self._mutex:
            self._place(ref.parts)
            # In this order: `get` and `unreadable` take no lock, and between them a resource may not seem absent.
            self._docs[ref.parts] = doc
            self._unreadable.pop(ref.parts, None)

    def put_problem(self, ref: Ref, problem: errors.KukeonError) -> None:
        """Note that the disk must be asked about `ref`."""
        with self._mutex:
            self._place(ref.parts)
            self._unreadable[ref.parts] = problem
            self._docs.pop(ref.parts, None)

    def drop(self, ref: Ref) -> None:
        with self._mutex:
            parts = ref.parts
            self._docs.pop(parts, None)
            self._unreadable.pop(parts, None)
            order = self._order[len(parts)]
            at = bisect.bisect_left(order, parts)
            if at < len(order) and order[at] == parts:
                del order[at]

    def unreadable(self, ref: Ref) -> bool:
        return ref.parts in self._unreadable

    def unreadable_refs(self, depth: int, within: Ref | None) -> list[Ref]:
        if not self._unreadable:
            return []
        with self._mutex:
            return [Ref(*parts) for parts in self._unreadable if len(parts) == depth and _inside(parts, within)]

    def forget_strange(self, gone: Callable[[Parts], bool]) -> None:
        """Drop the reports of entries that are `gone`."""
        if self._strange:
            with self._mutex:
                self._strange = {parts: problem for parts, problem in self._strange.items() if not gone(parts)}

    def docs(self, depth: int, within: Ref | None) -> tuple[StoredDoc, ...]:
        with self._mutex:
            docs = self._docs
            return tuple(docs[parts] for parts in self._slice(depth, within) if parts in docs)

    def children(self, ref: Ref | None) -> list[str]:
        with self._mutex:
            return [parts[-1] for parts in self._slice(len(ref.parts) + 1 if ref else 1, ref)]

    def problems(self, depth: int | None = None, within: Ref | None = None) -> tuple[errors.KukeonError, ...]:
        with self._mutex:
            unreadable = (item for item in self._unreadable.items() if depth is None or len(item[0]) == depth)
            return tuple(problem for parts, problem in (*unreadable, *self._strange.items()) if _inside(parts, within))

    def _place(self, parts: Parts) -> None:
        if parts not in self._docs and parts not in self._unreadable:
            bisect.insort(self._order[len(parts)], parts)

    def _slice(self, depth: int, within: Ref | None) -> list[Parts]:
        order = self._order[depth]
        if within is None:
            return order
        low = within.parts
        # No name has a zero byte, so this is the least place after everything inside `within`.
        high = (*low[:-1], f"{low[-1]}\0")
        return order[bisect.bisect_left(order, low) : bisect.bisect_left(order, high)]


def _inside(parts: Parts, within: Ref | None) -> bool:
    return within is None or parts[: len(within.parts)] == within.parts
