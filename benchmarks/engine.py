#!/usr/bin/env python3
"""kukeond's engine in a process of its own, on a host in memory: `engine.py SOCKET RUN_PATH` serves until SIGTERM.

Beside the real service there is `/floor/Page`, which answers every request with the same bytes, those of the file
RUN_PATH/page: what gRPC between two processes costs when nobody does anything.
"""

import asyncio
import contextlib
import datetime as dt
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import grpc
import msgspec

import kukeon_sdk
from kukeon_api import calls, model, normalise
from kukeon_daemon.listening import SocketFile
from kukeon_daemon.server import Server
from kukeon_runner import documents
from kukeon_runner.instance import Instance
from kukeon_runner.layout import Layout
from kukeon_runner.store import Store
from kukeon_runner.testing import cells
from kukeon_runner.testing.host import FakeHost

FLOOR = "floor.Floor"
START_TIMEOUT_S = 60.0


async def serve(socket: Path, run_path: Path) -> None:
    controller = await cells.prepared(FakeHost(), run_path)
    server = Server(controller, SocketFile(socket, 0))
    server._grpc.add_generic_rpc_handlers((_floor(run_path / "page"),))  # beside the service, to compare
    await server.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    await server.stop(1.0)


def _floor(page: Path) -> grpc.GenericRpcHandler:
    async def answer(_request: bytes, _context: object) -> bytes:
        return page.read_bytes()  # noqa: ASYNC240 - of a file system in memory

    handler = grpc.unary_unary_rpc_method_handler(answer)
    return grpc.method_handlers_generic_handler(FLOOR, {"Page": handler})


@contextlib.contextmanager
def run_path() -> Iterator[Path]:
    """A run path in memory: what a disk takes for a write is not what is measured here."""
    with tempfile.TemporaryDirectory(prefix="kt-", dir="/dev/shm") as directory:
        yield Path(directory)


def store(run_path: Path, docs: Iterable[documents.StoredDoc]) -> None:
    """Have documents stored before anything runs on `run_path`."""
    instance = Instance("0badcafe", str(run_path), "kukeon.io", "/kukeon", "10.88.0.0/16")
    stored = Store(Layout(instance), exclusive=True)
    for doc in docs:
        stored.save(doc)


@contextlib.contextmanager
def running(run_path: Path) -> Iterator[Path]:
    """The socket of an engine that serves `run_path`."""
    socket = run_path / "s"
    process = subprocess.Popen([sys.executable, __file__, str(socket), str(run_path)], stdin=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + START_TIMEOUT_S
        while not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the engine does not start")
            time.sleep(0.01)
        with kukeon_sdk.dial(f"unix://{socket}") as client:
            client.ping()
        yield socket
    finally:
        process.terminate()
        process.wait()


def floor(socket: Path) -> Callable[[], bytes]:
    """A call of `/floor/Page`."""
    options = (("grpc.max_receive_message_length", calls.MAX_MESSAGE_BYTES),)
    channel = grpc.insecure_channel(f"unix:{socket}", options)
    call = channel.unary_unary(f"/{FLOOR}/Page")
    return lambda: call(b"")


def wanted_cell(number: int, space: str, stack: str) -> model.CellDoc:
    """A cell with two workloads, as somebody would write it."""
    name = f"cell-{number:05}"
    own = tuple(
        model.ContainerSpec(
            id=id,
            image=cells.IMAGE,
            command="/bin/serve",
            args=("--port", "8080"),
            env=("MODE=production", f"NAME={name}"),
        )
        for id in ("web", "log")
    )
    spec = model.CellSpec(realm_id="default", space_id=space, stack_id=stack, containers=own)
    return model.CellDoc(metadata=model.Metadata(name=name, labels={"app": "web"}), spec=spec)


def cell(number: int) -> model.CellDoc:
    """A cell with everything in it that a running one has."""
    doc = normalise.normalise(wanted_cell(number, "default", "default"))
    name, at = doc.metadata.name, dt.datetime(2026, 11, 21, 10, 0, 0, 123456, tzinfo=dt.UTC)
    seen = tuple(
        model.ContainerStatus(
            name=id,
            id=f"default_default_{name}_{id}",
            state=model.ContainerState.READY,
            start_time=at,
            created_at=at,
        )
        for id in ("root", "web", "log")
    )
    status = model.CellStatus(
        state=model.CellState.READY,
        network=model.CellNetworkStatus(bridge_name="k-0123456789", address="10.88.0.2/24", gateway="10.88.0.1"),
        containers=seen,
        ready_observed=True,
        created_at=at,
        ready_at=at,
        cgroup_path=f"/kukeon/default/default/default/{name}",
        cgroup_ready=True,
        subtree_controllers=("cpu", "io", "memory", "pids"),
    )
    return msgspec.structs.replace(doc, status=status)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
