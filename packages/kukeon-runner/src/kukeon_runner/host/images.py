"""Images of a containerd namespace, as the runner and its clients see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors, model
from kukeon_runner import observed
from kukeon_runner.host.containerd import archive
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from kukeon_runner.host.containerd.client import Containerd, Namespaced
    from kukeon_runner.host.containerd.images import ImageRecord


class LinuxImages:
    def __init__(self, containerd: Containerd) -> None:
        self._containerd = containerd

    async def find(self, namespace: str, ref: str) -> observed.Image:
        with_hint = f"load it with `kuke image load FILE`, then apply again (looked in namespace {namespace!r})"
        try:
            found = await self._containerd.with_namespace(namespace).resolve(ref)
        except errors.ImageNotFound as error:
            raise errors.ImageNotFound(f"image {ref!r} not found", hint=error.hint or with_hint) from error
        config = found.config
        return observed.Image(
            name=found.name,
            digest=found.digest,
            chain_id=found.chain_id,
            entrypoint=config.entrypoint,
            cmd=config.cmd,
            env=config.env,
            working_dir=config.working_dir,
            user=config.user,
            stop_signal=config.stop_signal,
        )

    async def list(self, namespace: str) -> Sequence[model.ImageInfo]:
        within = self._containerd.with_namespace(namespace)
        records = await within.images.list()
        found = await together(*(_info(within, record) for record in records))
        return sorted(found, key=lambda each: each.name)

    async def info(self, namespace: str, ref: str) -> model.ImageInfo:
        within = self._containerd.with_namespace(namespace)
        return await _info(within, await within.images.get(ref))

    async def delete(self, namespace: str, ref: str) -> None:
        await self._containerd.with_namespace(namespace).images.delete(ref, sync=True)

    async def load(self, namespace: str, chunks: AsyncIterator[bytes]) -> Sequence[str]:
        return await archive.import_archive(self._containerd.with_namespace(namespace), chunks)


async def _info(within: Namespaced, record: ImageRecord) -> model.ImageInfo:
    return model.ImageInfo(
        name=record.name,
        size=await within.size(record),
        created_at=record.created_at,
        digest=record.target.digest,
        media_type=record.target.media_type,
        labels=dict(record.labels),
    )
