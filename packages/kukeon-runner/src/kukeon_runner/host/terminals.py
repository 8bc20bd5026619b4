"""Terminals of containers, as the doors of containerd need them: FIFOs before a task, words about it afterwards.

The input of a program is lost for ever once nobody has its FIFO open for writing, so kukeond holds every FIFO beside
kuketty: of the two, one may die.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_runner.tty import records

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from kukeon_runner.host.kuketty import Kuketty
    from kukeon_runner.terminals import Terminal

log = logging.getLogger(__name__)

CAPTURE_MAX_BYTES = 10 * 1024 * 1024
CAPTURE_MAX_FILES = 5
"""With the one that is written."""

_LONGEST_BACKOFF_S = 30.0


class LinuxTerminals:
    def __init__(self, kuketty: Kuketty, gid: int) -> None:
        self._kuketty = kuketty
        self._gid = gid
        self._held: dict[str, tuple[int, int]] = {}
        """Descriptors of the FIFOs, by task."""
        self._telling: set[asyncio.Task[None]] = set()
        self._starting = asyncio.Lock()
        self._needed = asyncio.Event()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep kuketty running while there are terminals, those of an earlier kukeond first; it stays at the end."""
        await self._adopt()
        keeper = asyncio.create_task(self._keep(), name="keep kuketty")
        try:
            yield
        finally:
            work = {keeper, *self._telling}
            for each in work:
                each.cancel()
            await asyncio.wait(work)
            for task in tuple(self._held):
                self._let_go(task)

    async def open(self, namespace: str, id: str, terminal: Terminal) -> tuple[str, str]:
        """Have a fresh terminal for a task to come, and return its stdin and stdout as paths. Raises HostError."""
        await asyncio.to_thread(self._make_directory, Path(terminal.capture).parent)
        task = _task(namespace, id)
        self._let_go(task)
        opened = await self._ask(
            {
                "do": "open",
                "name": terminal.name,
                "task": task,
                "capture": terminal.capture,
                "gid": self._gid,
                "max_bytes": CAPTURE_MAX_BYTES,
                "max_files": CAPTURE_MAX_FILES,
                "typing": terminal.typing,
            }
        )
        self._hold(task, opened["stdin"], opened["stdout"])
        return opened["stdin"], opened["stdout"]

    async def started(self, namespace: str, id: str) -> None:
        """Tell that the program of a terminal runs; of a task without terminal this is nothing."""
        await self._tell(namespace, id, {"do": "started"})

    async def ended(self, namespace: str, id: str, code: int | None) -> None:
        """Tell how the program ended, for the clients that see its end."""
        await self._tell(namespace, id, {"do": "ended", "code": code})

    def tell_ended(self, namespace: str, id: str, code: int | None) -> None:
        """Do `ended` while others go on."""
        if _task(namespace, id) in self._held:
            telling = asyncio.create_task(self.ended(namespace, id, code), name=f"end of terminal of {id}")
            self._telling.add(telling)
            telling.add_done_callback(self._telling.discard)

    async def close(self, namespace: str, id: str) -> None:
        """Leave nothing of the terminal but its capture file."""
        await self._tell(namespace, id, {"do": "close"})
        self._let_go(_task(namespace, id))

    async def close_others(self, namespace: str, ids: Collection[str]) -> None:
        """Close the terminals of a namespace that were made for tasks that never came; `ids` are the tasks there."""
        for task in tuple(self._held):
            owner, _, id = task.partition("/")
            if owner == namespace and id not in ids:
                log.info("closing the terminal of %s, which has no task", task)
                await self.close(namespace, id)

    async def stop(self) -> None:
        """End kuketty for good."""
        await self._kuketty.stop()

    async def _tell(self, namespace: str, id: str, request: dict[str, Any]) -> None:
        """Trouble with a terminal is never why something about a task fails."""
        task = _task(namespace, id)
        if task not in self._held:
            return
        try:
            await self._ask(request | {"task": task})
        except errors.KukeonError as error:
            log.warning("terminal of %s: %s", task, error)

    async def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        for _ in range(2):
            await self._ensure()
            try:
                return await self._kuketty.ask(request)
            except (OSError, TimeoutError) as error:
                failed = error
        raise errors.HostError(f"cannot reach kuketty: {failed}") from failed

    async def _ensure(self) -> None:
        async with self._starting:
            if self._kuketty.pid() is None or not self._needed.is_set():
                await self._kuketty.start()
                self._needed.set()

    async def _adopt(self) -> None:
        if not self._kuketty.directory.is_dir():
            return
        found, _ = records.load(str(self._kuketty.directory))
        for record in found:
            base = self._kuketty.directory / record.name
            try:
                self._hold(record.task, f"{base}.in", f"{base}.out")
            except errors.HostError as error:
                log.warning("cannot take over the terminal of %s: %s", record.task, error)
        if found or self._kuketty.pid() is not None:
            try:
                await self._ensure()
            except errors.KukeonError as error:
                log.error("terminals do not work: %s", error)
                self._needed.set()

    async def _keep(self) -> None:
        """Start kuketty again whenever it ends, with growing pauses while that keeps failing."""
        backoff_s = 0.0
        await self._needed.wait()
        while True:
            await self._kuketty.wait_ended()
            await asyncio.sleep(backoff_s)
            try:
                async with self._starting:
                    if await self._kuketty.start():
                        log.warning("kuketty had ended and was started again")
                backoff_s = 0.5 if backoff_s == 0 else min(backoff_s * 2, _LONGEST_BACKOFF_S)
            except errors.KukeonError as error:
                backoff_s = min(max(0.5, backoff_s * 2), _LONGEST_BACKOFF_S)
                log.error("cannot keep kuketty running, trying again in %g s: %s", backoff_s, error)

    def _hold(self, task: str, stdin: str, stdout: str) -> None:
        held: list[int] = []
        try:
            for path, access in ((stdin, os.O_RDWR), (stdout, os.O_RDONLY)):
                held.append(os.open(path, access | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC))
        except OSError as error:
            for fd in held:
                os.close(fd)
            raise errors.HostError(f"cannot open {error.filename!r}: {error.strerror}") from error
        self._held[task] = (held[0], held[1])

    def _let_go(self, task: str) -> None:
        for fd in self._held.pop(task, ()):
            os.close(fd)

    def _make_directory(self, path: Path) -> None:
        """Have the directory of the capture file and its parent, the container's, for the group to look into."""
        try:
            for each in (path.parent, path):
                each.mkdir(mode=0o750, exist_ok=True)
                if self._gid:
                    os.chown(each, 0, self._gid)
                    each.chmod(0o2750)
        except OSError as error:
            raise errors.HostError(f"cannot make {str(path)!r}: {error.strerror}") from error


def _task(namespace: str, id: str) -> str:
    return f"{namespace}/{id}"
