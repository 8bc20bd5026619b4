"""Realms, spaces and stacks over the wire."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import model
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
            metadata_exists_post=True,
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
            metadata_exists_post=True,
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
            metadata_exists_post=True,
            cgroup_exists_pre=found.pre["cgroup"],
            cgroup_exists_post=found.post["cgroup"],
            cgroup_created=_made(found, "cgroup"),
            created=not found.existed,
        )

    async def get_realm(self, doc: model.RealmDoc) -> model.GetRealmResult:
        """The realm, or `metadata_exists` False."""
        ref = model.ref_of(doc)
        found = self.runner.realms.find(ref)
        there = await self.runner.realms.presence(ref, found or doc)
        return model.GetRealmResult(
            realm=found or doc,
            metadata_exists=found is not None,
            cgroup_exists=there["cgroup"],
            containerd_namespace_exists=there["namespace"],
        )

    async def get_space(self, doc: model.SpaceDoc) -> model.GetSpaceResult:
        """The space, or `metadata_exists` False."""
        ref = model.ref_of(doc)
        found = self.runner.spaces.find(ref)
        there = await self.runner.spaces.presence(ref, found or doc)
        return model.GetSpaceResult(
            space=found or doc,
            metadata_exists=found is not None,
            cgroup_exists=there["cgroup"],
            cni_network_exists=there["network"],
        )

    async def get_stack(self, doc: model.StackDoc) -> model.GetStackResult:
        """The stack, or `metadata_exists` False."""
        ref = model.ref_of(doc)
        found = self.runner.stacks.find(ref)
        there = await self.runner.stacks.presence(ref, found or doc)
        return model.GetStackResult(
            stack=found or doc, metadata_exists=found is not None, cgroup_exists=there["cgroup"]
        )

    async def delete_realm(self, doc: model.RealmDoc, force: bool, cascade: bool) -> model.DeleteRealmResult:
        """Delete the realm; with `cascade` or `force` with everything in it. Raises ResourceHasDependencies."""
        gone = await self.runner.realms.delete(self.changeable(model.ref_of(doc)), cascade=cascade or force)
        return model.DeleteRealmResult(
            realm=gone.doc,
            deleted=gone.removed,
            metadata_deleted=True,
            cgroup_deleted="cgroup" in gone.removed,
            containerd_namespace_deleted="namespace" in gone.removed,
        )

    async def delete_space(self, doc: model.SpaceDoc, force: bool, cascade: bool) -> model.DeleteSpaceResult:
        """See delete_realm."""
        ref = self.changeable(model.ref_of(doc))
        gone = await self.runner.spaces.delete(ref, cascade=cascade or force)
        return model.DeleteSpaceResult(
            space=gone.doc,
            space_name=ref.space,
            realm_name=ref.realm,
            metadata_deleted=True,
            cgroup_deleted="cgroup" in gone.removed,
            cni_network_deleted="network" in gone.removed,
            deleted=gone.removed,
        )

    async def delete_stack(self, doc: model.StackDoc, force: bool, cascade: bool) -> model.DeleteStackResult:
        """See delete_realm."""
        ref = self.changeable(model.ref_of(doc))
        gone = await self.runner.stacks.delete(ref, cascade=cascade or force)
        return model.DeleteStackResult(
            stack=gone.doc,
            stack_name=ref.stack,
            realm_name=ref.realm,
            space_name=ref.space,
            metadata_deleted=True,
            cgroup_deleted="cgroup" in gone.removed,
            deleted=gone.removed,
        )


def _made(found: Converged[model.RealmDoc] | Converged[model.SpaceDoc] | Converged[model.StackDoc], piece: str) -> bool:
    return found.post[piece] and not found.pre[piece]
