"""A namespace's images in memory, and the registries that they come from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, image_ref, model
from kukeon_runner import observed, steps
from kukeon_runner.testing.containers import START

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence

    from kukeon_runner.host.registry.authority import Credentials
    from kukeon_runner.host.transfer.progress import Progress

Key = tuple[str, str]


@dataclass
class FakeImages:
    present: dict[Key, observed.Image] = field(default_factory=dict)
    records: dict[Key, steps.CreateContainer] = field(default_factory=dict)
    """Containers, which keep their images."""
    registry: dict[str, observed.Image] = field(default_factory=dict)
    """What registries have, by its name in full."""
    asked: list[str] = field(default_factory=list)
    """What registries were asked for."""
    logins: list[tuple[str, str]] = field(default_factory=list)
    """And by whom: registry and user."""

    async def find(self, namespace: str, ref: str) -> observed.Image:
        if (namespace, ref) not in self.present:
            raise errors.ImageNotFound(
                f"cannot find image {ref!r} in namespace {namespace!r}",
                hint="pull it with `kuke image pull REF`, or load it with `kuke image load FILE`",
            )
        return self.present[namespace, ref]

    async def list(self, namespace: str) -> Sequence[model.ImageInfo]:
        return [_info(image) for (within, _), image in sorted(self.present.items()) if within == namespace]

    async def info(self, namespace: str, ref: str) -> model.ImageInfo:
        return _info(await self.find(namespace, ref))

    async def delete(self, namespace: str, ref: str) -> None:
        await self.find(namespace, ref)
        del self.present[namespace, ref]

    async def save(
        self, namespace: str, refs: Sequence[str], platform: str, format_: str
    ) -> AsyncGenerator[tuple[bytes, int], None]:
        """The names, one a line: what `load` takes one of."""
        text = "\n".join([(await self.find(namespace, ref)).name for ref in refs]).encode()
        yield text, len(text)

    async def pull(
        self, namespace: str, ref: image_ref.ImageRef, platform: str, credentials: Credentials, progress: Progress
    ) -> tuple[str, int, bool]:
        progress.tell(model.TransferStage.RESOLVING)
        digest = await self.digest(ref, credentials)
        before = self.present.get((namespace, str(ref)))
        self.present[namespace, str(ref)] = self.registry[str(ref)]
        return digest, -1, before is None or before.digest != digest

    async def digest(self, ref: image_ref.ImageRef, credentials: Credentials) -> str:
        self.asked.append(str(ref))
        login = credentials(ref.registry)
        self.logins.append((ref.registry, login.username if login else ""))
        if str(ref) not in self.registry:
            raise errors.ImageNotFound(f"cannot pull {str(ref)!r}: registry {ref.registry!r} has no tag {ref.tag!r}")
        return self.registry[str(ref)].digest

    async def push(
        self,
        namespace: str,
        name: str,
        ref: image_ref.ImageRef,
        platform: str,
        credentials: Credentials,
        progress: Progress,
    ) -> tuple[str, int, bool]:
        image = await self.find(namespace, name)
        before = self.registry.get(str(ref))
        self.registry[str(ref)] = replace(image, name=str(ref))
        return image.digest, -1, before is None or before.digest != image.digest

    async def tag(self, namespace: str, ref: str, name: str) -> str:
        image = await self.find(namespace, ref)
        self.present[namespace, name] = replace(image, name=name)
        return image.digest

    async def prune(
        self, namespace: str, removable: Callable[[str], bool], *, dry_run: bool
    ) -> tuple[Sequence[model.PrunedImage], int]:
        """What is here occupies nothing."""
        named = {step.image for (within, _), step in self.records.items() if within == namespace}
        chosen = [
            image
            for (within, name), image in sorted(self.present.items())
            if within == namespace and name not in named and removable(name)
        ]
        if not dry_run:
            for image in chosen:
                del self.present[namespace, image.name]
        return [model.PrunedImage(name=image.name, digest=image.digest) for image in chosen], 0

    async def load(self, namespace: str, chunks: AsyncIterator[bytes], platform: str = "") -> Sequence[str]:
        """Take the bytes for the name of an image without layers."""
        name = b"".join([chunk async for chunk in chunks]).decode()
        self.add(namespace, name)
        return [name]

    def add(self, namespace: str, name: str, **config: Any) -> None:
        """Have an image, with the fields of `observed.Image` that matter to a test."""
        plain = observed.Image(name, "sha256:" + "0" * 64, "sha256:" + "1" * 64, cmd=("true",))
        self.present[namespace, name] = replace(plain, **config)


def _info(image: observed.Image) -> model.ImageInfo:
    return model.ImageInfo(name=image.name, size=-1, created_at=START, digest=image.digest)
