"""Programs that run beside a container's own, in memory: a few that do what programs of these names do."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from kukeon_runner import observed

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable

    from kukeon_api import errors
    from kukeon_runner.process_spec import Program

NAMES = frozenset({"echo", "cat", "sleep", "yes", "sh", "size"})


class FakeExecution:
    """A program that has started.

    `echo`, `cat`, `sleep` and `yes` do what everybody knows; `sh -c` knows `exit N` and `echo WORDS >&2`. `size` writes
    the size of its terminal, now and when it changes.
    """

    def __init__(self, wanted: Program, pid: int, now: Callable[[], dt.datetime]) -> None:
        self.pid = pid
        self.wanted = wanted
        self.ended = False
        self._now = now
        self._pieces: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
        self._flow = asyncio.Event()
        self._exit: asyncio.Future[observed.Exit] = asyncio.get_running_loop().create_future()
        self._error: errors.KukeonError | None = None
        match wanted.command:
            case ("echo", *words):
                self._say("stdout", *words)
                self.finish(0)
            case ("sh", "-c", script) if script.startswith("exit "):
                self.finish(int(script.removeprefix("exit ")))
            case ("sh", "-c", script) if script.startswith("echo ") and script.endswith(" >&2"):
                self._say("stderr", *script.split()[1:-1])
                self.finish(0)
            case ("sh", *_):
                self.finish(2)
            case ("yes",):
                self._flow.set()
            case ("size",):
                self._say("stdout", f"{wanted.rows}x{wanted.columns}")

    async def read(self) -> tuple[str, Any] | None:
        while True:
            if self._error is not None:
                raise self._error
            if self._pieces.empty() and self._exit.done():
                return None
            if self._pieces.empty() and self._flow.is_set():
                return "stdout", b"y\n" * 4096
            # Told of everything, also of the end and of a failure, which have no name.
            name, value = await self._pieces.get()
            if name:
                return name, value

    def fail(self, error: errors.KukeonError) -> None:
        self._error = error
        self._tell("", None)

    async def write(self, data: bytes) -> None:
        self._tell("stdin_taken", len(data))
        if self.wanted.command[0] == "cat":
            self._tell("stdout", data)

    async def close_stdin(self) -> None:
        if self.wanted.command[0] == "cat":
            self.finish(0)

    async def resize(self, rows: int, columns: int) -> None:
        if self.wanted.command[0] == "size":
            self._say("stdout", f"{rows}x{columns}")

    async def signal(self, number: int) -> None:
        self.finish(128 + number)

    async def wait(self) -> observed.Exit:
        return await asyncio.shield(self._exit)

    async def end(self) -> None:
        self.finish(129)
        self.ended = True

    def finish(self, code: int) -> None:
        """Let it end by itself."""
        self._flow.clear()
        if not self._exit.done():
            self._exit.set_result(observed.Exit(code, self._now()))
            self._tell("", None)

    def _say(self, stream: str, *words: str) -> None:
        self._tell("stdout" if self.wanted.tty else stream, " ".join(words).encode() + b"\n")

    def _tell(self, name: str, value: Any) -> None:
        self._pieces.put_nowait((name, value))
