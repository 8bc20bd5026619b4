"""Realms: a containerd namespace and a cgroup."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter, defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import errors, labels, model
from kukeon_runner import credentials
from kukeon_runner.runner.level import Converged, Piece, still_there
from kukeon_runner.runner.purge import Purged, Purging, Sweep
from kukeon_runner.runner.uploads import Upload
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from kukeon_runner.runner.context import Context


log = logging.getLogger(__name__)

_NOTICED_S = 1.0
"""A client that has hung up is noticed within this; its cancelled call takes back what it stored."""


class Realms(Purging[model.RealmDoc]):
    kind = "Realm"
    document = model.RealmDoc

    def __init__(self, context: Context, below: Purging[Any]) -> None:
        super().__init__(context, below)
        self._uses: Counter[model.Ref] = Counter()
        """How many are at work in a realm that need it to stay, without its lock."""
        self._uploads: defaultdict[model.Ref, list[Upload]] = defaultdict(list)
        """Those of the uses that wait for what a client sends."""
        self._choosing = asyncio.Lock()
        """Of two realms that ask for one namespace, one gets it."""

    async def _register(self, ref: model.Ref, wanted: model.RealmDoc) -> model.RealmDoc:
        async with self._choosing:
            await self._check_namespace(ref, wanted)
            return await super()._register(ref, wanted)

    async def _converge(self, ref: model.Ref, wanted: model.RealmDoc, *, update: bool) -> Converged[model.RealmDoc]:
        if self.get(ref).status.ready_at is not None:
            return await super()._converge(ref, wanted, update=update)
        async with self._choosing:
            await self._check_namespace(ref, wanted)
            return await super()._converge(ref, wanted, update=update)

    async def _check_namespace(self, ref: model.Ref, wanted: model.RealmDoc) -> None:
        """Raise Conflict for a namespace that is another's: it would be deleted with this realm."""
        namespace = self.complete(ref, wanted).spec.namespace
        for other in self.context.store.docs(model.RealmDoc):
            if model.ref_of(other) != ref and other.spec.namespace == namespace:
                raise errors.Conflict(
                    f"cannot use containerd namespace {namespace!r} for realm {ref.realm!r}: realm"
                    f" {other.metadata.name!r} has it",
                    hint="leave spec.namespace out, or choose another",
                )
        found = (await self.context.host.containers.namespaces()).get(namespace)
        if found is None or self._is_own(ref, found):
            return
        # Without a label, one with the realm's own name is taken for it: others may have made it to put images there.
        if labels.CONTAINERD_REALM in found or namespace != self.context.layout.namespace(ref.realm):
            raise errors.Conflict(
                f"cannot use containerd namespace {namespace!r} for realm {ref.realm!r}: it exists and is not kukeon's",
                hint="leave spec.namespace out, or choose another",
            )

    async def known(self, ref: model.Ref) -> model.RealmDoc:
        return await self._named(ref, await super().known(ref))

    async def whatever(self, ref: model.Ref, *, unreadable: bool) -> tuple[model.RealmDoc, bool]:
        """See `Purging`. Raises CorruptMetadata: what a damaged document named is not known, and may be much."""
        if not unreadable:
            self.find(ref)
        doc, existed = await super().whatever(ref, unreadable=unreadable)
        return await self._named(ref, doc), existed

    async def _named(self, ref: model.Ref, doc: model.RealmDoc) -> model.RealmDoc:
        """`doc`, or where it is lost, one with the namespace that it may have named.

        Raises Conflict when the one that it had otherwise is another realm's.
        """
        if not doc.spec.namespace:
            for namespace, found in (await self.context.host.containers.namespaces()).items():
                if self._is_own(ref, found):
                    return msgspec.structs.replace(doc, spec=model.RealmSpec(namespace=namespace))
            await self._check_namespace(ref, doc)
        return doc

    async def realm_namespace(self, ref: model.Ref, doc: model.RealmDoc) -> str:
        return self.context.layout.namespace(ref.realm, doc.spec.namespace)

    async def sweep(self, ref: model.Ref, doc: model.RealmDoc, sweep: Sweep) -> None:
        """See `Purging`. Also further namespaces that carry the realm's name: their documents were lost before."""
        await super().sweep(ref, doc, sweep)
        containers, own = self.context.host.containers, await self.realm_namespace(ref, doc)
        for namespace, found in list((await containers.namespaces()).items()):
            if namespace != own and self._is_own(ref, found):
                await sweep.trying(f"cannot remove namespace {namespace!r}", containers.delete_namespace(namespace))
                sweep.leftover("namespace")

    def check_gone(self, ref: model.Ref, found: Purged[model.RealmDoc], cause: errors.KukeonError | None) -> None:
        """Raise DeleteRealm when the namespace stays; all else stands in the warnings."""
        if not found.namespace_removed:
            raise still_there("purge", ref, ["namespace"], "; ".join(found.warnings)) from cause

    @contextlib.asynccontextmanager
    async def held(self, realm: str) -> AsyncIterator[str]:
        """Keep the realm from being deleted for the body, which gets its containerd namespace. Raises RealmNotFound."""
        ref = model.Ref(realm)
        # Not its lock: an upload may take minutes, and the realm's spaces do not mind.
        async with self.context.lock(ref):
            namespace = self.namespace(realm)
            self._uses[ref] += 1
        try:
            yield namespace
        finally:
            self._uses[ref] -= 1
            self._uses += Counter()  # drops what is zero

    @contextlib.asynccontextmanager
    async def uploading(self, realm: str, chunks: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, Upload]]:
        """As `held`, for what a client sends: one that is silent keeps nobody from removing the realm."""
        upload = Upload(chunks)
        async with self.held(realm) as namespace:
            self._uploads[model.Ref(realm)].append(upload)
            try:
                yield namespace, upload
            finally:
                self._uploads[model.Ref(realm)].remove(upload)
                upload.ended.set()

    async def end_uses(self, ref: model.Ref) -> None:
        if self._uploads[ref]:
            # A client that hung up a moment ago is about to be noticed.
            ends = [asyncio.ensure_future(each.ended.wait()) for each in self._uploads[ref]]
            _, waiting = await asyncio.wait(ends, timeout=_NOTICED_S)
            for each in waiting:
                each.cancel()
            await asyncio.sleep(0)  # for them to be counted out
        silent = [each for each in self._uploads[ref] if each.silent]
        if len(silent) == self._uses[ref]:
            await together(*(each.interrupt() for each in silent))
            await asyncio.sleep(0)  # for them to be counted out
        if self._uses[ref] > 0:
            raise errors.Conflict(
                f"cannot remove realm {str(ref)!r}: an image is being loaded into it",
                hint="try again when that is done",
            )

    def _is_own(self, ref: model.Ref, found: Mapping[str, str]) -> bool:
        """Whether the labels `found` on a namespace say that it is that of `ref`."""
        return all(found.get(key, "") == value for key, value in self._own(ref).items())

    def _own(self, ref: model.Ref) -> dict[str, str]:
        return {labels.CONTAINERD_REALM: ref.realm, labels.CONTAINERD_INSTANCE: self.context.layout.instance.id}

    def complete(self, ref: model.Ref, doc: model.RealmDoc) -> model.RealmDoc:
        namespace = self.context.layout.namespace(ref.realm, doc.spec.namespace)
        spec = msgspec.structs.replace(doc.spec, namespace=namespace)
        return credentials.blanked(msgspec.structs.replace(doc, spec=spec))

    async def compared(self, ref: model.Ref, wanted: model.RealmDoc) -> tuple[str, ...]:
        """A line for each password that differs from the stored one. Raises Invalid where one is missing."""
        if not wanted.spec.registry_credentials:
            return ()
        stored = await asyncio.to_thread(self.context.credentials.load, ref)
        return credentials.changed(stored, credentials.completed(wanted.spec.registry_credentials, stored))

    async def keep(self, ref: model.Ref, wanted: model.RealmDoc) -> tuple[str, ...]:
        """Store the passwords, still beside those that the stored document needs: a crash loses none of them."""
        if not wanted.spec.registry_credentials:
            return ()
        stored = await asyncio.to_thread(self.context.credentials.load, ref)
        found = credentials.completed(wanted.spec.registry_credentials, stored)
        both = credentials.union(stored, found)
        if both != stored:
            await asyncio.to_thread(self.context.credentials.save, ref, both)
        return credentials.changed(stored, found)

    async def drop(self, ref: model.Ref, wanted: model.RealmDoc) -> None:
        """Remove the passwords that the stored document does without."""
        try:
            stored = await asyncio.to_thread(self.context.credentials.load, ref)
        except errors.CorruptMetadata as error:
            log.warning("%s", error)
            return
        needed = credentials.blank(wanted.spec.registry_credentials)
        kept = tuple(each for each in stored if credentials.blank((each,))[0] in needed)
        if kept != stored:
            await asyncio.to_thread(self.context.credentials.save, ref, kept)

    async def logins(self, realm: str) -> credentials.Credentials:
        """The credentials of an existing realm with their passwords: for logging in to registries, for nothing else.

        Raises RealmNotFound, CorruptMetadata.
        """
        self.get(model.Ref(realm))
        return await asyncio.to_thread(self.context.credentials.load, model.Ref(realm))

    def pieces(self, ref: model.Ref, doc: model.RealmDoc) -> tuple[Piece, ...]:
        host, namespace, cgroup = self.context.host, doc.spec.namespace, self.context.layout.cgroup(ref)
        return (
            Piece(
                "namespace",
                partial(host.containers.namespace_exists, namespace),
                partial(host.containers.create_namespace, namespace, self._own(ref)),
                partial(host.containers.delete_namespace, namespace),
            ),
            Piece(
                "cgroup",
                partial(host.kernel.cgroup_exists, cgroup),
                partial(host.kernel.make_cgroup, cgroup),
                partial(host.kernel.remove_cgroup, cgroup),
            ),
        )

    def status(self, found: Mapping[str, bool]) -> dict[str, Any]:
        return {"containerd_namespace_ready": found["namespace"]}

    def namespace(self, realm: str) -> str:
        """The containerd namespace of an existing realm. Raises RealmNotFound."""
        return self.get(model.Ref(realm)).spec.namespace

    def check_change(self, stored: model.RealmDoc, wanted: model.RealmDoc) -> None:
        """Raise BreakingChange for what cannot change in place."""
        if wanted.spec.namespace and wanted.spec.namespace != stored.spec.namespace:
            raise errors.BreakingChange(
                f"cannot change spec.namespace of realm {stored.metadata.name!r} from {stored.spec.namespace!r}"
                f" to {wanted.spec.namespace!r}",
                hint="delete the realm and create it again",
            )
