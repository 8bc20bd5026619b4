"""What a program in a kukeon in memory is: a function of its process, which a test registers.

    def greet(process: programs.Process) -> int:
        for line in process.stdin:
            process.stdout.write(b"hello " + line)
        return 3

    client.programs["greet"] = greet

It is run where somebody runs `greet` in a container, and where it is a container's own command: then what it writes is
the container's log (or what its terminal shows), and what it returns ends the container. Each run has a thread of its
own. `BASIC` has a few programs of every image: `client.programs.update(programs.BASIC)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from kukeon_api import tiny_shell

if TYPE_CHECKING:
    import io
    from collections.abc import Mapping

    from kukeon_api import model


class Ended(BaseException):
    """Raised in a program that reads, writes or waits and is not there any more: a signal or its container ended it.

    Nobody needs to catch it.
    """


class Writer(Protocol):
    """Where a program writes."""

    def write(self, data: bytes, /) -> int:
        """Write all of `data`; waits while nobody takes it."""


class Process(Protocol):
    """A run of a program, as the program sees it. Reading, writing and waiting raise `Ended` when it is over."""

    @property
    def argv(self) -> tuple[str, ...]:
        """The command, with the program's name first."""

    @property
    def env(self) -> Mapping[str, str]:
        """Its environment: the container's, and what was said in addition."""

    @property
    def user(self) -> str:
        """Who runs it, as it was asked for; "" for the container's own."""

    @property
    def working_dir(self) -> str:
        """Where it runs, as it was asked for; "" for the container's own."""

    @property
    def ref(self) -> model.Ref:
        """The container."""

    @property
    def tty(self) -> bool:
        """Whether it runs on a terminal; that shows what is typed, and takes Ctrl-C and Ctrl-D."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the terminal, now."""

    @property
    def stdin(self) -> io.BufferedReader:
        """What it is given; `read1` waits for the next piece only."""

    @property
    def stdout(self) -> Writer:
        """What it writes."""

    @property
    def stderr(self) -> Writer:
        """What it complains about; on a terminal the same as `stdout`."""

    def sleep(self, seconds: float | None = None) -> None:
        """Wait that long; None: until it is ended."""

    def on_signal(self, number: int, handle: Callable[[], object]) -> None:
        """Have `handle` called, on some thread, when the signal comes, instead of ending it."""


Program = Callable[[Process], "int | None"]
"""Returns the exit code, None for 0. One that raises writes the traceback to stderr and ends with 1."""


def tiny(process: Process) -> int:
    """Do what `kukeon_api.tiny_shell` knows: echo, cat, env, sleep, seq, true, false, yes, and `sh -c` of these."""
    argv = (process.argv[0].rpartition("/")[2], *process.argv[1:])
    program = tiny_shell.TinyProgram(argv, process.env, lambda: process.size)
    while program.code is None:
        match program.next():
            case "stdout", data:
                process.stdout.write(data)
            case "stderr", data:
                process.stderr.write(data)
            case None if program.code is None and program.reads:
                data = process.stdin.read1()
                program.feed(data)
                if not data:
                    program.close_stdin()
            case None if program.code is None:
                process.sleep(program.pause_s)
                program.wake()
    return program.code


BASIC: Mapping[str, Program] = dict.fromkeys(sorted(tiny_shell.NAMES), tiny)
"""By name."""
