"""`kuke` at a terminal: a real one, with somebody who types and looks."""

import contextlib
import fcntl
import os
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence

from kuketest.waiting import PATIENCE

LOOK_S = 30.0 * PATIENCE


class Terminal:
    """A terminal with a program in its foreground; `seen` is all that it has shown."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], cwd: str) -> None:
        self._ours, theirs = os.openpty()
        self.resize(24, 80)
        self.before = termios.tcgetattr(theirs)
        self._theirs = theirs
        self.seen = b""
        # setsid gives it the terminal as its controlling one, so that it hears of sizes and keys.
        self.process = subprocess.Popen(
            ["setsid", "-c", *command], stdin=theirs, stdout=theirs, stderr=theirs, env=dict(environment), cwd=cwd
        )

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    def shows(self, wanted: bytes) -> None:
        """Wait until `wanted` is seen, in what comes from now on or what came since the last call."""
        deadline = time.monotonic() + LOOK_S
        while wanted not in self.seen:
            assert time.monotonic() < deadline, f"waited for {wanted!r}, saw {self.seen!r}"
            self._look(0.1)
        self.seen = self.seen.split(wanted, 1)[1]

    def ends(self) -> int:
        """Wait for the program's end and return its exit code."""
        deadline = time.monotonic() + LOOK_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, f"it does not end; saw {self.seen!r}"
            self._look(0.05)
        while self._look(0.05):
            pass
        return self.process.returncode

    @property
    def given_back(self) -> bool:
        """Whether the terminal is as it was before."""
        return termios.tcgetattr(self._theirs) == self.before

    def _look(self, timeout_s: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], timeout_s)
        if ready:
            with contextlib.suppress(OSError):
                self.seen += os.read(self._ours, 65536)
                return True
        return False

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._theirs)
        os.close(self._ours)


@contextlib.contextmanager
def terminal(command: Sequence[str], environment: Mapping[str, str], cwd: str) -> Iterator[Terminal]:
    """Yield a terminal in which `command` runs."""
    made = Terminal(command, environment, cwd)
    try:
        yield made
    finally:
        made.close()
