"""A served daemon in this process, for tests of everything that needs no process of its own."""

from __future__ import annotations

import asyncio
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # kukeond_memory is a program as well as a module

from kukeond_memory import MemoryController

from kukeon_daemon.listening import SocketFile
from kukeon_daemon.server import Server
from kukeon_sdk import UnixClient

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

# What a failing assertion of the contract says is worth as much as one of a test here.
pytest.register_assert_rewrite("kukeon_sdk.testing.contract")

WAIT_S = 30.0


class Served:
    """A server with its loop on a thread of its own; tests talk to it through the socket.

    `make` returns the controller, on the loop.
    """

    def __init__(self, path: Path, make: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        self.path = path
        self.loop = asyncio.new_event_loop()
        self.controller: Any
        self._make = make
        self.server: Server
        self._ready = threading.Event()
        self._stop: asyncio.Event
        self._grace_s = 10.0
        self._thread = threading.Thread(target=self.loop.run_until_complete, args=(self._main(),))
        self._thread.start()
        assert self._ready.wait(WAIT_S)

    async def _main(self) -> None:
        self._stop = asyncio.Event()
        self.controller = await self._make()
        self.server = Server(self.controller, SocketFile(self.path, 0))
        await self.server.start()
        self._ready.set()
        await self._stop.wait()
        await self.server.stop(self._grace_s)

    def run(self, work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Do `work()` on the server's loop and return what it returns."""
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(WAIT_S)

    def set(self, event: asyncio.Event) -> None:
        self.loop.call_soon_threadsafe(event.set)

    def wait(self, event: asyncio.Event) -> None:
        self.run(event.wait)

    def wait_idle(self) -> None:
        """Wait until no work is running."""

        async def idle() -> None:
            while len(self.server.tasks):  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.01)

        self.run(idle)

    def begin_stop(self, grace_s: float = 10.0) -> None:
        self._grace_s = grace_s
        self.set(self._stop)

    def join(self) -> None:
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive()

    def close(self) -> None:
        self.begin_stop(0)
        self.join()
        self.loop.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    async def make() -> MemoryController:
        return MemoryController()

    served = Served(tmp_path / "k.sock", make)
    yield served
    served.close()


@pytest.fixture
def client(served: Served) -> Iterator[UnixClient]:
    with UnixClient(str(served.path)) as client:
        yield client
