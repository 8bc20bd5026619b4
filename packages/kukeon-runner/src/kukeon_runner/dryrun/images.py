"""The images of a host on which nothing is done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from kukeon_api import model
    from kukeon_runner import observed
    from kukeon_runner.host import protocol


class DryImages:
    def __init__(self, real: protocol.Images) -> None:
        self._real = real

    async def find(self, namespace: str, ref: str) -> observed.Image:
        return await self._real.find(namespace, ref)

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

    async def tag(self, namespace: str, ref: str, name: str) -> str:
        raise unforeseen()

    async def prune(
        self, namespace: str, removable: Callable[[str], bool], *, dry_run: bool
    ) -> tuple[Sequence[model.PrunedImage], int]:
        return await self._real.prune(namespace, removable, dry_run=True)


def unforeseen() -> errors.Unsupported:
    return errors.Unsupported("cannot tell beforehand what becomes of an image")
