"""Realms: a containerd namespace and a cgroup."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from kukeon_api import errors, labels, model
from kukeon_runner.runner.level import Level, Piece

if TYPE_CHECKING:
    from collections.abc import Mapping


class Realms(Level[model.RealmDoc]):
    kind = "Realm"
    document = model.RealmDoc

    def complete(self, ref: model.Ref, doc: model.RealmDoc) -> model.RealmDoc:
        namespace = self.context.layout.namespace(ref.realm, doc.spec.namespace)
        return msgspec.structs.replace(doc, spec=msgspec.structs.replace(doc.spec, namespace=namespace))

    def pieces(self, ref: model.Ref, doc: model.RealmDoc) -> tuple[Piece, ...]:
        host, namespace, cgroup = self.context.host, doc.spec.namespace, self.context.layout.cgroup(ref)
        own = {labels.CONTAINERD_REALM: ref.realm, labels.CONTAINERD_INSTANCE: self.context.layout.instance.id}
        return (
            Piece(
                "namespace",
                partial(host.containers.namespace_exists, namespace),
                partial(host.containers.create_namespace, namespace, own),
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
