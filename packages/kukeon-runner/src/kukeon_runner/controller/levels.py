"""Realms, spaces and stacks over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors, model
from kukeon_runner import credentials
from kukeon_runner.controller.base import Base

if TYPE_CHECKING:
    from kukeon_runner.runner.level import Converged


class Levels(Base):
    async def create_realm(self, doc: model.RealmDoc) -> model.CreateRealmResult:
        """Have the realm. One that exists is ensured, and keeps its spec."""
        found = await self.runner.realms.converge(self.accepted(doc), update=False)
        return model.CreateRealmResult(
            realm=found.doc,
            metadata_exists_pre=found.existed,
            metadata_exists_post=self._stored(found.doc),
            cgroup_exists_pre=found.pre["cgroup"],
            cgroup_exists_post=found.post["cgroup"],
            cgroup_created=_made(found, "cgroup"),
            containerd_namespace_exists_pre=found.pre["namespace"],
            containerd_namespace_exists_post=found.post["namespace"],
            containerd_namespace_created=_made(found, "namespace"),
            created=not found.existed,
        )

    async def create_space(self, doc: model.SpaceDoc) -> model.CreateSpaceResult:
        """Have the space. Raises RealmNotFound."""
        found = await self.runner.spaces.converge(self.accepted(doc), update=False)
        return model.CreateSpaceResult(
            space=found.doc,
            metadata_exists_pre=found.existed,
            metadata_exists_post=self._stored(found.doc),
            cgroup_exists_pre=found.pre["cgroup"],
            cgroup_exists_post=found.post["cgroup"],
            cgroup_created=_made(found, "cgroup"),
            cni_network_exists_pre=found.pre["network"],
            cni_network_exists_post=found.post["network"],
            cni_network_created=_made(found, "network"),
            created=not found.existed,
        )

    async def create_stack(self, doc: model.StackDoc) -> model.CreateStackResult:
        """Have the stack. Raises RealmNotFound or SpaceNotFound."""
        found = await self.runner.stacks.converge(self.accepted(doc), update=False)
        return model.CreateStackResult(
            stack=found.doc,
            metadata_exists_pre=found.existed,
            metadata_exists_post=self._stored(found.doc),
            cgroup_exists_pre=found.pre["cgroup"],
            cgroup_exists_post=found.post["cgroup"],
            cgroup_created=_made(found, "cgroup"),
            created=not found.existed,
        )

    async def get_realm(self, doc: model.RealmDoc) -> model.GetRealmResult:
        """The realm, or `metadata_exists` False. What cannot be asked, for want of containerd or rights, is False."""
        ref = model.ref_of(doc)
        found = self.runner.realms.find(ref)
        there = await self.runner.realms.seen(ref, found or doc)
        return model.GetRealmResult(
            realm=found or credentials.blanked(doc),
            metadata_exists=found is not None,
            cgroup_exists=there["cgroup"],
            containerd_namespace_exists=there["namespace"],
        )

    async def get_space(self, doc: model.SpaceDoc) -> model.GetSpaceResult:
        """The space, or `metadata_exists` False; see get_realm."""
        ref = model.ref_of(doc)
        found = self.runner.spaces.find(ref)
        there = await self.runner.spaces.seen(ref, found or doc)
        return model.GetSpaceResult(
            space=found or doc,
            metadata_exists=found is not None,
            cgroup_exists=there["cgroup"],
            cni_network_exists=there["network"],
        )

    async def get_stack(self, doc: model.StackDoc) -> model.GetStackResult:
        """The stack, or `metadata_exists` False; see get_realm."""
        ref = model.ref_of(doc)
        found = self.runner.stacks.find(ref)
        there = await self.runner.stacks.seen(ref, found or doc)
        return model.GetStackResult(
            stack=found or doc, metadata_exists=found is not None, cgroup_exists=there["cgroup"]
        )

    async def delete_realm(self, doc: model.RealmDoc, force: bool, cascade: bool) -> model.DeleteRealmResult:
        """Delete the realm; with `cascade` or `force` with everything in it. Raises ResourceHasDependencies."""
        gone = await self.runner.realms.delete(self.changeable(model.ref_of(doc), "delete"), cascade=cascade or force)
        return model.DeleteRealmResult(
            realm=gone.doc,
            deleted=gone.removed,
            metadata_deleted=not self._stored(gone.doc),
            cgroup_deleted="cgroup" in gone.removed,
            containerd_namespace_deleted="namespace" in gone.removed,
        )

    async def delete_space(self, doc: model.SpaceDoc, force: bool, cascade: bool) -> model.DeleteSpaceResult:
        """See delete_realm."""
        ref = self.changeable(model.ref_of(doc), "delete")
        gone = await self.runner.spaces.delete(ref, cascade=cascade or force)
        return model.DeleteSpaceResult(
            space=gone.doc,
            space_name=ref.space,
            realm_name=ref.realm,
            metadata_deleted=not self._stored(gone.doc),
            cgroup_deleted="cgroup" in gone.removed,
            cni_network_deleted="network" in gone.removed,
            deleted=gone.removed,
        )

    async def delete_stack(self, doc: model.StackDoc, force: bool, cascade: bool) -> model.DeleteStackResult:
        """See delete_realm."""
        ref = self.changeable(model.ref_of(doc), "delete")
        gone = await self.runner.stacks.delete(ref, cascade=cascade or force)
        return model.DeleteStackResult(
            stack=gone.doc,
            stack_name=ref.stack,
            realm_name=ref.realm,
            space_name=ref.space,
            metadata_deleted=not self._stored(gone.doc),
            cgroup_deleted="cgroup" in gone.removed,
            deleted=gone.removed,
        )

    async def purge_realm(
        self, doc: model.RealmDoc, force: bool = False, cascade: bool = False
    ) -> model.PurgeRealmResult:
        """Remove all there is of the realm, known or not; with `cascade` or `force` with everything in it.

        Raises ResourceHasDependencies, RealmNameRequired, CorruptMetadata, ConnectContainerd, and DeleteRealm when its
        containerd namespace stays; everything else that goes wrong is a warning in the result.
        """
        if not doc.metadata.name:
            raise errors.RealmNameRequired("cannot purge a realm without its name")
        ref = self.changeable(model.ref_of(doc), "purge")
        found = await self.runner.realms.purge(ref, cascade=cascade or force)
        return model.PurgeRealmResult(
            realm=found.doc,
            realm_deleted=found.metadata_deleted,
            purge_succeeded=found.succeeded,
            force=force,
            cascade=cascade,
            deleted=found.deleted,
            purged=found.purged,
            namespace_removed=found.namespace_removed,
            warnings=found.warnings,
        )

    async def purge_space(
        self, doc: model.SpaceDoc, force: bool = False, cascade: bool = False
    ) -> model.PurgeSpaceResult:
        """See purge_realm; raises DeleteSpace when anything of the space stays."""
        ref = self.changeable(model.ref_of(doc), "purge")
        found = await self.runner.spaces.purge(ref, cascade=cascade or force)
        return model.PurgeSpaceResult(
            space=found.doc,
            metadata_deleted=found.metadata_deleted,
            cgroup_deleted=found.removed("cgroup"),
            cni_network_deleted=found.removed("network"),
            purge_succeeded=found.succeeded,
            force=force,
            cascade=cascade,
            deleted=found.deleted,
            purged=found.purged,
            warnings=found.warnings,
        )

    async def purge_stack(
        self, doc: model.StackDoc, force: bool = False, cascade: bool = False
    ) -> model.PurgeStackResult:
        """See purge_realm; raises DeleteStack when anything of the stack stays."""
        ref = self.changeable(model.ref_of(doc), "purge")
        found = await self.runner.stacks.purge(ref, cascade=cascade or force)
        return model.PurgeStackResult(
            stack=found.doc,
            deleted=found.deleted,
            purged=found.purged,
            metadata_deleted=found.metadata_deleted,
            cgroup_deleted=found.removed("cgroup"),
            purge_succeeded=found.succeeded,
            force=force,
            cascade=cascade,
            warnings=found.warnings,
        )

    def _stored(self, doc: model.RealmDoc | model.SpaceDoc | model.StackDoc) -> bool:
        return self.runner.context.store.find(model.ref_of(doc)) is not None


def _made(found: Converged[model.RealmDoc] | Converged[model.SpaceDoc] | Converged[model.StackDoc], piece: str) -> bool:
    return found.post[piece] and not found.pre[piece]
