"""Writes images as an archive: an OCI layout and, for docker, its list of images in the same files."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import tarfile
from typing import TYPE_CHECKING, Any

from kukeon_api import errors, image_ref
from kukeon_runner.host.containerd import documents, inventory, platforms, resolve
from kukeon_runner.host.containerd.archive import names
from kukeon_runner.host.containerd.inventory import Inventory
from kukeon_runner.host.containerd.leases import TRANSFER_EXPIRY_S

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping, Sequence

    from kukeon_runner.host.containerd.client import Namespaced
    from kukeon_runner.host.containerd.images import ImageRecord
    from kukeon_runner.host.containerd.values import Descriptor

DOCKER = "docker"
FORMATS = ("oci", DOCKER)

LAYOUT = json.dumps({"imageLayoutVersion": "1.0.0"}).encode()
INDEX_TYPE = "application/vnd.oci.image.index.v1+json"
_CHOOSE = "choose one that it has with --platform"


@dataclasses.dataclass(frozen=True)
class _Chosen:
    name: str
    target: Descriptor
    image: Inventory


@dataclasses.dataclass(frozen=True)
class _Listing:
    documents: Mapping[str, bytes]
    """Path in the archive -> what is written there."""
    blobs: Mapping[str, Descriptor]

    @property
    def size_bytes(self) -> int:
        """Return how long the archive becomes."""
        sizes = [*map(len, self.documents.values()), *(blob.size for blob in self.blobs.values())]
        return sum(tarfile.BLOCKSIZE + size + -size % tarfile.BLOCKSIZE for size in sizes) + 2 * tarfile.BLOCKSIZE


async def export(
    within: Namespaced, refs: Sequence[str], platform: str, format_: str
) -> AsyncGenerator[tuple[bytes, int], None]:
    """Yield an archive of the images `refs` in pieces, each with how long the whole becomes; memory stays flat.

    Without a `platform` a name points at what it points at here, index or manifest, and everything of it that is here
    goes along; "all" wants every platform to be here.  With one, its name points at that platform's manifest.

    Raises ImageNotFound for an unknown name, Conflict when part of the image is missing, InvalidArchive when it is not
    for the platform.
    """
    async with within.lease("image save", expires_s=TRANSFER_EXPIRY_S) as leased:
        chosen = []
        blobs = {blob.digest: blob.size for blob in await leased.content.list()}
        for ref in refs:
            record = await leased.images.get(ref)
            await leased.leases.add(leased.lease_id, "content", record.target.digest)
            chosen.append(await _choose(leased, record, platform, blobs))
        listing = await _list(leased, chosen, platform, format_)
        total = listing.size_bytes
        for path, data in listing.documents.items():
            yield _header(path, len(data)) + data + bytes(-len(data) % tarfile.BLOCKSIZE), total
        for path, blob in listing.blobs.items():
            yield _header(path, blob.size), total
            async with contextlib.aclosing(leased.content.stream(blob.digest, blob.size)) as pieces:
                async for piece in pieces:
                    yield piece, total
            yield bytes(-blob.size % tarfile.BLOCKSIZE), total
        yield bytes(2 * tarfile.BLOCKSIZE), total


async def _choose(leased: Namespaced, record: ImageRecord, platform: str, blobs: Mapping[str, int]) -> _Chosen:
    async def read(descriptor: Descriptor) -> bytes:
        return await leased.content.read(descriptor.digest)

    wanted = platforms.wanted(platform, leased.platform)
    try:
        if platform and wanted is not None:
            with resolve.naming(f"cannot save image {record.name!r}", _CHOOSE):
                found = await resolve.resolve(record.target, wanted, read)
            image = dataclasses.replace(Inventory.of(found.descriptor, found), indexes=())
        else:
            image = await inventory.take(record.target, read, blobs)
    except errors.NotFound as error:
        raise _incomplete(record.name, str(error), platform) from error
    parts = {part.digest for variant in image.variants for part in (variant.descriptor, *variant.parts)}
    missing = sorted(parts - blobs.keys())
    # An index names more platforms than anybody loads; one that is there is to be there as a whole.
    partly = [each for each in image.variants if each.parts and not each.complete]
    if missing and (partly or wanted is None or not any(each.complete for each in image.variants)):
        raise _incomplete(record.name, f"{missing[0]} is not there", platform)
    if not platform:
        image = dataclasses.replace(image, variants=tuple(each for each in image.variants if each.complete))
    return _Chosen(record.name, image.target, image)


async def _list(leased: Namespaced, chosen: Sequence[_Chosen], platform: str, format_: str) -> _Listing:
    blobs = {_path(blob.digest): blob for each in chosen for blob in each.image.blobs()}
    index = {
        "schemaVersion": 2,
        "mediaType": INDEX_TYPE,
        "manifests": [_entry(each) for each in chosen],
    }
    files = {"oci-layout": LAYOUT, "index.json": json.dumps(index).encode()}
    if format_ == DOCKER:
        listed = await _docker(leased, chosen, platform)
        files["manifest.json"] = json.dumps(listed).encode()
    return _Listing(files, blobs)


def _entry(chosen: _Chosen) -> dict[str, Any]:
    ref = image_ref.parse(chosen.name)
    annotations = {names.CONTAINERD_NAME: chosen.name} | ({names.OCI_NAME: ref.tag} if ref.tag else {})
    target = chosen.target
    return {
        "mediaType": target.media_type,
        "digest": target.digest,
        "size": target.size,
        "annotations": annotations,
    }


async def _docker(leased: Namespaced, chosen: Sequence[_Chosen], platform: str) -> list[dict[str, Any]]:
    """Return what `docker load` reads; it knows one platform an image."""

    async def read(descriptor: Descriptor) -> bytes:
        return await leased.content.read(descriptor.digest)

    wanted = platforms.wanted(platform, leased.platform) or leased.platform
    listed: dict[str, dict[str, Any]] = {}
    for each in chosen:
        with resolve.naming(f"cannot save image {each.name!r}", _CHOOSE):
            found = await resolve.resolve(each.target, wanted, read)
        entry = {
            "Config": _path(found.manifest.config.digest),
            "RepoTags": [],
            "Layers": [_path(layer.digest) for layer in found.manifest.layers],
        }
        tags = listed.setdefault(found.descriptor.digest, entry)["RepoTags"]
        ref = image_ref.parse(each.name)
        if ref.tag and not ref.digest and not image_ref.is_nameless(each.name):
            tags.append(each.name)
    return list(listed.values())


def _path(digest: str) -> str:
    return f"blobs/{documents.check_digest(digest, 'the image').replace(':', '/')}"


def _header(path: str, size: int) -> bytes:
    # Nothing but names and content: the same images always give the same archive.
    member = tarfile.TarInfo(path)
    member.size = size
    return member.tobuf(tarfile.PAX_FORMAT)


def _incomplete(name: str, why: str, platform: str) -> errors.Conflict:
    option = f" with --platform {platform}" if platform else ""
    return errors.Conflict(
        f"cannot save image {name!r}: part of its content is missing: {why}",
        hint=f"load or pull the image again{option}",
    )
