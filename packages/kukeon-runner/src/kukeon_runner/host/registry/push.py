"""Writing to one repository at one endpoint: blobs, blobs of its neighbours, manifests."""

from __future__ import annotations

import asyncio
import contextlib
import urllib.parse
from typing import TYPE_CHECKING, TypeAlias

from kukeon_api import errors
from kukeon_runner.host.registry.retries import Trouble

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from kukeon_runner.host.registry.repository import Repository
    from kukeon_runner.host.registry.transport import Answer
    from kukeon_runner.host.registry.values import Described

Pieces: TypeAlias = "Callable[[], AsyncIterator[bytes]]"
"""Makes an iterator over a blob's content from its beginning; called for each attempt."""

_ACTIONS = "pull,push"
_REFUSALS = frozenset({400, 401, 403, 404, 405})
"""What registries say that do not take blobs over, or have or show none; what is wrong besides, the upload tells."""
_COMMIT_S = 300.0
"""Some registries copy a blob to its final place before they answer."""


async def has_blob(repository: Repository, descriptor: Described) -> bool:
    """Tell whether the repository has a blob, and shows it. Raises Trouble."""
    url = repository.url(f"blobs/{descriptor.digest}")
    answer = await repository.send("HEAD", url, scopes=repository.scopes(_ACTIONS))
    # An answer to HEAD has no words: why something is refused is told when it is uploaded.
    with contextlib.closing(await repository.check(answer, 200, *_REFUSALS)):
        return answer.status == 200 and answer.length in (None, descriptor.size)


async def mount_blob(repository: Repository, descriptor: Described, neighbour: str) -> bool:
    """Have the registry take a blob over from the repository `neighbour`; False if it would not. Raises Trouble."""
    url = repository.url("blobs/uploads/", mount=descriptor.digest, **{"from": neighbour})
    scopes = repository.scopes(_ACTIONS, neighbour)
    try:
        answer = await repository.send("POST", url, body=b"", scopes=scopes)
    except Trouble as trouble:
        # Whoever gives tokens may give none for a neighbour.
        if trouble.kind in (errors.RegistryDenied, errors.RegistryUnauthorized):
            return False
        raise
    if answer.status in _REFUSALS:
        answer.close()
        return False
    with contextlib.closing(await repository.check(answer, 201, 202)):
        if answer.status == 201:
            return True
        location = answer.headers.get("Location", "")
    if location:
        # It has begun an ordinary upload instead, which nobody is going to finish.
        with contextlib.suppress(Trouble):
            (await repository.send("DELETE", repository.resolve(url, location), scopes=scopes)).close()
    return False


async def upload_blob(repository: Repository, descriptor: Described, pieces: Pieces, stall_s: float) -> None:
    """Upload a blob, in one attempt. Raises Trouble, and whatever `pieces` raises."""
    scopes = repository.scopes(_ACTIONS)
    begin = repository.url("blobs/uploads/")
    answer = await repository.send("POST", begin, body=b"", scopes=scopes)
    with contextlib.closing(await repository.check(answer, 202)):
        location = answer.headers.get("Location", "")
    if not location:
        host = repository.endpoint.origin.netloc
        raise Trouble(errors.NotARegistry, f"registry {host!r} does not say where to upload to")
    url = repository.resolve(begin, location)
    joint = "&" if urllib.parse.urlsplit(url).query else "?"
    source = _Source(descriptor, pieces)
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(descriptor.size)}
    try:
        async with asyncio.timeout(stall_s) as source.timeout:
            source.stall_s = stall_s
            answer = await repository.send(
                "PUT",
                f"{url}{joint}digest={urllib.parse.quote(descriptor.digest, safe='')}",
                headers=headers,
                body=source.read,
                scopes=scopes,
                answer_s=_COMMIT_S,
            )
    except TimeoutError as error:
        host = repository.endpoint.origin.netloc
        lack = "took everything and gives no answer" if source.taken else f"took nothing for {stall_s:g} s"
        words = f"registry {host!r} {lack}"
        raise Trouble(errors.RegistryStalled, words, passing=True) from error
    except Trouble as trouble:
        # What our own side did wrong reaches us as a connection that broke.
        raise source.error or trouble from trouble
    with contextlib.closing(await repository.check(answer, 201, 204)):
        _check_digest(repository, answer, descriptor)


async def put_manifest(repository: Repository, name: str, descriptor: Described, content: bytes) -> None:
    """Store a manifest under `name`, a tag or its digest. Raises Trouble."""
    answer = await repository.send(
        "PUT",
        repository.url(f"manifests/{name}"),
        headers={"Content-Type": descriptor.media_type},
        body=content,
        scopes=repository.scopes(_ACTIONS),
    )
    if answer.status == 400:
        with contextlib.closing(answer):
            told = await repository.trouble(answer)
        hint = "it may not take this kind of image, or lack a part of it that it had a moment ago"
        raise Trouble(told.kind, told.words, hint=hint)
    with contextlib.closing(await repository.check(answer, 201, 202)):
        _check_digest(repository, answer, descriptor)


def _check_digest(repository: Repository, answer: Answer, descriptor: Described) -> None:
    digest = answer.headers.get("Docker-Content-Digest", descriptor.digest)
    if digest != descriptor.digest:
        host = repository.endpoint.origin.netloc
        words = f"registry {host!r} has stored {digest[:200]!r} for {descriptor.digest}"
        raise Trouble(errors.DigestMismatch, words)


class _Source:
    """Reads a blob for the connection, and knows what went wrong on our side."""

    def __init__(self, descriptor: Described, pieces: Pieces) -> None:
        self._descriptor = descriptor
        self._pieces = pieces
        self.error: Exception | None = None
        self.timeout: asyncio.Timeout | None = None
        self.stall_s = 0.0
        self.taken = False
        """Whether all was handed on."""

    async def read(self) -> AsyncIterator[bytes]:
        left = self._descriptor.size
        try:
            async for piece in self._pieces():
                left -= len(piece)
                if left < 0:
                    break
                self._wait(self.stall_s)
                yield piece
            if left:
                raise errors.HostError(
                    f"cannot read {self._descriptor.digest}: it is to have {self._descriptor.size} bytes and has "
                    f"{'more' if left < 0 else self._descriptor.size - left}"
                )
        except Exception as error:
            self.error = error
            raise
        # From here on it is the answer that is waited for: not silence ends that, but time.
        self.taken = True
        self._wait(_COMMIT_S)

    def _wait(self, seconds: float) -> None:
        if self.timeout is not None and not self.timeout.expired():
            self.timeout.reschedule(asyncio.get_running_loop().time() + seconds)
