"""Starting programs in containers beside their own, and clearing away what a process that died left of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import secrets
import shutil
import signal
from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_runner import process_spec
from kukeon_runner.host import process_sessions, runtime_words, users
from kukeon_runner.host.containerd import fifo
from kukeon_runner.host.containerd.processes import Process
from kukeon_runner.host.containerd.tasks import TaskStatus
from kukeon_runner.host.program import Program, outputs
from kukeon_runner.together import together

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from kukeon_runner.host.containerd.client import Containerd, Namespaced
    from kukeon_runner.host.containerd.containers import ContainerRecord

log = logging.getLogger(__name__)

RECORD = "record.json"
SWEEP_S = 10.0
"""What clearing away one program may take; more means a process that hangs in the kernel."""


class Programs:
    """Programs in the containers of `containerd`; `directory` is where their FIFOs are, one directory for each."""

    def __init__(self, containerd: Containerd, directory: Path) -> None:
        self._containerd = containerd
        self._directory = directory

    async def start(self, namespace: str, id: str, wanted: process_spec.Program) -> Program:
        """Run a program in container `id`.

        Raises TaskNotRunning, InvalidUser, Invalid when the container lacks program or directory.
        """
        within = self._containerd.with_namespace(namespace)
        record, state = await together(within.containers.find(id), within.tasks.find(id))
        if record is None or state is None or state.status is not TaskStatus.RUNNING:
            now = state.status.value if state is not None else "stopped"
            raise errors.TaskNotRunning(f"cannot run {wanted.command[0]!r} in container {_name(id)!r}: it is {now}")
        user = await _user(within, record, wanted) if wanted.user else None
        process = Process(within.scope, id, secrets.token_hex(8))
        home = await asyncio.to_thread(_make, self._directory, process, namespace, tty=wanted.tty)
        try:
            program = Program(process, home, tty=wanted.tty)
        except OSError as error:
            await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)
            raise errors.HostError(f"cannot open {str(home)!r}: {error.strerror}") from error
        try:
            with _explained(id, wanted.command[0]):
                await program.start(process_spec.process(record.spec, wanted, user), state.pid)
            await program.resize(wanted.rows, wanted.columns)
        except BaseException:
            await program.end()
            raise
        return program

    async def sweep(self) -> None:
        """End the programs that a process which died has left, and leave nothing of them."""
        try:
            homes = await asyncio.to_thread(lambda: [*self._directory.iterdir()])
        except FileNotFoundError:
            return
        async with asyncio.TaskGroup() as group:
            for home in homes:
                group.create_task(self._clear(home))

    async def _clear(self, home: Path) -> None:
        try:
            record = json.loads(await asyncio.to_thread((home / RECORD).read_text))
            within = self._containerd.with_namespace(record["namespace"])
            process = Process(within.scope, record["id"], record["exec_id"])
            async with asyncio.timeout(SWEEP_S):
                await _end(process, home)
            log.info("ended a program in %s that an earlier process had left", record["id"])
        except errors.NotFound:
            pass
        except (errors.KukeonError, OSError, ValueError, KeyError, TimeoutError) as error:
            log.warning("cannot end the program of %s: %s", home, error or type(error).__name__)
        await asyncio.to_thread(shutil.rmtree, home, ignore_errors=True)


async def _end(process: Process, home: Path) -> None:
    state = await process.get()
    # What it waits for may be that somebody reads.
    readers = [fifo.Reader(str(home / name)) for name in outputs(tty=False) if (home / name).exists()]
    try:
        if state.status is TaskStatus.RUNNING:
            await asyncio.to_thread(process_sessions.kill, state.pid, process_sessions.cgroups(state.pid))
            await process.kill(signal.SIGKILL)
            ended = asyncio.create_task(process.wait(), name=f"wait for {process}")
            while not ended.done():
                _drain(readers)
                await asyncio.wait({ended}, timeout=0.1)
            await ended
        _drain(readers)
        await process.delete()
    finally:
        for reader in readers:
            reader.close()


def _drain(readers: list[fifo.Reader]) -> None:
    for reader in readers:
        while reader.take():
            pass


async def _user(within: Namespaced, record: ContainerRecord, wanted: process_spec.Program) -> dict[str, Any]:
    """Look the user up in the container's files as they are now."""
    mounts = await within.snapshots.mounts(record.id) if record.snapshot_key else ()
    uid, gid, groups = await asyncio.to_thread(users.resolve_user, mounts, wanted.user)
    return {"uid": uid, "gid": gid, "additionalGids": list(groups)}


def _make(directory: Path, process: Process, namespace: str, *, tty: bool) -> Path:
    home = directory / process.exec_id
    try:
        home.mkdir(mode=0o700, parents=True)
        (home / RECORD).write_text(
            json.dumps({"namespace": namespace, "id": process.id, "exec_id": process.exec_id}), encoding="utf-8"
        )
        for name in ("stdin", *outputs(tty)):
            fifo.make(str(home / name))
    except OSError as error:
        shutil.rmtree(home, ignore_errors=True)
        raise errors.HostError(f"cannot make {str(home)!r}: {error.strerror}") from error
    return home


def _name(id: str) -> str:
    return id.rpartition("_")[2]


@contextlib.contextmanager
def _explained(id: str, program: str) -> Iterator[None]:
    what = f"cannot run {program!r} in container {_name(id)!r}"
    try:
        yield
    except errors.NotFound as error:
        raise errors.TaskNotRunning(f"{what}: it has just ended") from error
    except errors.HostError as error:
        reason, wrong = runtime_words.explain_exec(str(error))
        kind = errors.Invalid if wrong else errors.HostError
        raise kind(f"{what}: {reason}") from error
