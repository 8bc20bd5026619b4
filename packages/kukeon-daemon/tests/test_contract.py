"""The contract of clients, through kukeond's socket, by the real engine over a host in memory."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from conftest import WAIT_S, Served
from kukeon_api import errors, methods, model
from kukeon_runner.controller import Controller
from kukeon_runner.testing import cells
from kukeon_runner.testing.host import FakeHost
from kukeon_runner.testing.images import FakeImages
from kukeon_sdk import UnixClient, aio, streams
from kukeon_sdk.calls import Calls
from kukeon_sdk.testing import archives, contract
from kukeon_sdk.testing.memory.images import Images
from kukeon_sdk.testing.memory.world import World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
    from pathlib import Path


@dataclasses.dataclass
class ArchiveImages(FakeImages):
    """Images of a host in memory that come from archives, as on a real one, and are described by the SDK."""

    memory: Images = dataclasses.field(default_factory=Images)
    described: dict[tuple[str, str], model.ImageInfo] = dataclasses.field(default_factory=dict)
    """Namespace and digest -> image, under any name."""

    def __post_init__(self) -> None:
        self.memory.world = World()

    async def load(self, namespace: str, chunks: AsyncIterator[bytes], platform: str = "") -> Sequence[str]:
        found = archives.offered(b"".join([chunk async for chunk in chunks]))
        for each in found:
            self.add(namespace, each.name, digest=each.digest)
            self.described[namespace, each.digest] = self.memory.described(each)
        return [each.name for each in found]

    async def save(
        self, namespace: str, refs: Sequence[str], platform: str, format_: str
    ) -> AsyncIterator[tuple[bytes, int]]:
        images = [await self.info(namespace, ref) for ref in refs]
        self.memory.world.docs[model.Ref("r")] = model.RealmDoc(metadata=model.Metadata(name="r"))
        self.memory.world.images["r"] = {each.name: each for each in images}
        for piece in self.memory.save_image("r", refs, platform, format_)()[0]:
            yield piece.data, piece.total_bytes

    async def info(self, namespace: str, ref: str) -> model.ImageInfo:
        found = self.described[namespace, (await self.find(namespace, ref)).digest]
        return msgspec.structs.replace(found, name=ref)

    async def list(self, namespace: str) -> Sequence[model.ImageInfo]:
        names = [name for within, name in sorted(self.present) if within == namespace]
        found = [await self.info(namespace, name) for name in names]
        return [msgspec.structs.replace(each, layers=(), config=None) for each in found]

    async def prune(
        self, namespace: str, removable: Callable[[str], bool], *, dry_run: bool
    ) -> tuple[Sequence[model.PrunedImage], int]:
        before = await self.list(namespace)
        names = {each.name for each in (await super().prune(namespace, removable, dry_run=dry_run))[0]}
        gone = self.memory.freed(
            [each for each in before if each.name in names], [each for each in before if each.name not in names]
        )
        return gone, sum(each.size for each in gone)


@contextlib.contextmanager
def engine(home: Path, host: FakeHost | None = None) -> Iterator[Served]:
    """The engine over a host in memory, with its default hierarchy, behind a socket in `home`."""
    host = host or FakeHost()
    host.images = ArchiveImages(records=host.containers.records)
    host.containers.images = host.images

    async def make() -> Controller:
        about = model.PingResult(
            ok=True,
            version="test",
            instance_id="0badcafe",
            run_path=str(home / "run"),
            containerd_mode="embedded",
            containerd_socket=str(home / "containerd.sock"),
            cgroup_mode="v2",
            oci_runtime="runc",
            pid=os.getpid(),
        )
        controller = Controller(cells.controller(host, home / "run").runner, about)
        await controller.bootstrap()
        return controller

    served = Served(home / "k.sock", make)
    try:
        yield served
    finally:
        served.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    with engine(tmp_path) as served:
        yield served


class Waiting(Calls):
    """An asynchronous client as one that waits: its calls run on the server's loop, gRPC's only one here."""

    def __init__(self, client: aio.AsyncClient, loop: asyncio.AbstractEventLoop) -> None:
        self._client = client
        self._loop = loop

    def perform(self, name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        if methods.BY_PYTHON[name].stream == "server":
            return streams.Stream(WaitingItems(getattr(self._client, name)(**arguments, timeout=timeout), self._wait))

        async def call() -> Any:
            return await getattr(self._client, name)(**arguments, timeout=timeout)

        result = self._wait(call())
        return WaitingSession(result, self._wait) if methods.BY_PYTHON[name].stream else result

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        if self._loop.is_closed():
            work.close()
            raise errors.Conflict("the loop is closed")
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(WAIT_S)

    def close(self) -> None:
        self._wait(self._client.close())


class WaitingItems:
    """An asynchronous stream as the source of one that waits."""

    def __init__(self, stream: aio.AsyncStream[Any], wait: Callable[[Any], Any]) -> None:
        self._stream = stream
        self._wait = wait

    def receive(self) -> Any:
        async def item() -> Any:
            return await anext(self._stream, None)

        found = self._wait(item())
        return None if found is None else (found,)

    def cancel(self) -> None:
        with contextlib.suppress(errors.Conflict):  # dropped after the server
            self._wait(self._stream.close())


class WaitingSession:
    """An asynchronous session as one that waits."""

    def __init__(self, session: aio.AsyncExecSession | aio.AsyncAttachSession, wait: Callable[[Any], Any]) -> None:
        self._session = session
        self._wait = wait

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._session, name)

        async def call(*args: Any, timeout: float | None = None) -> Any:
            try:
                async with asyncio.timeout(timeout):
                    return await found(*args)
            except TimeoutError as error:
                raise errors.TimedOut("not yet") from error

        return (lambda *args, **more: self._wait(call(*args, **more))) if callable(found) else found

    def __iter__(self) -> Iterator[Any]:
        while piece := self.read():
            yield piece

    def __enter__(self) -> WaitingSession:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class Archives:
    """The image of the contract; nothing runs on a host in memory."""

    @pytest.fixture
    def image(self) -> bytes:
        return archives.oci("busybox")


class TestThroughTheDaemon(Archives, contract.ClientContract):
    """The client that most programs use."""

    @pytest.fixture
    def client(self, served: Served) -> Iterator[UnixClient]:
        with UnixClient(str(served.path)) as client:
            yield client


class TestThroughTheDaemonAsynchronously(Archives, contract.ClientContract):
    """The same for asyncio."""

    @pytest.fixture
    def client(self, served: Served) -> Iterator[Waiting]:
        with Waiting(aio.dial(str(served.path)), served.loop) as client:
            yield client
