"""Reading from one repository at one endpoint: what a name stands for, manifests, blobs."""

from __future__ import annotations

import contextlib
import re
from typing import TYPE_CHECKING

import msgspec

from kukeon_api import errors
from kukeon_runner.host.registry import values
from kukeon_runner.host.registry.retries import Trouble

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from kukeon_runner.host.registry.repository import Repository
    from kukeon_runner.host.registry.transport import Answer
    from kukeon_runner.host.registry.values import Described, Descriptor

_ACCEPT = {"Accept": ", ".join((*values.MANIFEST_TYPES, "*/*;q=0.1"))}
_SILENT_TYPES = frozenset({"", "text/plain", "application/json", "application/octet-stream"})
"""What servers of plain files say."""
_FIRST_SCHEMA = "application/vnd.docker.distribution.manifest.v1+"
_USUAL = "sha256:"
_CONTENT_RANGE = re.compile(r"bytes (\d{1,19})-\d{1,19}/(\d{1,19}|\*)", re.ASCII)


class _Typed(msgspec.Struct, frozen=True, rename="camel"):
    media_type: str = ""


async def resolve(repository: Repository, name: str) -> Descriptor:
    """Return what `name`, a tag or a digest, stands for. Raises Trouble."""
    url = repository.url(f"manifests/{name}")
    try:
        with contextlib.closing(await repository.send("HEAD", url, headers=_ACCEPT)) as answer:
            # One that does not tell all may tell by GET, with the reason if it refuses.
            if answer.status == 200 and (found := _described(answer, name)) is not None:
                return found
    except Trouble as trouble:
        # Some send a content after an answer to HEAD, which is no HTTP.
        if trouble.kind is not errors.NotARegistry:
            raise
    content, media_type, digest = await _get_manifest(repository, name)
    return values.Descriptor(media_type, digest, len(content))


async def manifest(repository: Repository, descriptor: Described) -> bytes:
    """Return the manifest that `descriptor` describes, verified. Raises Trouble."""
    content, _, digest = await _get_manifest(repository, descriptor.digest, descriptor.size)
    assert digest == descriptor.digest
    return content


async def blob(repository: Repository, descriptor: Described, offset: int) -> AsyncGenerator[bytes, None]:
    """Yield the blob's content from `offset` on, in one attempt: all of it, and never more. Raises Trouble."""
    headers = {"Range": f"bytes={offset}-"} if offset else {}
    url = repository.url(f"blobs/{descriptor.digest}")
    answer = await repository.send("GET", url, headers=headers)
    with contextlib.closing(answer):
        skip, left = await _checked_start(repository, answer, descriptor, offset), descriptor.size - offset
        async for piece in answer.pieces():
            if skip:
                skip, piece = max(0, skip - len(piece)), piece[skip:]
            if len(piece) > left:
                raise _wrong_length(repository, descriptor, "sends more")
            left -= len(piece)
            if piece:
                yield piece
        if left:
            raise _wrong_length(repository, descriptor, f"ends {left} bytes before")


async def _checked_start(repository: Repository, answer: Answer, descriptor: Described, offset: int) -> int:
    """Return how many bytes come before `offset` in an answer to a request for all from there on."""
    if answer.status == 416:
        raise _wrong_length(repository, descriptor, f"says that nothing is at {offset}")
    if answer.status == 404:
        host = repository.endpoint.origin.netloc
        raise Trouble(errors.BlobNotFound, f"registry {host!r} has the image, but not its part {descriptor.digest}")
    await repository.check(answer, 200, 206)
    begin = 0
    if answer.status == 206:
        found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if found is None or int(found[1]) != offset:
            raise _wrong_length(repository, descriptor, "sends another part than was asked for")
        if found[2] not in ("*", str(descriptor.size)):
            raise _wrong_length(repository, descriptor, f"says {found[2]} bytes")
        begin = offset
    if answer.length is not None and answer.length != descriptor.size - begin:
        raise _wrong_length(repository, descriptor, f"says {begin + answer.length} bytes")
    return offset - begin


def _wrong_length(repository: Repository, descriptor: Described, what: str) -> Trouble:
    host = repository.endpoint.origin.netloc
    return Trouble(
        errors.LengthMismatch,
        f"registry {host!r} {what}, and {descriptor.digest} is to have {descriptor.size}",
        hint="the image is damaged at the registry, or something on the way changes what it sends",
    )


def _described(answer: Answer, name: str) -> Descriptor | None:
    """Return what the headers of a manifest say; None when they do not say all. Raises Trouble."""
    digest = answer.headers.get("Docker-Content-Digest", "")
    media_type = values.media_type(answer.headers.get("Content-Type", ""))
    if values.is_digest(name) and digest and digest != name:
        raise _wrong_digest(answer.origin.netloc, name, digest)
    digest = digest or name
    if digest != name and not digest.startswith(_USUAL):
        # Nobody asked for another algorithm: the content tells the digest by which everybody stores it.
        return None
    if not values.is_digest(digest) or media_type not in values.MANIFEST_TYPES or not answer.length:
        return None
    if answer.length > values.MANIFEST_LIMIT_BYTES:
        raise _too_large(answer.origin.netloc)
    return values.Descriptor(media_type, digest, answer.length)


async def _get_manifest(repository: Repository, name: str, size: int | None = None) -> tuple[bytes, str, str]:
    """Return a manifest, its type and its digest, which is verified where `name` is one."""
    host = repository.endpoint.origin.netloc
    answer = await repository.send("GET", repository.url(f"manifests/{name}"), headers=_ACCEPT)
    if answer.status == 404:
        with contextlib.closing(answer):
            raise await _not_found(repository, answer, name)
    with contextlib.closing(await repository.check(answer, 200)):
        content = await answer.read(values.MANIFEST_LIMIT_BYTES + 1)
    if len(content) > values.MANIFEST_LIMIT_BYTES:
        raise _too_large(host)
    media_type = _type_of(content, answer.headers.get("Content-Type", ""), host)
    if size is not None and len(content) != size:
        raise Trouble(
            errors.LengthMismatch, f"registry {host!r} sends {len(content)} bytes as {name}, which is to have {size}"
        )
    digest = values.digest_of(content, name if values.is_digest(name) else _USUAL)
    if values.is_digest(name) and digest != name:
        raise _wrong_digest(host, name, digest)
    return content, media_type, digest


async def _not_found(repository: Repository, answer: Answer, name: str) -> Trouble:
    host = repository.endpoint.origin.netloc
    if not answer.headers.get("Docker-Distribution-Api-Version") and not await repository.is_registry():
        return Trouble(errors.NotARegistry, f"{host!r} is no registry: it has nothing at /v2/")
    what = f"no manifest {name}" if values.is_digest(name) else f"no tag {name!r}"
    return Trouble(
        errors.ImageNotFound, f"registry {host!r} has {what} of {repository.name!r}, or does not show it to you"
    )


def _type_of(content: bytes, header: str, host: str) -> str:
    """Return a manifest's type: as the header says or, where it says nothing of use, the document itself."""
    found = values.media_type(header)
    if found in _SILENT_TYPES:
        with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            found = msgspec.json.decode(content, type=_Typed).media_type or found
    if found in values.MANIFEST_TYPES:
        return found
    if found == "text/html":
        raise Trouble(errors.NotARegistry, f"{host!r} is no registry: it answers with a page")
    hint = "push the image again with a current tool" if found.startswith(_FIRST_SCHEMA) else ""
    what = f"as {found[:100]!r}, which is no image" if found else "as something of no known type"
    raise Trouble(errors.ManifestNotSupported, f"registry {host!r} has it {what}", hint=hint)


def _wrong_digest(host: str, wanted: str, found: str) -> Trouble:
    return Trouble(
        errors.DigestMismatch,
        f"registry {host!r} sends {found if values.is_digest(found) else 'something else'} for {wanted}",
        hint="the image is damaged at the registry, or something on the way changes what it sends",
    )


def _too_large(host: str) -> Trouble:
    limit = values.MANIFEST_LIMIT_BYTES // (1024 * 1024)
    return Trouble(errors.ManifestNotSupported, f"registry {host!r} has a manifest of more than {limit} MiB")
