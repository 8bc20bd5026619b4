"""A real kuketty as our own child, a program on a pty behind it as containerd's shim would have it, and raw clients."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import kukeon_runner.tty

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE_S = 20.0
HEADER = struct.Struct("!BI")
SCRIPT = str(Path(kukeon_runner.tty.__file__).with_name("__main__.py"))


def until(claim: Callable[[], object], what: str) -> None:
    """Wait until `claim` holds; a test's only way to wait."""
    deadline = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        select.select([], [], [], 0.005)


class Kuketty:
    def __init__(self, home: Path) -> None:
        self.home = home
        self.directory = home / "tty"
        self.control = home / "kuketty.sock"
        self.log = home / "kuketty.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.directory.mkdir()
        self.config = home / "kuketty.json"
        self.config.write_text(
            json.dumps({"directory": str(self.directory), "socket": str(self.control), "gid": 0, "version": "test"})
        )

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-IS", SCRIPT, str(self.config)], stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        pid = self.process.pid

        def serves() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text()
            try:
                return bool(self.ask("hello")["pid"] == pid)
            except OSError:
                return False

        until(serves, "kuketty to serve")

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(str(self.control))
            connection.sendall(json.dumps({"do": do, **fields}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                found: dict[str, Any] = json.loads(lines.readline())
                return found

    def open(self, task: str = "r/c", name: str = "00" * 8, **fields: Any) -> dict[str, Any]:
        given = {"capture": str(self.home / "capture"), "max_bytes": 1 << 20, "max_files": 3} | fields
        found = self.ask("open", name=name, task=task, **given)
        assert "error" not in found, found
        return found

    def resident_kb(self) -> int:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0])


class Shim:
    """Stands between a pty and the two FIFOs as containerd's does: it holds both ends of the output."""

    def __init__(self, opened: dict[str, Any], *command: str) -> None:
        self._in = os.open(opened["stdin"], os.O_RDONLY | os.O_NONBLOCK)
        self._reader = os.open(opened["stdout"], os.O_RDONLY | os.O_NONBLOCK)
        self._out = os.open(opened["stdout"], os.O_WRONLY)
        self.input_died = threading.Event()
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, start_new_session=True, env={"PATH": os.environ["PATH"]}
        )
        os.close(slave)
        os.set_blocking(self.master, False)
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._pass_output, self._pass_input)]
        self._over = threading.Event()
        for thread in self._threads:
            thread.start()

    def _pass_output(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                select.select([self.master], [], [])
                rest = memoryview(os.read(self.master, 65536))
                while rest:
                    rest = rest[os.write(self._out, rest) :]
        self._over.set()
        os.close(self._out)
        os.close(self._reader)

    def _pass_input(self) -> None:
        while not self._over.is_set():
            select.select([self._in], [], [], 0.05)
            try:
                data = os.read(self._in, 65536)
            except BlockingIOError:
                continue
            if not data:
                self.input_died.set()
                break
            self._type(data)
        os.close(self._in)

    def _type(self, data: bytes) -> None:
        """Write to the pty, which takes nothing while the program does not read."""
        while data and not self._over.is_set():
            try:
                data = data[os.write(self.master, data) :]
            except BlockingIOError:
                select.select([], [self.master], [], 0.05)
            except OSError:
                return

    def end(self) -> int:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        code = self.process.wait()
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
        with contextlib.suppress(OSError):
            os.close(self.master)
        return code


class Raw:
    """A client that speaks the documented bytes and knows nothing of our code."""

    def __init__(self, path: str, hello: bytes | None = b"\x01\x00\x00\x00\x0a" + b"\x01\x00" + b"\x00" * 8) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(PATIENCE_S)
        try:
            self.socket.connect(path)
        except OSError:
            self.socket.close()
            raise
        self.shown = b""
        self._rest = b""
        if hello is not None:
            self.socket.sendall(hello)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, kind: int, payload: bytes = b"") -> None:
        self.socket.sendall(HEADER.pack(kind, len(payload)) + payload)

    def frames(self) -> Iterator[tuple[int, bytes]]:
        """Yield frames until the other side hangs up."""
        while True:
            while len(self._rest) >= HEADER.size:
                kind, size = HEADER.unpack_from(self._rest)
                if len(self._rest) < HEADER.size + size:
                    break
                payload = self._rest[HEADER.size : HEADER.size + size]
                self._rest = self._rest[HEADER.size + size :]
                yield kind, payload
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return
            if not data:
                return
            self._rest += data

    def next(self, wanted: int) -> bytes:
        """Return the payload of the next frame of kind `wanted`; output on the way is put into `shown`."""
        for kind, payload in self.frames():
            if kind == 0x82:
                self.shown += payload
            if kind == wanted:
                return payload
        raise AssertionError(f"hung up before a frame of kind {wanted:#x}; shown: {self.shown[-300:]!r}")

    def wait_shown(self, text: bytes) -> bytes:
        """Read output until `text` was shown since the last such wait, and return what was shown up to its end."""
        for kind, payload in self.frames():
            if kind == 0x82:
                self.shown += payload
            if text in self.shown:
                before, _, self.shown = self.shown.partition(text)
                return before + text
        raise AssertionError(f"hung up before {text!r} was shown: {self.shown[-300:]!r}")


@contextlib.contextmanager
def kuketty(home: Path) -> Iterator[Kuketty]:
    made = Kuketty(home)
    made.start()
    try:
        yield made
    finally:
        made.kill()
