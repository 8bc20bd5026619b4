"""Images of a containerd namespace, as the runner and its clients see them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from kukeon_api import errors, model
from kukeon_runner import observed
from kukeon_runner.host.containerd import archive
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from kukeon_runner.host.containerd.client import Containerd, Namespaced
    from kukeon_runner.host.containerd.images import ImageRecord


MOST_KNOWN = 256
"""Images remembered: a kilobyte each."""


class LinuxImages:
    def __init__(self, containerd: Containerd) -> None:
        self._containerd = containerd
        self._known: dict[str, observed.Image] = {}

    async def find(self, namespace: str, ref: str) -> observed.Image:
        within = self._containerd.with_namespace(namespace)
        record = await within.images.find(ref)
        if record is None:
            raise errors.ImageNotFound(
                f"image {ref!r} not found in namespace {namespace!r}",
                hint="load it with `kuke image load FILE`, then apply again",
            )
        # What a digest stands for never changes, so it is read once.
        if record.target.digest not in self._known:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[record.target.digest] = await self._read(within, record)
        return replace(self._known[record.target.digest], name=ref)

    async def _read(self, within: Namespaced, record: ImageRecord) -> observed.Image:
        found = await within.resolve_record(record)
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
