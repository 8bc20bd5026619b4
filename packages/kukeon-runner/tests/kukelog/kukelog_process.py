"""A running kukelog, as containerd's shim starts it: real pipes on fds 3, 4 and 5."""

import array
import fcntl
import os
import re
import select
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[2] / "src" / "kukeon_runner" / "native"
ENTRY = re.compile(rb"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) (stdout|stderr) ([PF]) ([^\n]*)\n")
START = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z stderr F:start \n")
DEADLINE_S = 20.0
# What the shim does: its three descriptors become 3, 4 and 5 of the program.
LAUNCH = """
import fcntl, os, sys
given = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 50) for fd in sys.argv[1:4]]
for fd, place in zip(given, (3, 4, 5)):
    os.dup2(fd, place)
os.closerange(6, 100)
os.execv(sys.argv[4], sys.argv[4:])
"""


class Logger:
    """A running kukelog and the ends of its pipes that a container and the shim hold."""

    def __init__(self, program: Path, arguments: list[str], umask: int = 0o022) -> None:
        out, self.stdout = os.pipe()
        err, self.stderr = os.pipe()
        self.ready, ready = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-IS", "-c", LAUNCH, str(out), str(err), str(ready), str(program), *arguments],
            pass_fds=(out, err, ready),
            stderr=subprocess.PIPE,
            umask=umask,
            env={"ASAN_OPTIONS": "detect_leaks=0"},
        )
        for fd in (out, err, ready):
            os.close(fd)
        self.open = {self.stdout, self.stderr, self.ready}

    def wait_ready(self) -> None:
        assert select.select([self.ready], [], [], DEADLINE_S)[0], "fd 5 was not closed"
        assert os.read(self.ready, 1) == b""

    def say(self, text: bytes, stream: str = "stdout") -> None:
        fd = self.stdout if stream == "stdout" else self.stderr
        while text:
            assert select.select([], [fd], [], DEADLINE_S)[1], "the program was blocked"
            text = text[os.write(fd, text[:4096]) :]

    def close(self, fd: int) -> None:
        self.open.discard(fd)
        os.close(fd)

    def finish(self) -> int:
        for fd in list(self.open):
            self.close(fd)
        _, trouble = self.process.communicate(timeout=DEADLINE_S)
        assert trouble == b""
        return self.process.returncode

    def abandon(self) -> None:
        for fd in list(self.open):
            self.close(fd)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


Start = Callable[..., Logger]


def entries(*paths: Path) -> list[tuple[str, str, bytes]]:
    """Return (stream, tag, text) of every line but those that begin runs; every byte must belong to one."""
    found = []
    for path in paths:
        content = START.sub(b"", path.read_bytes())
        matches = list(ENTRY.finditer(content))
        assert b"".join(match.group(0) for match in matches) == content
        found += [(match.group(2).decode(), match.group(3).decode(), match.group(4)) for match in matches]
    return found


def joined(found: list[tuple[str, str, bytes]], stream: str) -> list[bytes]:
    """Return a stream's lines as the program wrote them."""
    lines, part = [], b""
    for name, tag, text in found:
        if name == stream:
            part += text
            if tag == "F":
                lines.append(part)
                part = b""
    assert part == b""
    return lines


def wait_until(condition: Callable[[], bool], nudge: Callable[[], None] = lambda: None) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        nudge()
        time.sleep(0.01)


def pipe_bytes(fd: int) -> int:
    held = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, held)
    return held[0]
