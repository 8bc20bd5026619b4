"""Realms: a containerd namespace and a cgroup."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import errors, labels, model
from kukeon_runner.runner.level import Converged, Level, Piece

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from kukeon_runner.runner.context import Context


class Realms(Level[model.RealmDoc]):
    kind = "Realm"
    document = model.RealmDoc

    def __init__(self, context: Context, child: Callable[[model.Ref], Coroutine[Any, Any, object]]) -> None:
        super().__init__(context, child)
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
        if found is None or namespace == self.context.layout.namespace(ref.realm):
            return
        if not self._own(ref).items() <= found.items():
            raise errors.Conflict(
                f"cannot use containerd namespace {namespace!r} for realm {ref.realm!r}: it exists and is not kukeon's",
                hint="leave spec.namespace out, or choose another",
            )

    async def _remains(self, ref: model.Ref) -> model.RealmDoc:
        doc = await super()._remains(ref)
        if not doc.spec.namespace:
            # The document is lost; its namespace may have been one that it named.
            for namespace, found in (await self.context.host.containers.namespaces()).items():
                if self._own(ref).items() <= found.items():
                    return msgspec.structs.replace(doc, spec=model.RealmSpec(namespace=namespace))
        return doc

    def _own(self, ref: model.Ref) -> dict[str, str]:
        return {labels.CONTAINERD_REALM: ref.realm, labels.CONTAINERD_INSTANCE: self.context.layout.instance.id}

    def complete(self, ref: model.Ref, doc: model.RealmDoc) -> model.RealmDoc:
        namespace = self.context.layout.namespace(ref.realm, doc.spec.namespace)
        return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, namespace=namespace))

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
