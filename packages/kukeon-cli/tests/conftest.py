"""Ways to run whole command lines: against a kukeond in memory, and with a process that behaves like kukeond."""

from __future__ import annotations

import contextlib
import ctypes
import io
import os
import queue
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors, model
from kukeon_cli import main, server, service
from kukeon_cli.commands import daemon
from kukeon_cli.output import Format, Output
from kukeon_cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from memory_client import MemoryClient


sys.path.append(str(Path(__file__).parent))  # last: others have a `conftest` of their own


@dataclass(frozen=True)
class Result:
    """What a command line did."""

    code: int
    out: str
    err: str


@dataclass
class Kuke:
    """Runs command lines like a shell would, against a kukeond in memory."""

    client: MemoryClient
    capture: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    environ: dict[str, str]
    dialled: list[str] = field(default_factory=list)

    def __call__(self, *arguments: str, stdin: bytes | None = None, environ: Mapping[str, str] = {}) -> Result:
        """Run `kuke` with `arguments`; without `stdin` that is an empty file."""
        for name in list(self.environ):
            self.monkeypatch.delenv(name, raising=False)
        for name, value in {**self.environ, **environ}.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin or b"")))
        self.capture.readouterr()
        try:
            code = main.run(arguments, Session(dial=self._dial, inside=self._inside))
        finally:
            for name in environ:
                self.monkeypatch.delenv(name, raising=False)
        captured = self.capture.readouterr()
        return Result(code, captured.out, captured.err)

    def _inside(self, server: server.Server) -> MemoryClient:
        self.dialled.append(f"inside {server.run_path}")
        return self.client

    def _dial(self, address: str) -> MemoryClient:
        self.dialled.append(address)
        return self.client


_PR_SET_CHILD_SUBREAPER = 36
"""prctl(2): orphans of ours become our children instead of init's."""


class Children:
    """The processes that a test started, and those that these left behind."""

    def __init__(self) -> None:
        self._before = set(self._all())

    def running(self) -> dict[int, str]:
        """Return the pids and command lines of those that still run; those that have ended are waited for."""
        found = {}
        for pid in set(self._all()) - self._before:
            ended, _ = os.waitpid(pid, os.WNOHANG)
            if not ended:
                found[pid] = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def end(self) -> None:
        """Kill what still runs, and what that leaves behind in turn."""
        while left := self.running():
            for pid in left:
                # It is our child and not waited for, so the pid can't be anybody else's.
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)

    @staticmethod
    def _all() -> list[int]:
        found: list[int] = []
        for thread in Path("/proc/self/task").iterdir():
            # A thread may end between the look at the directory and the look into it.
            with contextlib.suppress(FileNotFoundError):
                found += map(int, (thread / "children").read_text().split())
        return found


@pytest.fixture(autouse=True)
def children() -> Iterator[Children]:
    """What the test starts; it fails when it leaves a process behind, which is ended then."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    assert prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    started = Children()
    yield started
    left = started.running()
    started.end()
    prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
    assert not left, f"the test left processes behind: {left}"


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """`until(condition)` returns when the condition holds, and fails when it takes too long."""

    def wait(condition: Callable[[], bool]) -> None:
        end = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < end
            os.sched_yield()

    return wait


@pytest.fixture
def memory(until: Callable[[Callable[[], bool]], None]) -> Iterator[MemoryClient]:
    """A kukeond in memory; the threads of command lines that read from it end with the test."""
    before = set(threading.enumerate())
    import memory_client

    client = memory_client.MemoryClient()
    yield client
    client.end()
    until(lambda: not any(each.name == "kuke events" for each in set(threading.enumerate()) - before))


@pytest.fixture
def kuke(
    memory: MemoryClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    """`kuke(*arguments)` with a home of its own and none of the caller's settings."""
    for name in list(os.environ):
        if name.startswith(("KUKE", "_KUKE")):
            monkeypatch.delenv(name)
    # Whether the runner is installed is not to matter here; what needs it is tested with it.
    monkeypatch.setattr("kukeon_cli.local.available", lambda: False)
    home = tmp_path / "home"
    home.mkdir()
    return Kuke(memory, capsys, monkeypatch, {"HOME": str(home), "COLUMNS": "100", "NO_COLOR": "1"})


FAKE = Path(__file__).with_name("fake_kukeond.py")
DEADLINE_S = 20


class Host:
    """A run path of the test's own, the kukeond for it, and clients that reach it while it runs."""

    def __init__(self, directory: Path, memory: MemoryClient) -> None:
        self.run_path = directory / "run"
        self.run_path.mkdir()
        self.program = directory / "kukeond"
        self.program.write_text(f"#!{sys.executable}\n{FAKE.read_text()}")
        self.program.chmod(0o755)
        self.memory = memory
        self.stream = io.StringIO()
        self.started: list[int] = []

    def initialised(self) -> Host:
        (self.run_path / ".kukeon-instance.json").write_text("{}")
        return self

    @property
    def server(self) -> server.Server:
        return server.resolve({"run_path": str(self.run_path)}, {}, {})

    def service(self) -> service.Supervised:
        return service.Supervised(self.server, self.program)

    def behave(self, how: str) -> None:
        (self.run_path / "behaviour").write_text(how)

    def dial(self, address: str) -> Any:
        path = Path(address.removeprefix("unix://"))
        if not path.exists():
            self.memory.trouble["ping"] = [errors.Unavailable("cannot reach kukeond")]
        else:
            self.memory.trouble.pop("ping", None)
        return self.memory

    def out(self, form: Format = Format.TABLE) -> Output:
        self.stream = io.StringIO()
        return Output(form, self.stream)

    def start(self) -> str:
        daemon.start(self.server, self.service(), self.dial, self.out())
        return self.stream.getvalue()

    def stop(self, timeout_s: float = DEADLINE_S) -> str:
        daemon.stop(self.server, self.service(), self.out(), timeout_s=timeout_s)
        return self.stream.getvalue()


@pytest.fixture
def host(tmp_path: Path, memory: MemoryClient, children: Children) -> Iterator[Host]:
    made = Host(tmp_path, memory)
    yield made
    # Also one that has not come as far as its pid file.
    children.end()


class Told:
    """Events of a kukeond in memory: those it remembers, and those that a test tells."""

    def __init__(self, perform: Callable[..., Any]) -> None:
        self.perform = perform
        self.known: list[model.Event] = []
        self.coming: queue.SimpleQueue[Callable[[], object] | model.Event | BaseException] = queue.SimpleQueue()
        self.asked: list[str] = []

    def __call__(self, name: str, arguments: dict[str, Any], timeout: float | None) -> Any:
        if name != "events":
            return self.perform(name, arguments, timeout)
        if not arguments["follow"]:
            return iter(self.known)
        self.asked.append(arguments["since"])
        return self._follow()

    def _follow(self) -> Iterator[model.Event]:
        while True:
            each = self.coming.get()
            if isinstance(each, BaseException):
                raise each
            if isinstance(each, model.Event):
                yield each
            else:
                each()


@pytest.fixture
def told(memory: MemoryClient, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    made = Told(memory.perform)
    monkeypatch.setattr(memory, "perform", made)
    yield made
    # For the thread of a command line that still follows.
    made.coming.put(errors.Denied("the test is over"))
