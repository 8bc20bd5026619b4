"""Registry: pull from and push to any registry, by way of its mirrors, with logins, retries and resumption."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from typing import TYPE_CHECKING, TypeVar

from kukeon_api import errors, image_ref
from kukeon_runner.host.registry import endpoints, pull, push, retries, values
from kukeon_runner.host.registry.endpoints import Capability
from kukeon_runner.host.registry.retries import Trouble

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
    from types import TracebackType

    from kukeon_api.docker_config import Login
    from kukeon_runner.host.registry.authority import Authority, Credentials
    from kukeon_runner.host.registry.endpoints import Endpoint, Hosts
    from kukeon_runner.host.registry.repository import Repository
    from kukeon_runner.host.registry.transport import Transport
    from kukeon_runner.host.registry.values import Described, Descriptor

_T = TypeVar("_T")
log = logging.getLogger(__name__)

_PROGRESS_BYTES = 1024 * 1024
"""An attempt that brought this much has not failed, even if its connection broke afterwards."""


def anonymous(_host: str) -> Login | None:
    """Log in nowhere."""
    return None


class Registry:
    """Every registry there is, as `hosts` says where they are and `credentials` who asks.

    An async context manager, for one operation such as a pull: it keeps connections and tokens, which end with it. All
    methods raise the errors of `kukeon_api.errors` that begin with Registry, and those that their docstrings name.
    """

    def __init__(
        self,
        hosts: Hosts = endpoints.unconfigured,
        credentials: Credentials = anonymous,
        patience: retries.Patience | None = None,
    ) -> None:
        self._hosts = hosts
        self._credentials = credentials
        self._patience = patience or retries.Patience()
        self._transport: Transport | None = None
        self._endpoints: dict[str, tuple[Endpoint, ...]] = {}
        self._authorities: dict[Endpoint, Authority] = {}
        self._answered: set[Endpoint] = set()
        self._away: set[Endpoint] = set()

    async def __aenter__(self) -> Registry:
        from kukeon_runner.host.registry import transport  # aiohttp: a daemon that never pulls does without its memory

        self._transport = transport.Transport(self._patience)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._transport is not None
        await self._transport.close()

    async def resolve(self, ref: image_ref.ImageRef) -> Descriptor:
        """Return what `ref` stands for; of tag and digest the digest counts.

        Raises ImageNotFound, ManifestNotSupported, NotARegistry, DigestMismatch.
        """
        name = ref.digest or ref.tag
        if ref.digest:
            _check_digest(ref, ref.digest)
        # Whose content is verified need not be trusted.
        capability = Capability.PULL if ref.digest else Capability.RESOLVE
        return await self._first(f"pull {str(ref)!r}", ref, capability, lambda at: pull.resolve(at, name))

    async def manifest(self, ref: image_ref.ImageRef, descriptor: Described) -> bytes:
        """Return the manifest or index that `descriptor` describes, of `ref`'s repository: verified, 4 MiB at most.

        Raises ImageNotFound, LengthMismatch, DigestMismatch.
        """
        _check_digest(ref, descriptor.digest)
        return await self._first(f"pull {str(ref)!r}", ref, Capability.PULL, lambda at: pull.manifest(at, descriptor))

    async def blob(
        self, ref: image_ref.ImageRef, descriptor: Described, offset: int = 0
    ) -> AsyncGenerator[bytes, None]:
        """Yield the content of a blob from `offset` on, in pieces of 1 MiB at most; the caller verifies the digest.

        Lost connections are taken up again where they broke. Exactly `descriptor.size - offset` bytes come, or an
        error: BlobNotFound, LengthMismatch, RegistryClosed, RegistryStalled. Who stops before the end closes the
        generator (`contextlib.aclosing`).
        """
        _check_digest(ref, descriptor.digest)
        at = offset
        troubles: list[tuple[Endpoint, Trouble]] = []
        what = f"pull {str(ref)!r}"
        for endpoint in await self._choose(what, ref, Capability.PULL):
            failures = 0
            repository = self._repository(endpoint, ref)
            while at < descriptor.size:
                began = at
                try:
                    with self._seeing(endpoint):
                        async with contextlib.aclosing(pull.blob(repository, descriptor, at)) as pieces:
                            async for piece in pieces:
                                at += len(piece)
                                yield piece
                except Trouble as trouble:
                    failures = 1 if at - began >= _PROGRESS_BYTES else failures + 1
                    wait = self._patience.wait_s(trouble, failures)
                    if wait is None:
                        self._note(endpoint, trouble, troubles)
                        break
                    log.info(
                        "Trying again for %s from byte %d of %d: %s", descriptor.digest, at, descriptor.size, trouble
                    )
                    await self._patience.sleep(wait)
            else:
                return
        raise _error(what, troubles)

    async def resolve_pushed(self, ref: image_ref.ImageRef) -> Descriptor:
        """Return what the tag of `ref` stands for where it is pushed to, whatever mirrors say. Raises as `resolve`."""
        return await self._push(ref, lambda at: pull.resolve(at, ref.tag))

    async def has_blob(self, ref: image_ref.ImageRef, descriptor: Described) -> bool:
        """Tell whether `ref`'s repository has a blob, where `ref` would be pushed to."""
        return await self._push(ref, lambda at: push.has_blob(at, descriptor))

    async def mount_blob(self, ref: image_ref.ImageRef, descriptor: Described, from_repository: str) -> bool:
        """Have the registry take a blob over from another of its repositories; False if it has to be uploaded."""
        return await self._push(ref, lambda at: push.mount_blob(at, descriptor, from_repository))

    async def upload_blob(self, ref: image_ref.ImageRef, descriptor: Described, pieces: push.Pieces) -> None:
        """Upload a blob to `ref`'s repository. `pieces` gives its content from the beginning, for each attempt anew.

        Raises HostError when `pieces` gives another number of bytes than the descriptor says, and what it raises.
        """
        tried = False

        async def upload(at: Repository) -> None:
            nonlocal tried
            # The answer to an attempt that succeeded may have been lost.
            if not (tried and await push.has_blob(at, descriptor)):
                tried = True
                await push.upload_blob(at, descriptor, pieces, self._patience.stall_s)

        await self._push(ref, upload)

    async def put_manifest(self, ref: image_ref.ImageRef, descriptor: Described, content: bytes) -> None:
        """Store a manifest under the tag of `ref`; under its digest alone when `ref` has no tag.

        What it refers to is there already. Raises RegistryRefused, DigestMismatch.
        """
        name = ref.tag or descriptor.digest
        await self._push(ref, lambda at: push.put_manifest(at, name, descriptor, content))

    async def _push(self, ref: image_ref.ImageRef, work: Callable[[Repository], Awaitable[_T]]) -> _T:
        # All parts of an image go to one place.
        return await self._first(f"push {str(ref)!r}", ref, Capability.PUSH, work, most=1)

    async def _first(
        self,
        what: str,
        ref: image_ref.ImageRef,
        capability: Capability,
        work: Callable[[Repository], Awaitable[_T]],
        most: int | None = None,
    ) -> _T:
        """Return what `work` gives at the first endpoint where it succeeds, of `most` if that is stated."""
        troubles: list[tuple[Endpoint, Trouble]] = []
        for endpoint in (await self._choose(what, ref, capability))[:most]:
            repository = self._repository(endpoint, ref)

            async def attempt(endpoint: Endpoint = endpoint, repository: Repository = repository) -> _T:
                with self._seeing(endpoint):
                    return await work(repository)

            try:
                return await self._patience.persist(attempt)
            except Trouble as trouble:
                self._note(endpoint, trouble, troubles)
        raise _error(what, troubles)

    async def _choose(self, what: str, ref: image_ref.ImageRef, capability: Capability) -> tuple[Endpoint, ...]:
        """Return the endpoints to try, in order; those that are away only if there is no other."""
        if ref.registry not in self._endpoints:
            try:
                self._endpoints[ref.registry] = await asyncio.to_thread(self._hosts, ref.registry)
            except ValueError as error:
                raise errors.InvalidImage(f"cannot {what}: {ref.registry!r} is no registry: {error}") from error
        able = tuple(each for each in self._endpoints[ref.registry] if capability in each.capabilities)
        if not able:
            raise errors.RegistryConfigInvalid(
                f"cannot {what}: no host that is configured for registry {ref.registry!r} may {capability.value}",
                hint=f"add {capability.value!r} to the capabilities of one in its hosts.toml",
            )
        if capability is Capability.PUSH:
            return able
        return tuple(each for each in able if each not in self._away) or able

    def _repository(self, endpoint: Endpoint, ref: image_ref.ImageRef) -> Repository:
        from kukeon_runner.host.registry import authority, repository

        assert self._transport is not None, "a Registry is used within `async with`"
        if endpoint not in self._authorities:
            self._authorities[endpoint] = authority.Authority(endpoint, self._transport, self._credentials)
        return repository.Repository(endpoint, ref.repository, self._transport, self._authorities[endpoint])

    @contextlib.contextmanager
    def _seeing(self, endpoint: Endpoint) -> Iterator[None]:
        """Learn from an attempt: one that has answered before and is away now is believed to come back."""
        try:
            yield
        except Trouble as trouble:
            if not issubclass(trouble.kind, errors.RegistryUnreachable):
                self._answered.add(endpoint)
            elif endpoint in self._answered:
                trouble.passing = True
            raise
        self._answered.add(endpoint)

    def _note(self, endpoint: Endpoint, trouble: Trouble, troubles: list[tuple[Endpoint, Trouble]]) -> None:
        troubles.append((endpoint, trouble))
        if endpoint.mirror_of:
            # That a mirror has not everything is nothing to tell.
            level = logging.INFO if issubclass(trouble.kind, errors.NotFound) else logging.WARNING
            log.log(level, "Mirror %s is passed over: %s", endpoint.origin, trouble)
        if trouble.passing or issubclass(trouble.kind, errors.RegistryUnreachable):
            self._away.add(endpoint)


def _check_digest(ref: image_ref.ImageRef, digest: str) -> None:
    """Raise InvalidImage for a digest that nothing can be compared with, or that is none."""
    if not values.is_digest(digest):
        raise errors.InvalidImage(f"cannot pull {str(ref)!r}: {digest[:100]!r} is no digest of a kind that is known")


def _error(what: str, troubles: list[tuple[Endpoint, Trouble]]) -> errors.KukeonError:
    """Return what the last endpoint, which is the registry itself, had to say; the hint tells what its mirrors had."""
    *mirrors, (_, last) = troubles
    hints = [last.hint] if last.hint else []
    hints += [f"before, {trouble.words}" for _, trouble in mirrors]
    error = last.kind(f"cannot {what}: {last.words}", hint="; ".join(hints))
    error.__cause__ = last
    return error
