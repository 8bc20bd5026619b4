"""The images of a host on which nothing is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner import observed

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from kukeon_api import image_ref, model
    from kukeon_runner.host import protocol
    from kukeon_runner.host.registry.authority import Credentials
    from kukeon_runner.host.transfer.progress import Progress


class DryImages:
    def __init__(self, real: protocol.Images) -> None:
        self._real = real
        self._pulled: dict[tuple[str, str], observed.Image] = {}

    async def find(self, namespace: str, ref: str) -> observed.Image:
        return self._pulled.get((namespace, ref)) or await self._real.find(namespace, ref)

    async def list(self, namespace: str) -> Sequence[model.ImageInfo]:
        return await self._real.list(namespace)

    async def info(self, namespace: str, ref: str) -> model.ImageInfo:
        return await self._real.info(namespace, ref)

    async def delete(self, namespace: str, ref: str) -> None:
        raise unforeseen()

    async def load(self, namespace: str, chunks: AsyncIterator[bytes], platform: str = "") -> Sequence[str]:
        raise unforeseen()

    def save(
        self, namespace: str, refs: Sequence[str], platform: str, format_: str
    ) -> AsyncGenerator[tuple[bytes, int], None]:
        return self._real.save(namespace, refs, platform, format_)

    async def pull(
        self, namespace: str, ref: image_ref.ImageRef, platform: str, credentials: Credentials, progress: Progress
    ) -> tuple[str, int, bool]:
        """Ask the registry whether it has the image, and have it here from then on, as far as this can be foreseen."""
        digest = await self._real.digest(ref, credentials)
        # What it runs is not known before it is here; a dry run does not refuse what may well be right.
        self._pulled[namespace, str(ref)] = observed.Image(str(ref), digest, "", cmd=("unknown",))
        return digest, -1, True

    async def digest(self, ref: image_ref.ImageRef, credentials: Credentials) -> str:
        return await self._real.digest(ref, credentials)

    async def push(
        self,
        namespace: str,
        name: str,
        ref: image_ref.ImageRef,
        platform: str,
        credentials: Credentials,
        progress: Progress,
    ) -> tuple[str, int, bool]:
        raise unforeseen()

    async def tag(self, namespace: str, ref: str, name: str) -> str:
        raise unforeseen()

    async def prune(
        self, namespace: str, removable: Callable[[str], bool], *, dry_run: bool
    ) -> tuple[Sequence[model.PrunedImage], int]:
        return await self._real.prune(namespace, removable, dry_run=True)


def unforeseen() -> errors.Unsupported:
    return errors.Unsupported("cannot tell beforehand what becomes of an image")
