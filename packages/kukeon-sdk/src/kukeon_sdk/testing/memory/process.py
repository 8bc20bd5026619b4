"""Processes in memory: a thread for each, input and output, signals, and one end."""

from __future__ import annotations

import collections
import contextlib
import io
import signal
import threading
import traceback
from typing import TYPE_CHECKING, Any

from kukeon_api import tiny_shell
from kukeon_sdk.testing.programs import Ended

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from kukeon_api import model
    from kukeon_sdk.testing.programs import Program

CTRL_C, CTRL_D = b"\x03", b"\x04"

IGNORED = frozenset({signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH})
"""What ends nobody: signal(7)."""


class Process:
    """A run of a program; see `programs.Process` for what that one sees.

    `wrote(stream, data)` is called for what it writes and may wait, `echoed(data)` for what its terminal shows of what
    is typed and may not, `taken(bytes)` for the input it takes, `ended(code)` once, when it is over.
    """

    def __init__(
        self,
        ref: model.Ref,
        argv: Sequence[str],
        *,
        env: Sequence[str] = (),
        user: str = "",
        working_dir: str = "",
        tty: bool = False,
        rows: int = 0,
        columns: int = 0,
        wrote: Callable[[str, bytes], None],
        echoed: Callable[[bytes], None],
        taken: Callable[[int], None] = lambda count: None,
        ended: Callable[[int], None],
    ) -> None:
        self.ref = ref
        self.argv = tuple(argv)
        self.env: Mapping[str, str] = dict(_variable(entry) for entry in env)
        self.user = user
        self.working_dir = working_dir
        self.tty = tty
        self.size = (rows, columns)
        self.stdin: io.BufferedReader = io.BufferedReader(_Input(self))
        self.stdout = _Writer(self, "stdout")
        self.stderr = _Writer(self, "stdout" if tty else "stderr")
        self._wrote = wrote
        self._echoed = echoed
        self._taken = taken
        self._ended = ended
        self._changed = threading.Condition()
        self._input: collections.deque[bytes] = collections.deque()
        self._input_ends = False
        self._over = False
        self._handlers: dict[int, Callable[[], object]] = {}

    def run(self, program: Program) -> None:
        """Begin."""
        threading.Thread(target=self._run, args=(program,), name=f"program {self.argv[0]}", daemon=True).start()

    def sleep(self, seconds: float | None = None) -> None:
        """Wait; see `programs.Process`."""
        with self._changed:
            self._changed.wait_for(lambda: self._over, seconds)
            self._check()

    def on_signal(self, number: int, handle: Callable[[], object]) -> None:
        """Take a signal; see `programs.Process`."""
        with self._changed:
            self._handlers[number] = handle

    # The other side.

    def feed(self, data: bytes) -> None:
        """Give it input, as from a pipe or a keyboard."""
        if not self.tty:
            self._put(data)
            return
        while data:
            at = min((found for found in map(data.find, (CTRL_C, CTRL_D)) if found >= 0), default=len(data))
            typed, key, data = data[:at].replace(b"\r", b"\n"), data[at : at + 1], data[at + 1 :]
            if typed:
                if not self._over:
                    self._echoed(tiny_shell.on_a_terminal(typed))
                self._put(typed)
            if key == CTRL_C:
                self.signal(signal.SIGINT)
            elif key == CTRL_D:
                self.close_stdin()

    def close_stdin(self) -> None:
        """End its input."""
        with self._changed:
            self._input_ends = True
            self._changed.notify_all()

    def resize(self, rows: int, columns: int) -> None:
        """Change the size of its terminal."""
        if rows and columns:
            self.size = (rows, columns)
            self.signal(signal.SIGWINCH)

    def signal(self, number: int) -> None:
        """Send a signal: its handler is called, or it ends."""
        handle = None if number == signal.SIGKILL else self._handlers.get(number)
        if handle is not None:
            handle()
        elif number not in IGNORED:
            self.end(128 + number)

    def end(self, code: int) -> None:
        """Have it over, whether or not its thread notices."""
        with self._changed:
            if self._over:
                return
            self._over = True
            self._changed.notify_all()
        self._ended(code)

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._over

    def write(self, stream: str, data: bytes) -> None:
        """Have something written."""
        self._check()
        if data:
            self._wrote(stream, tiny_shell.on_a_terminal(data) if self.tty else data)

    def take(self, most: int) -> bytes:
        """Wait for input and take it; b"" at its end."""
        with self._changed:
            self._changed.wait_for(lambda: self._input or self._input_ends or self._over)
            self._check()
            if not self._input:
                return b""
            data = self._input.popleft()
            if len(data) > most:
                self._input.appendleft(data[most:])
                data = data[:most]
        self._taken(len(data))
        return data

    def _put(self, data: bytes) -> None:
        with self._changed:
            if data and not self._input_ends:
                self._input.append(data)
                self._changed.notify_all()

    def _check(self) -> None:
        if self._over:
            raise Ended

    def _run(self, program: Program) -> None:
        try:
            code = program(self) or 0
        except Ended:
            return
        except Exception:
            code = 1
            with contextlib.suppress(Ended):
                self.stderr.write(traceback.format_exc().encode())
        self.end(code)


class _Writer:
    def __init__(self, process: Process, stream: str) -> None:
        self._process = process
        self._stream = stream

    def write(self, data: bytes, /) -> int:
        self._process.write(self._stream, bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""


class _Input(io.RawIOBase):
    def __init__(self, process: Process) -> None:
        super().__init__()
        self._process = process

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._process.take(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _variable(entry: str) -> tuple[str, str]:
    name, _, value = entry.partition("=")
    return name, value
