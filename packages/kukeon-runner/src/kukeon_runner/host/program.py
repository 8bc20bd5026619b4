"""A program that was started in a container beside its own, and what goes in and out of it.

Its streams are FIFOs in a directory of its own. Nothing is read ahead of whoever wants it, so a program whose output
nobody takes waits, as it would with a terminal.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import signal
from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_runner import observed
from kukeon_runner.host import process_sessions
from kukeon_runner.host.containerd import fifo

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from pathlib import Path

    from kukeon_runner.host.containerd.processes import Process

log = logging.getLogger(__name__)

LINGER_S = 0.5
"""How long nothing may come of a program that has ended before what it left behind is no longer waited for."""
HANG_UP_S = 1.0
"""What a program may take to end by itself when its client is gone."""
KILL_S = 10.0
RETRY_S = 0.5
FLOWING_S = 0.002
"""Pieces that follow each other in less than this are a flow, not words."""
GATHER_S = 0.001
"""How long a flow gathers: containerd's shim writes a few kilobytes at a time, and each piece costs the same. Within
this time a pipe of a mebibyte is not full."""

Piece = tuple[str, Any]


class Program:
    """Read it until there is nothing more; then `wait` tells how it ended. `end` must follow, whatever happened."""

    def __init__(self, process: Process, directory: Path, *, tty: bool) -> None:
        """Have its FIFOs, which are in `directory`, opened. Raises OSError."""
        self.pid = 0
        self.tty = tty
        self._process = process
        self._directory = directory
        self._outputs = [(name, fifo.Reader(str(directory / name))) for name in outputs(tty)]
        self._stdin = fifo.Writer(str(directory / "stdin"))
        self._taken = 0
        self._last = 0.0
        self._reading: asyncio.Future[None] | None = None
        self._released = False
        self._lingered = False
        self._ending: asyncio.Task[None] | None = None
        self._error: errors.KukeonError | None = None
        self._where = ""
        self._exited: asyncio.Future[observed.Exit] = asyncio.get_running_loop().create_future()

    async def start(self, document: Mapping[str, Any], task_pid: int) -> None:
        """Run what the OCI process `document` says; `task_pid` is the process id of the container's own program."""
        await self._process.create(
            document,
            terminal=self.tty,
            stdin=str(self._directory / "stdin"),
            **{name: str(self._directory / name) for name in outputs(self.tty)},
        )
        # Waiting begins before the start, so that no exit falls between the two.
        self._exited = asyncio.create_task(self._watch(), name=f"wait for {self._process}")
        self._exited.add_done_callback(lambda _: self._wake())
        self.pid = await self._process.start()
        self._where = process_sessions.cgroups(self.pid) or process_sessions.cgroups(task_pid)
        try:
            self._stdin.settle()
        except OSError:  # it has ended already
            self._stdin.close()

    async def read(self) -> Piece | None:
        """Wait for what comes next: ("stdout", bytes), ("stderr", bytes), or how many bytes of stdin it has taken.

        None when it has ended and everything was read. What a background process of its writes later is not waited for.
        Raises what it was told to `fail` with.
        """
        while True:
            if self._error is not None:
                raise self._error
            if self._taken:
                taken, self._taken = self._taken, 0
                return "stdin_taken", taken
            for output in tuple(self._outputs):
                name, reader = output
                data = reader.take()
                if data is None:
                    continue
                self._outputs.remove(output)
                if data:
                    self._outputs.append(output)  # the other one's turn is next
                    self._last = asyncio.get_running_loop().time()
                    return name, data
                reader.close()
            if not self._exited.done():
                await self._stirred()
            elif not self._outputs or not await self._lingers():
                self._close_outputs()
                return None

    async def _lingers(self) -> bool:
        """Wait a moment for output of a program that has ended; False when no more is to be expected."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LINGER_S):
                await self._stirred()
            return True
        if self._lingered:
            return False
        self._lingered = True
        # containerd's shim then reads what is there, lets go of the program's output, and with that ends ours.
        await self._release()
        return True

    async def _stirred(self) -> None:
        """Wait until there may be something to read, or the program has ended."""
        loop = asyncio.get_running_loop()
        self._reading = loop.create_future()
        watched = [reader.fd for _, reader in self._outputs]
        for fd in watched:
            loop.add_reader(fd, self._wake)
        try:
            await self._reading
        finally:
            self._reading = None
            for fd in watched:
                loop.remove_reader(fd)
        if loop.time() - self._last < FLOWING_S:
            await asyncio.sleep(GATHER_S)

    def _wake(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)

    def fail(self, error: errors.KukeonError) -> None:
        """Have whoever reads get `error`."""
        self._error = error
        self._wake()

    async def write(self, data: bytes) -> None:
        """Give `data` to its input, at its pace; what it does not want is dropped."""
        view = memoryview(data)
        while len(view):
            written = self._write_now(view)
            self._taken += written
            view = view[written:]
            self._wake()
            if len(view):
                await self._writable()

    def _write_now(self, view: memoryview) -> int:
        if self._stdin.fd < 0 or self._exited.done():
            return len(view)
        try:
            return self._stdin.give(view)
        except BrokenPipeError:
            self._stdin.close()
            return len(view)

    async def _writable(self) -> None:
        loop = asyncio.get_running_loop()
        ready: asyncio.Future[None] = loop.create_future()

        def wake(*_: object) -> None:
            if not ready.done():
                ready.set_result(None)

        fd = self._stdin.fd
        loop.add_writer(fd, wake)
        self._exited.add_done_callback(wake)
        try:
            await ready
        finally:
            loop.remove_writer(fd)
            self._exited.remove_done_callback(wake)

    async def close_stdin(self) -> None:
        """Have its input end. A terminal's has no end, so the key that stands for it is typed."""
        if self.tty:
            await self.write(b"\x04")
            return
        if self._stdin.fd >= 0:
            await self._unless_gone(self._process.close_stdin())
            self._stdin.close()

    async def resize(self, rows: int, columns: int) -> None:
        """Tell its terminal its size."""
        if self.tty and rows and columns:
            await self._unless_gone(self._process.resize(rows, columns))

    async def signal(self, number: int) -> None:
        """Send it a signal."""
        await self._unless_gone(self._process.kill(number))

    async def wait(self) -> observed.Exit:
        """Wait until it has ended. Raises TaskNotFound when its container was removed under it."""
        return await asyncio.shield(self._exited)

    async def end(self) -> None:
        """End it if it has not, and leave nothing of it. Goes on to its end when cancelled; twice is fine."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end(), name=f"end {self._process}")
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        self._error = None
        try:
            if self.pid and (self._outputs or not self._exited.done()):
                await self._hang_up()
            await self._release()
        finally:
            self._exited.cancel()
            if self._exited.done() and not self._exited.cancelled():
                self._exited.exception()  # seen: whoever wanted to know has asked before
            self._stdin.close()
            self._close_outputs()
            if self._released:  # otherwise the next kukeond has to look after it
                await asyncio.to_thread(shutil.rmtree, self._directory, ignore_errors=True)

    def _close_outputs(self) -> None:
        for _, reader in self._outputs:
            reader.close()
        self._outputs.clear()

    async def _hang_up(self) -> None:
        """End it and what it has started, as when its terminal is gone; what it still writes is dropped."""
        if not self._exited.done():
            await self._unless_gone(self._process.kill(signal.SIGHUP))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HANG_UP_S):
                    await self._drop()
        await asyncio.to_thread(process_sessions.kill, self.pid, self._where)
        if not self._exited.done():
            await self._unless_gone(self._process.kill(signal.SIGKILL))
        try:
            async with asyncio.timeout(KILL_S):
                await self._drop()
        except TimeoutError:
            log.warning("%s survived SIGKILL for %g s", self._process, KILL_S)

    async def _drop(self) -> None:
        while await self.read() is not None:
            pass

    async def _release(self) -> None:
        if not self._released:
            self._released = await self._unless_gone(self._process.delete())

    async def _unless_gone(self, asked: Coroutine[Any, Any, None]) -> bool:
        """Do what only matters while it is there. False when it could not be done: containerd is away, or refuses."""
        try:
            await asked
        except errors.NotFound:
            return True
        except (errors.Unavailable, errors.TimedOut, errors.HostError, errors.Conflict) as error:
            log.info("%s", error)
            return False
        return True

    async def _watch(self) -> observed.Exit:
        while True:
            try:
                ended = await self._process.wait()
            except errors.ConnectContainerd:
                # The program goes on without containerd; how it ended is told by the next one.
                await asyncio.sleep(RETRY_S)
                continue
            return observed.Exit(ended.code, ended.at)


def outputs(tty: bool) -> tuple[str, ...]:
    """What a program writes to."""
    return ("stdout",) if tty else ("stdout", "stderr")
