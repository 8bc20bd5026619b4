"""What a kukeon in memory has: documents, images, and the names of things on a host that is not there."""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from typing import TYPE_CHECKING, Any, TypeVar, cast

import msgspec

from kukeon_api import errors, labels, model, normalise, rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

D = TypeVar("D", model.RealmDoc, model.SpaceDoc, model.StackDoc, model.CellDoc)
A = TypeVar("A", bound=model.Doc)

Stored = model.RealmDoc | model.SpaceDoc | model.StackDoc | model.CellDoc

replace = msgspec.structs.replace

_MANAGED = (labels.REALM, labels.SPACE, labels.STACK, labels.CELL)


def utc_now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)


@dataclasses.dataclass
class World:
    """Documents and images. Documents are immutable, so a copy is a few dicts: a dry run works on one."""

    run_path: str = "/opt/kukeon"
    suffix: str = "kukeon.io"
    cgroup_root: str = "/kukeon"
    now: Callable[[], dt.datetime] = utc_now
    docs: dict[model.Ref, Stored] = dataclasses.field(default_factory=dict)
    images: dict[str, dict[str, model.ImageInfo]] = dataclasses.field(default_factory=dict)
    """Realm -> name -> image."""
    registry: dict[str, model.ImageInfo] = dataclasses.field(default_factory=dict)
    """What registries have, by its name in full."""
    blobs: dict[str, bytes] = dataclasses.field(default_factory=dict)
    """What images are made of, by digest."""
    passwords: dict[tuple[str, str, str], str] = dataclasses.field(default_factory=dict)
    """Realm, server address, user name -> password; it is in no document."""
    subnets: dict[model.Ref, int] = dataclasses.field(default_factory=dict)
    addresses: dict[model.Ref, int] = dataclasses.field(default_factory=dict)
    watchers: list[Callable[[Stored | None, Stored | None], object]] = dataclasses.field(default_factory=list)
    """Called with what is stored of a resource before and after a change; None: it was or is not there."""

    def copy(self) -> World:
        """Return a world in which to try things."""
        images = {realm: dict(found) for realm, found in self.images.items()}
        return dataclasses.replace(
            self,
            docs=dict(self.docs),
            images=images,
            blobs=dict(self.blobs),
            passwords=dict(self.passwords),
            subnets=dict(self.subnets),
            addresses=dict(self.addresses),
            watchers=[],
        )

    # Documents.

    def find(self, ref: model.Ref) -> Any:
        """Return the document of `ref`, None when there is none."""
        return self.docs.get(ref)

    def load(self, ref: model.Ref) -> Any:
        """Return the document of `ref`; raises `<Kind>NotFound`."""
        found = self.docs.get(ref)
        if found is None:
            kind = ref.kind.lower()
            words = f"cannot find {kind} {str(ref)!r}"
            raise errors.KINDS[f"{ref.kind}NotFound"](words, hint=f"`kuke get {kind}s` lists what is there")
        return found

    def of_kind(self, kind: str, *within: str) -> Iterator[Any]:
        """Yield the documents of a kind in the order of their places; an empty name above them is no filter."""
        for ref in sorted(self.docs):
            if ref.kind == kind and all(name in ("", part) for name, part in zip(within, ref.parts, strict=False)):
                yield self.docs[ref]

    def children(self, ref: model.Ref) -> list[str]:
        """Return the names of what is directly inside."""
        return sorted(other.name for other in self.docs if other.parent == ref)

    def save(self, doc: D) -> D:
        """Store `doc` and return it as stored: generation and times are set here, as kukeond sets them."""
        ref = model.ref_of(doc)
        before: Any = self.docs.get(ref)
        now = self.now()
        generation = before.metadata.generation if before else 0
        if before is None or before.spec != doc.spec:
            generation += 1
        ready_at = before.status.ready_at if before else None
        if ready_at is None and doc.status.state == "Ready":
            ready_at = now
        created_at = before.status.created_at if before else doc.status.created_at
        status = replace(
            doc.status,
            created_at=created_at or now,
            updated_at=now,
            ready_at=ready_at,
            cgroup_path=self.cgroup(ref),
            observed_generation=generation,
        )
        saved = replace(doc, metadata=replace(doc.metadata, generation=generation), status=status)
        if before is not None and replace(saved, status=replace(status, updated_at=before.status.updated_at)) == before:
            return cast("D", before)  # nothing changed, so nothing is written
        self.docs[ref] = saved
        self._tell(before, saved)
        return saved

    def forget(self, ref: model.Ref) -> None:
        """Drop the document of `ref`, and what hangs on it."""
        before = self.docs.pop(ref)
        self.addresses.pop(ref, None)
        self.subnets.pop(ref, None)
        if ref.kind == "Realm":
            self.images.pop(ref.realm, None)
            self.passwords = {key: each for key, each in self.passwords.items() if key[0] != ref.realm}
        self._tell(before, None)

    def _tell(self, before: Stored | None, after: Stored | None) -> None:
        for watcher in self.watchers:
            watcher(before, after)

    # Names of what would be on a host.

    def cgroup(self, ref: model.Ref) -> str:
        """Return the cgroup of a resource."""
        return "/".join((self.cgroup_root, *ref.parts))

    def directory(self, ref: model.Ref) -> str:
        """Return the directory of a resource."""
        return "/".join((self.run_path, "data", *ref.parts))

    def namespace(self, realm: str) -> str:
        """Return the containerd namespace of a realm that exists; raises `RealmNotFound`."""
        found: str = self.load(model.Ref(realm)).spec.namespace
        return found

    def network(self, cell: model.Ref) -> model.CellNetworkStatus:
        """Return bridge and address of a cell that runs; it keeps its address until it is deleted."""
        space = model.Ref(cell.realm, cell.space)
        subnet = self.subnets.setdefault(space, _free(self.subnets.values(), 0))
        inside = [host for other, host in self.addresses.items() if space.contains(other)]
        host = self.addresses.setdefault(cell, _free(inside, 2))
        third, fourth = (host >> 8) & 255, host & 255
        return model.CellNetworkStatus(
            bridge_name=self.bridge(space),
            address=f"10.{88 + subnet // 256}.{(subnet + third) % 256}.{fourth}/24",
            gateway=f"10.{88 + subnet // 256}.{subnet % 256}.1",
        )

    @staticmethod
    def bridge(space: model.Ref) -> str:
        """Return the bridge of a space."""
        return f"k-{hashlib.sha256(str(space).encode()).hexdigest()[:10]}"


def _free(taken: Any, first: int) -> int:
    used = set(taken)
    while first in used:
        first += 1
    return first


def accepted(doc: A) -> A:
    """Return `doc` in normal form; raises `InvalidManifest` with every problem."""
    rules.check(doc)
    return normalise.normalise(doc)


def changeable(ref: model.Ref, verb: str = "change") -> model.Ref:
    """Return `ref`, unless it is in the realm that belongs to kukeon itself; raises `ReservedRealm` then."""
    if ref.realm == model.SYSTEM_REALM:
        raise errors.ReservedRealm(
            f"cannot {verb} {ref.kind.lower()} {str(ref)!r}: realm {model.SYSTEM_REALM!r} is kukeon's own",
            hint="choose another realm",
        )
    return ref


def labelled(doc: A, stored: Stored | None = None) -> A:
    """Return `doc` with the labels that kukeon gives; those it gave `stored` stay."""
    ref = model.ref_of(doc)
    own = dict(zip(_MANAGED, ref.parts, strict=False))
    if stored is not None:
        own = {key: value for key, value in stored.metadata.labels.items() if labels.is_managed(key)}
    return replace(doc, metadata=replace(doc.metadata, labels=own | doc.metadata.labels))
