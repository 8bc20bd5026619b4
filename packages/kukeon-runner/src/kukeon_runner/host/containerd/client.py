"""The door to containerd: one connection, and everything there is in one namespace of it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import logging
import os
import stat
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host.containerd import documents, drain, events, introspection, platforms, resolve
from kukeon_runner.host.containerd.connection import Connection, Scope
from kukeon_runner.host.containerd.containers import Containers
from kukeon_runner.host.containerd.content import Content
from kukeon_runner.host.containerd.diff import Diff
from kukeon_runner.host.containerd.images import ImageRecord, Images
from kukeon_runner.host.containerd.leases import DEFAULT_EXPIRY_S, Leases
from kukeon_runner.host.containerd.namespaces import NamespaceRecord, Namespaces
from kukeon_runner.host.containerd.snapshots import Snapshots
from kukeon_runner.host.containerd.tasks import Tasks
from kukeon_runner.host.containerd.unpack import unpack

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
    from pathlib import Path

    from kukeon_runner.host.containerd.values import Descriptor


log = logging.getLogger(__name__)

DELETE_TRIES = 5

AWAY_S = 30.0
"""How often it is told that containerd is still away."""
AWAY_PAUSE_S = 0.1


@dataclasses.dataclass(frozen=True)
class ResolvedImage:
    """An image as this host would run it.

    `digest` is what the name points at, `chain_id` the snapshot to build a root filesystem on ("" without layers).
    `size` is the bytes of everything it is made of.
    """

    name: str
    digest: str
    media_type: str
    manifest_digest: str
    config: documents.ImageConfig
    config_digest: str
    layers: tuple[Descriptor, ...]
    chain_id: str
    size: int


class Namespaced:
    """What containerd has in one namespace, by service: containers, tasks, images, content, snapshots, leases, diff.

    With a lease (see `lease`), everything made through it is protected from the garbage collector.
    """

    def __init__(self, scope: Scope, snapshotter: str, platform: platforms.Platform) -> None:
        self.scope = scope
        self.name = scope.namespace
        self.lease_id = scope.lease
        self.snapshotter = snapshotter
        self.platform = platform
        self.containers = Containers(scope, snapshotter)
        self.tasks = Tasks(scope)
        self.images = Images(scope)
        self.content = Content(scope)
        self.snapshots = Snapshots(scope, snapshotter)
        self.leases = Leases(scope)
        self.diff = Diff(scope)

    @contextlib.asynccontextmanager
    async def lease(self, purpose: str, *, expires_s: float = DEFAULT_EXPIRY_S) -> AsyncIterator[Namespaced]:
        """Yield this namespace under a new lease, which ends with the block, or by itself if this process dies."""
        async with self.leases.held(purpose, expires_s=expires_s) as scope:
            yield Namespaced(scope, self.snapshotter, self.platform)

    async def resolve(self, name: str) -> ResolvedImage:
        """Return what image `name` (in full, as stored) is on this host.

        Raises ImageNotFound for an unknown name and for one whose content is gone, InvalidArchive for one that
        cannot run here or is malformed.
        """
        return await self.resolve_record(await self.images.get(name))

    async def resolve_record(self, record: ImageRecord) -> ResolvedImage:
        """Return what a listed image is on this host; raises as `resolve` does."""

        async def read(descriptor: Descriptor) -> bytes:
            return await self.content.read(descriptor.digest)

        hint = f"load or pull it for {self.platform}, or choose another image"
        try:
            with resolve.naming(f"cannot use image {record.name!r}", hint):
                found = await resolve.resolve(record.target, self.platform, read)
        except errors.NotFound as error:
            raise errors.ImageNotFound(
                f"cannot use image {record.name!r}: part of its content is missing ({error.message})",
                hint="load or pull the image again",
            ) from error
        return ResolvedImage(
            name=record.name,
            digest=record.target.digest,
            media_type=record.target.media_type,
            manifest_digest=found.descriptor.digest,
            config=found.config,
            config_digest=found.manifest.config.digest,
            layers=found.manifest.layers,
            chain_id=found.config.chain_id,
            size=found.size,
        )

    async def unpack(self, image: ResolvedImage) -> str:
        """Make sure that the image's snapshot exists and return its name; only under a lease."""
        if not self.lease_id:
            raise errors.HostError("cannot unpack an image without a lease: the garbage collector would take it")
        with resolve.naming(f"cannot use image {image.name!r}"):
            return await unpack(self, image.layers, image.config.diff_ids)


class Containerd:
    """One containerd.  Made by `connect` on the event loop that uses it; survives containerd's restarts."""

    def __init__(self, connection: Connection, snapshotter: str) -> None:
        self._connection = connection
        self._scope = Scope(connection)
        self.snapshotter = snapshotter
        self.platform = platforms.host()
        self.namespaces = Namespaces(self._scope)

    @classmethod
    async def connect(cls, socket: str | Path, *, timeout_s: float = 10.0) -> Containerd:
        """Connect to the containerd behind `socket` and look at what it can do.

        Raises ConnectContainerd when nobody answers there within `timeout_s`, Denied when we may not ask.
        """
        path = str(socket)
        check_socket(path)
        connection = Connection(path)
        try:
            scope = Scope(connection)
            try:
                await introspection.version(scope, timeout_s=timeout_s, wait=True)
            except errors.TimedOut as error:
                raise errors.ConnectContainerd(
                    f"cannot reach containerd: containerd at {path!r} is away: no answer within {timeout_s:g} s",
                    hint="see whether it runs, and what it logs",
                ) from error
            plugins = await introspection.plugins(scope)
            return cls(connection, introspection.choose_snapshotter(plugins))
        except BaseException:
            await connection.close()
            raise

    @classmethod
    def unconnected(cls, socket: str | Path) -> Containerd:
        """The containerd behind `socket`, whether or not one is there; calls raise what `connect` would have raised.

        For looking only: nothing was asked of it, so the snapshotter is the one it most likely has.
        """
        return cls(Connection(str(socket), check_socket), introspection.PREFERRED_SNAPSHOTTERS[0])

    @property
    def socket(self) -> str:
        """Return the socket's path."""
        return self._connection.socket

    async def close(self) -> None:
        """Close the connection; twice is fine."""
        await self._connection.close()

    async def __aenter__(self) -> Containerd:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def version(self) -> introspection.Version:
        """Return containerd's version."""
        return await introspection.version(self._scope)

    async def wait_ready(self, timeout_s: float) -> None:
        """Wait until containerd answers (again); raises TimedOut or ConnectContainerd when it does not."""
        await introspection.version(self._scope, timeout_s=timeout_s, wait=True)

    async def wait_back(self) -> None:
        """Wait until containerd answers, however long that takes; it is logged now and then."""
        while True:
            try:
                return await self.wait_ready(AWAY_S)
            except (errors.ConnectContainerd, errors.TimedOut) as error:
                log.warning("still waiting: %s", error)
                await asyncio.sleep(AWAY_PAUSE_S)

    async def server_pid(self) -> int:
        """Return containerd's process id, 0 when it does not tell."""
        return await introspection.server_pid(self._scope)

    async def plugins(self) -> tuple[introspection.Plugin, ...]:
        """Return every plugin as it is now."""
        return await introspection.plugins(self._scope)

    def with_namespace(self, name: str) -> Namespaced:
        """Return what there is in a namespace.  It need not exist yet."""
        return Namespaced(Scope(self._connection, namespace=name), self.snapshotter, self.platform)

    async def list_namespaces(self) -> tuple[NamespaceRecord, ...]:
        """Return every namespace."""
        return await self.namespaces.list()

    async def namespace_exists(self, name: str) -> bool:
        """Say whether the namespace is there."""
        return await self.namespaces.find(name) is not None

    async def create_namespace(self, name: str, labels: Mapping[str, str] | None = None) -> bool:
        """Make the namespace unless it is there; say whether it was made."""
        return await self.namespaces.ensure(name, labels)

    async def drain_namespace(self, name: str) -> None:
        """Remove all leases, images, snapshots and content of a namespace; Conflict while it has containers."""
        await drain.drain(self.with_namespace(name), await self._snapshotters_now())

    async def delete_namespace(self, name: str) -> bool:
        """Delete a namespace that `drain_namespace` has emptied; say whether it was there.

        What the collector has not taken yet still counts as content, so a Conflict is tried again after another
        collection.
        """
        for _ in range(DELETE_TRIES):
            try:
                return await self.namespaces.delete(name)
            except errors.Conflict:
                await self.with_namespace(name).leases.collect_garbage()
        return await self.namespaces.delete(name)

    async def _snapshotters_now(self) -> tuple[str, ...]:
        return introspection.snapshotters(await self.plugins())

    def subscribe(self, filters: Sequence[str] = ()) -> AsyncGenerator[events.Event, None]:
        """Yield containerd's events; see `events.subscribe`."""
        return events.subscribe(self._scope, filters)


def check_socket(path: str) -> None:
    """Raise ConnectContainerd or Denied, in words that help, when `path` can't be connected to at all."""
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - a string is what gRPC gets
    except FileNotFoundError:
        raise errors.ConnectContainerd(
            f"cannot reach containerd at {path!r}: no such socket",
            hint="start containerd, or let kukeond run its own with --containerd embedded",
        ) from None
    except PermissionError as error:
        raise errors.Denied(f"cannot reach containerd at {path!r}: {error.strerror}", hint="run as root") from error
    except OSError as error:
        raise errors.ConnectContainerd(f"cannot reach containerd at {path!r}: {error.strerror}") from error
    if not stat.S_ISSOCK(mode):
        raise errors.ConnectContainerd(f"cannot reach containerd at {path!r}: it is not a socket")
    if not os.access(path, os.R_OK | os.W_OK):
        raise errors.Denied(f"cannot reach containerd at {path!r}: permission denied", hint="run as root")
