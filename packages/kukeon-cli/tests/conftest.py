"""A way to run whole command lines against a kukeond in memory."""

from __future__ import annotations

import importlib.util
import io
import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_cli import main
from kukeon_cli.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from memory_client import MemoryClient


def _beside(name: str) -> Any:
    """Import a module that is beside this file: tests are no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


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
            code = main.run(arguments, Session(dial=self._dial))
        finally:
            for name in environ:
                self.monkeypatch.delenv(name, raising=False)
        captured = self.capture.readouterr()
        return Result(code, captured.out, captured.err)

    def _dial(self, address: str) -> MemoryClient:
        self.dialled.append(address)
        return self.client


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
def memory() -> MemoryClient:
    client: MemoryClient = _beside("memory_client").MemoryClient()
    return client


@pytest.fixture
def kuke(
    memory: MemoryClient, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., Result]:
    """`kuke(*arguments)` with a home of its own and none of the caller's settings."""
    for name in list(os.environ):
        if name.startswith(("KUKE", "_KUKE")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    return Kuke(memory, capsys, monkeypatch, {"HOME": str(home), "COLUMNS": "100", "NO_COLOR": "1"})
