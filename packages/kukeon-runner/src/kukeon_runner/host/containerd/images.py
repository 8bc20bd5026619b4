"""Image records: names that point at manifests or indexes in the content store."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from google.protobuf.empty_pb2 import Empty

from kukeon_api import errors
from kukeon_runner.host.containerd import values
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb
from kukeon_runner.host.containerd.connection import Rpc, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_SERVICE = "/containerd.services.images.v1.Images/"
GET = Rpc(_SERVICE + "Get", pb.GetImageRequest, pb.ImageBox, not_found=errors.ImageNotFound)
LIST = Rpc(_SERVICE + "List", pb.ListImagesRequest, pb.ListImagesResponse)
CREATE = Rpc(_SERVICE + "Create", pb.ImageBox, pb.ImageBox)
UPDATE = Rpc(_SERVICE + "Update", pb.UpdateImageRequest, pb.ImageBox, not_found=errors.ImageNotFound)
DELETE = Rpc(_SERVICE + "Delete", pb.DeleteImageRequest, Empty, not_found=errors.ImageNotFound)

SYNC_TIMEOUT_S = 300.0
RACES_LIMIT = 10


@dataclasses.dataclass(frozen=True)
class ImageRecord:
    """An image's name and what it points at."""

    name: str
    target: values.Descriptor
    created_at: datetime | None = None
    updated_at: datetime | None = None
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict, hash=False)

    @classmethod
    def of(cls, message: pb.Image) -> ImageRecord:
        """Return the value of a message."""
        return cls(
            message.name,
            values.Descriptor.of(message.target),
            values.time_of(message.created_at),
            values.time_of(message.updated_at),
            dict(message.labels),
        )


@dataclasses.dataclass(frozen=True)
class Images:
    """The image records of one namespace.  Names are taken literally; normalising them is the caller's."""

    scope: Scope

    async def get(self, name: str) -> ImageRecord:
        """Return the record, or raise ImageNotFound."""
        try:
            answer = await self.scope.unary(GET, pb.GetImageRequest(name=name), f"get image {name!r}")
        except errors.ImageNotFound as error:
            raise self._absent(name) from error
        return ImageRecord.of(answer.image)

    async def find(self, name: str) -> ImageRecord | None:
        """Return the record, or None."""
        try:
            return await self.get(name)
        except errors.NotFound:
            return None

    async def list(self) -> tuple[ImageRecord, ...]:
        """Return every record, sorted by name."""
        answer = await self.scope.unary(LIST, pb.ListImagesRequest(), "list images")
        return tuple(sorted((ImageRecord.of(image) for image in answer.images), key=lambda record: record.name))

    async def create_or_update(
        self, name: str, target: values.Descriptor, labels: Mapping[str, str] | None = None
    ) -> ImageRecord:
        """Make `name` point at `target`, whatever it pointed at before."""
        image = pb.Image(name=name, target=target.message(), labels=dict(labels or {}))
        for _ in range(RACES_LIMIT):
            try:
                answer = await self.scope.unary(CREATE, pb.ImageBox(image=image), f"create image {name!r}")
                return ImageRecord.of(answer.image)
            except errors.AlreadyExists:
                pass
            try:
                request = pb.UpdateImageRequest(image=image)
                return ImageRecord.of((await self.scope.unary(UPDATE, request, f"update image {name!r}")).image)
            except errors.NotFound:
                # Deleted between the two calls: create it after all.
                continue
        raise errors.Aborted(f"cannot store image {name!r}: somebody else keeps creating and deleting it")

    async def delete(self, name: str, *, sync: bool = False) -> None:
        """Delete a record, or raise ImageNotFound.  With `sync`, its disk space is free when this returns."""
        request = pb.DeleteImageRequest(name=name, sync=sync)
        timeout_s = SYNC_TIMEOUT_S if sync else 60.0
        try:
            await self.scope.unary(DELETE, request, f"delete image {name!r}", timeout_s=timeout_s)
        except errors.ImageNotFound as error:
            raise self._absent(name) from error

    def _absent(self, name: str) -> errors.ImageNotFound:
        return errors.ImageNotFound(
            f"cannot find image {name!r} in namespace {self.scope.namespace!r}",
            hint="pull it with `kuke image pull REF`, or load it with `kuke image load FILE`",
        )
