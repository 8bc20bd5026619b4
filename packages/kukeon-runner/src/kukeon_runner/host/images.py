"""Images of a containerd namespace, as the runner and its clients see them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors, image_ref, model
from kukeon_runner import observed
from kukeon_runner.host import freed_memory
from kukeon_runner.host.containerd import archive, describe, prune
from kukeon_runner.host.registry.hosts import Directory
from kukeon_runner.locks import KeyedLock
from kukeon_runner.options import DEFAULT_REGISTRY_CONFIG_DIR
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
    from datetime import datetime

    from kukeon_runner.host.containerd.client import Containerd, Namespaced
    from kukeon_runner.host.containerd.images import ImageRecord
    from kukeon_runner.host.registry.authority import Credentials
    from kukeon_runner.host.transfer.progress import Progress


MOST_KNOWN = 256
"""Images remembered: a kilobyte each."""
KNOWN_CHARACTERS = 64 * 1024
"""One that says more is read each time: it may say megabytes."""


class LinuxImages:
    def __init__(self, containerd: Containerd, registry_config_dir: str = DEFAULT_REGISTRY_CONFIG_DIR) -> None:
        self._containerd = containerd
        self._registries = Directory(Path(registry_config_dir))
        self._fetching: KeyedLock[tuple[str, str]] = KeyedLock()
        self._known: dict[tuple[str, str, datetime | None], observed.Image] = {}

    async def find(self, namespace: str, ref: str) -> observed.Image:
        within = self._containerd.with_namespace(namespace)
        record = await within.images.get(ref)
        # What a digest stands for never changes; how much of it is here does, with each load and pull.
        key = (namespace, record.target.digest, record.updated_at)
        if (known := self._known.get(key)) is None:
            known = await self._read(within, record)
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            if sum(map(len, (*known.entrypoint, *known.cmd, *known.env))) <= KNOWN_CHARACTERS:
                self._known[key] = known
        return replace(known, name=ref)

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
        present = await describe.present(within)
        found = await together(*(describe.brief(within, record, present) for record in records))
        return sorted(found, key=lambda each: each.name)

    async def info(self, namespace: str, ref: str) -> model.ImageInfo:
        within = self._containerd.with_namespace(namespace)
        record = await within.images.get(ref)
        return await describe.full(within, record, await describe.present(within))

    async def delete(self, namespace: str, ref: str) -> None:
        await self._containerd.with_namespace(namespace).images.delete(ref, sync=True)

    async def load(self, namespace: str, chunks: AsyncIterator[bytes], platform: str = "") -> Sequence[str]:
        with freed_memory.given_back():
            return await archive.import_archive(self._containerd.with_namespace(namespace), chunks, platform)

    def save(
        self, namespace: str, refs: Sequence[str], platform: str, format_: str
    ) -> AsyncGenerator[tuple[bytes, int], None]:
        return archive.export(self._containerd.with_namespace(namespace), refs, platform, format_)

    async def pull(
        self, namespace: str, ref: image_ref.ImageRef, platform: str, credentials: Credentials, progress: Progress
    ) -> tuple[str, int, bool]:
        from kukeon_runner.host.registry.client import Registry
        from kukeon_runner.host.transfer import pull

        with freed_memory.given_back():
            async with Registry(self._registries.endpoints, credentials) as registry:
                within = self._containerd.with_namespace(namespace)
                done = await pull.pull(within, registry, ref, platform, progress, self._fetching)
        return done.digest, done.size_bytes, done.changed

    async def digest(self, ref: image_ref.ImageRef, credentials: Credentials) -> str:
        from kukeon_runner.host.registry.client import Registry

        async with Registry(self._registries.endpoints, credentials) as registry:
            return (await registry.resolve(ref)).digest

    async def push(
        self,
        namespace: str,
        name: str,
        ref: image_ref.ImageRef,
        platform: str,
        credentials: Credentials,
        progress: Progress,
    ) -> tuple[str, int, bool]:
        from kukeon_runner.host.registry.client import Registry
        from kukeon_runner.host.transfer import push

        with freed_memory.given_back():
            async with Registry(self._registries.endpoints, credentials) as registry:
                return await push.push(
                    self._containerd.with_namespace(namespace), registry, name, ref, platform, progress
                )

    async def tag(self, namespace: str, ref: str, name: str) -> str:
        async with self._containerd.with_namespace(namespace).lease("image tag") as leased:
            target = (await leased.images.get(ref)).target
            # Nothing of it may go between the look and the new name; and what is gone must get no name.
            await leased.leases.add(leased.lease_id, "content", target.digest)
            if not await leased.content.exists(target.digest):
                raise errors.Conflict(
                    f"cannot tag image {ref!r}: its content is missing", hint="load or pull the image again"
                )
            await leased.images.create_or_update(name, target)
            return target.digest

    async def prune(
        self, namespace: str, removable: Callable[[str], bool], *, dry_run: bool
    ) -> tuple[Sequence[model.PrunedImage], int]:
        within = self._containerd.with_namespace(namespace)
        done = await prune.prune(within, lambda record: removable(record.name), dry_run=dry_run)
        images = [
            model.PrunedImage(name=each.record.name, digest=each.record.target.digest, size=each.size_bytes)
            for each in done.images
        ]
        return images, done.reclaimed_bytes
