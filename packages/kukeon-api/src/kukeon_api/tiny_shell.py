"""A few programs that do what those of these names do, without a host: for kukeons in memory. Pure.

`sh -c` knows commands one after the other (`;`, a new line, `&`), words with `$VARIABLES`, `>&2` behind `echo`, and
beside the commands below `exit`, `read`, `wait` and `stty size`. What it does not know it does not find, like any
shell.
"""

from __future__ import annotations

import collections
import re
import shlex
import string
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from kukeon_api.parts import Part

    Doing = Generator[Part | None, None, int]
    """What a program writes, one part after the other; None: it waits. At the end its exit code."""

NAMES = frozenset({"echo", "cat", "env", "sleep", "yes", "true", "false", "sh", "seq"})
NOT_FOUND = 127
MISUSED = 2

_SEPARATORS = frozenset({";", "&"})
_TIME = re.compile(r"(\d+(?:\.\d+)?)([smhd]?)|inf(?:inity)?")
_UNITS_S = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class TinyProgram:
    """A program that has started. `size` tells rows and columns of its terminal."""

    def __init__(
        self, argv: Sequence[str], env: Mapping[str, str], size: Callable[[], tuple[int, int]] = lambda: (0, 0)
    ) -> None:
        self.code: int | None = None
        """Its exit code, None as long as it has not ended."""
        self.reads = False
        """Whether what it waits for is input; else it sleeps."""
        self.pause_s: float | None = None
        """How long it sleeps, None for ever: whoever runs it calls `wake` then, or lets no time pass."""
        self._awake = False
        self._env = env
        self._size = size
        self._input: collections.deque[bytes] = collections.deque()
        self._input_ends = False
        self._doing = self._command(list(argv))

    def next(self) -> Part | None:
        """Return what it does next: `stdout`, `stderr` or `stdin_taken`; None when it waits, or has ended."""
        if self.code is not None:
            return None
        try:
            return next(self._doing)
        except StopIteration as end:
            self.code = end.value
            return None

    def feed(self, data: bytes) -> None:
        """Give it input."""
        if data:
            self._input.append(data)

    def close_stdin(self) -> None:
        """End its input."""
        self._input_ends = True

    def wake(self) -> None:
        """Tell it that it has slept as long as it wanted to."""
        self._awake = True

    def _command(self, argv: list[str]) -> Doing:
        match argv:
            case ["echo", *words, ">&2"]:
                yield "stderr", " ".join(words).encode() + b"\n"
            case ["echo", *words]:
                yield "stdout", " ".join(words).encode() + b"\n"
            case ["seq", last] if last.isdecimal():
                for number in range(1, int(last) + 1):
                    yield "stdout", b"%d\n" % number
            case ["env"]:
                yield "stdout", "".join(f"{name}={value}\n" for name, value in self._env.items()).encode()
            case ["cat"]:
                while data := (yield from self._read()):
                    yield "stdout", data
            case ["sleep", *times]:
                return (yield from self._sleep(times))
            case ["yes"]:
                while True:
                    yield "stdout", b"y\n" * 4096
            case ["stty", "size"]:
                yield "stdout", b"%d %d\n" % self._size()
            case ["true"] | ["trap" | "wait", *_]:  # what is put behind is waited for where it begins
                pass
            case ["false"]:
                return 1
            case ["sh", "-c", script, *_]:
                return (yield from self._script(script))
            case ["sh"]:
                return (yield from self._interactive())
            case ["read", *_]:
                return 0 if (yield from self._line()) else 1
            case ["seq" | "env" | "cat" | "yes" | "stty" | "sh", *_]:
                yield "stderr", f"{argv[0]}: cannot do {shlex.join(argv)}\n".encode()
                return MISUSED
            case _:
                yield "stderr", f"sh: {argv[0] if argv else ''}: not found\n".encode()
                return NOT_FOUND
        return 0

    def _script(self, script: str) -> Doing:
        code = 0
        for argv in _commands(script):
            words = [string.Template(word).safe_substitute(self._env) for word in argv]
            if words[0] == "exit":
                return int(words[1]) if words[1:] else code
            code = yield from self._command(words)
        return code

    def _interactive(self) -> Doing:
        code = 0
        while line := (yield from self._line()):
            for argv in _commands(line.decode(errors="replace")):
                if argv[0] == "exit":
                    return int(argv[1]) if argv[1:] else code
                code = yield from self._command(argv)
        return code

    def _sleep(self, times: list[str]) -> Doing:
        found = [_TIME.fullmatch(each) for each in times]
        if not all(found):
            yield "stderr", f"sleep: cannot do {shlex.join(times)}\n".encode()
            return 1
        spans = [float(each[1]) * _UNITS_S[each[2]] for each in found if each is not None and each[1]]
        self.pause_s = sum(spans) if spans and len(spans) == len(times) else None
        self.reads = self._awake = False
        while not self._awake:
            yield None
        return 0

    def _read(self) -> Generator[Part | None, None, bytes]:
        """Wait for input and return it; b"" at its end."""
        while not self._input:
            if self._input_ends:
                return b""
            self.reads = True
            yield None
        data = self._input.popleft()
        yield "stdin_taken", len(data)
        return data

    def _line(self) -> Generator[Part | None, None, bytes]:
        line = b""
        while b"\n" not in line:
            data = yield from self._read()
            if not data:
                return line
            line += data
        line, _, rest = line.partition(b"\n")
        if rest:
            self._input.appendleft(rest)
        return line + b"\n"


def on_a_terminal(data: bytes) -> bytes:
    """Return what a terminal makes of what a program writes, or of what is typed: ONLCR, termios(3)."""
    return data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _commands(script: str) -> Iterator[list[str]]:
    found: Any = shlex.shlex(script.replace("\n", " ; "), posix=True, punctuation_chars=";")
    found.whitespace_split = True
    found.commenters = ""
    argv: list[str] = []
    for word in found:
        if word in _SEPARATORS:
            if argv:
                yield argv
            argv = []
        else:
            argv.append(word)
    if argv:
        yield argv
