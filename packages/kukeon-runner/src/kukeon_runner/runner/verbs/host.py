"""The host and its images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors, image_ref, model
from kukeon_runner import groundwork
from kukeon_runner.runner.verbs.nouns import Nouns

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class HostVerbs(Nouns):
    async def bootstrap_cni(self) -> groundwork.BootstrapReport:
        return await groundwork.directories(self.context.layout)

    async def ensure_kukeon_root_cgroup(self) -> tuple[bool, bool]:
        made = await self.context.host.kernel.make_cgroup(self.context.layout.cgroup_root)
        return not made, made

    async def list_containerd_namespaces(self) -> tuple[str, ...]:
        try:
            return tuple(sorted(await self.context.host.containers.namespaces()))
        except errors.Unavailable:
            return ()

    async def exists_realm_containerd_namespace(self, namespace: str) -> bool:
        return await self.context.host.containers.namespace_exists(namespace)

    async def exists_cgroup(self, doc: model.RealmDoc | model.SpaceDoc | model.StackDoc | model.CellDoc) -> bool:
        return await self.context.host.kernel.cgroup_exists(self.context.layout.cgroup(model.ref_of(doc)))

    async def exists_container(self, namespace: str, containerd_id: str) -> bool:
        found = await self.context.host.containers.find(namespace, containerd_id)
        return found is not None and found.recorded

    async def load_image(self, namespace: str, chunks: AsyncIterator[bytes]) -> tuple[str, ...]:
        return tuple(await self.context.host.images.load(namespace, chunks))

    async def list_images(self, namespace: str) -> tuple[model.ImageInfo, ...]:
        return tuple(await self.context.host.images.list(namespace))

    async def get_image(self, namespace: str, ref: str) -> model.ImageInfo:
        return await self.context.host.images.info(namespace, image_ref.normalise(ref))

    async def delete_image(self, namespace: str, ref: str) -> None:
        await self.context.host.images.delete(namespace, image_ref.normalise(ref))

    async def close(self) -> None:
        await self.context.host.containers.close()
