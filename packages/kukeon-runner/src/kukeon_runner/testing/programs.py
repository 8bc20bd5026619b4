"""Programs that run beside a container's own, in memory: a few that do what programs of these names do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kukeon_api import tiny_shell
from kukeon_runner import observed

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from kukeon_api import errors
    from kukeon_runner.process_spec import Program

NAMES = tiny_shell.NAMES | {"size"}


class FakeExecution:
    """A program that has started: one of `kukeon_api.tiny_shell`.

    Or `size`, which writes the size of its terminal, now and when it changes.
    """

    def __init__(self, wanted: Program, pid: int, now: Callable[[], dt.datetime]) -> None:
        self.pid = pid
        self.wanted = wanted
        self.ended = False
        self._now = now
        self._size = (wanted.rows, wanted.columns)
        self._told: list[bytes] = []
        """What the terminal itself shows: what is typed, and new sizes."""
        self._changed = asyncio.Event()
        self._exit: asyncio.Future[observed.Exit] = asyncio.get_running_loop().create_future()
        self._error: errors.KukeonError | None = None
        argv = ("sleep",) if wanted.command == ("size",) else wanted.command
        env = dict(entry.split("=", 1) for entry in wanted.env)
        self._program = tiny_shell.TinyProgram(argv, env, lambda: self._size)
        if wanted.command == ("size",):
            self._tell_size()

    async def read(self) -> tuple[str, Any] | None:
        while True:
            if self._error is not None:
                raise self._error
            if self._told:
                return "stdout", self._told.pop(0)
            if self._exit.done():
                return None
            if (part := self._program.next()) is not None:
                return self._shown(*part)
            if self._program.code is not None:
                self.finish(self._program.code)
                return None
            self._changed.clear()
            await self._changed.wait()

    def fail(self, error: errors.KukeonError) -> None:
        self._error = error
        self._changed.set()

    async def write(self, data: bytes) -> None:
        if self.wanted.tty:
            data = data.replace(b"\r", b"\n")
            self._told.append(tiny_shell.on_a_terminal(data))
        self._program.feed(data)
        self._changed.set()

    async def close_stdin(self) -> None:
        self._program.close_stdin()
        self._changed.set()

    async def resize(self, rows: int, columns: int) -> None:
        self._size = (rows, columns)
        if self.wanted.command == ("size",):
            self._tell_size()

    async def signal(self, number: int) -> None:
        self.finish(128 + number)

    async def wait(self) -> observed.Exit:
        return await asyncio.shield(self._exit)

    async def end(self) -> None:
        self.finish(129)
        self.ended = True

    def finish(self, code: int) -> None:
        """Let it end by itself."""
        if not self._exit.done():
            self._exit.set_result(observed.Exit(code, self._now()))
            self._changed.set()

    def _tell_size(self) -> None:
        self._told.append(b"%dx%d\n" % self._size)
        self._changed.set()

    def _shown(self, name: str, value: Any) -> tuple[str, Any]:
        if self.wanted.tty and name in ("stdout", "stderr"):
            return "stdout", tiny_shell.on_a_terminal(value)
        return name, value
