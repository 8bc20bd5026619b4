"""What the shell is offered: `kuke __complete`, the protocol of programs written in Go."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from kukeon_api import errors, model

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from memory_client import MemoryClient

    from conftest import Kuke

WEB = model.Ref("default", "default", "default", "web")


@pytest.fixture(autouse=True)
def resources(memory: MemoryClient) -> None:
    memory.put(WEB)
    memory.put(model.Ref("default", "default", "default", "worker"))
    for ref in (("blue",), ("blue", "net"), ("blue", "net", "front"), ("blue", "net", "front", "shop")):
        memory.put(model.Ref(*ref))
    memory.load("default", "docker.io/library/busybox:latest")
    memory.load("blue", "docker.io/library/nginx:1")


@pytest.fixture
def offered(kuke: Kuke) -> Callable[..., list[str]]:
    def complete(*words: str, environ: dict[str, str] | None = None) -> list[str]:
        result = kuke("__complete", *words, environ=environ or {})
        assert result.code == 0
        *found, directive = result.out.splitlines()
        assert directive in (":4", ":0")
        return [line.partition("\t")[0] for line in found]

    return complete


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("get", "cell", ""), ["web", "worker"]),
        (("get", "cell", "w"), ["web", "worker"]),
        (("g", "ce", "w"), ["web", "worker"]),
        (("get", "cell", "--realm", "blue", ""), []),
        (("get", "cell", "--realm", "blue", "--space", "net", "--stack", "front", ""), ["shop"]),
        (("get", "cell", "--realm=blue", "--space=net", "--stack=front", ""), ["shop"]),
        (("get", "cells", "--space", ""), ["default", "net"]),
        (("get", "containers", "--cell", ""), ["shop", "web", "worker"]),
        (("delete", "cell", "--space", ""), ["default"]),
        (("delete", "cell", "--realm", "blue", "--space", ""), ["net"]),
        (("stop", "container", "--cell", ""), ["web", "worker"]),
        (("get", "cell", "--realm", "b"), ["blue"]),
        (("get", "cell", "--realm=b"), ["--realm=blue"]),
        (("get", "cell", "--realm", "blue", "--space", ""), ["net"]),
        (("get", "cell", "--realm", "blue", "--space", "net", "--stack", ""), ["front"]),
        (("get", "container", "--cell", "shop", ""), []),
        (("get", "container", "--realm=blue", "--space=net", "--stack=front", "--cell", "shop", ""), ["web"]),
        (("get", "image", ""), ["busybox:latest", "docker.io/library/busybox:latest"]),
        (("get", "image", "--realm", "blue", "n"), ["nginx:1"]),
        (("create", "cell", "new", "--image", "busy"), ["busybox:latest"]),
        (("create", "cell", ""), []),
        (("create", "registry-credential", "b"), ["blue"]),
        (("stop", "w"), ["web", "worker"]),
        (("stop", "web", "w"), ["worker"]),
        (("stop", "cell", "web", ""), ["worker"]),
        (("stop", "c"), ["cell", "container"]),
        (("stop", "container", "--cell", "web", ""), ["web"]),
        (("stop", "--realm", "blue", "--space", "net", "--stack", "front", ""), ["shop"]),
        (("delete", "cell", "web", "w"), ["worker"]),
        (("exec", "web", "-c", ""), ["web"]),
        (("log", "--realm=blue", "--space=net", "--stack=front", "shop", "--container", "w"), ["web"]),
        (("attach", "nope", "-c", ""), []),
        (("purge", "realm", "b"), ["blue"]),
        (("get", "cells", "-o", "w"), ["wide"]),
        (("get", "cells", "-o", "j"), ["json"]),
        (("no", "such", ""), []),
        (("apply", "--timeout", "nonsense", "--wai"), ["--wait"]),
        (("delete", "--cascade", "cell", "w"), ["web", "worker"]),
    ],
)
def test_names_within_what_was_typed(
    offered: Callable[..., list[str]], words: tuple[str, ...], expected: list[str]
) -> None:
    assert offered(*words) == expected


def test_commands_have_descriptions(kuke: Kuke) -> None:
    assert "restart\tStop and start cells or containers.\n" in kuke("__complete", "re").out
    assert kuke("__completeNoDesc", "refr").out == "refresh\n:4\n"


def test_the_directive_says_when_files_fit(kuke: Kuke) -> None:
    assert kuke("__complete", "get", "cell", "").out.splitlines()[-1] == ":4"
    assert kuke("__complete", "apply", "-f", "").out.splitlines()[-1] == ":0"
    assert kuke("__complete", "image", "load", "").out.splitlines()[-1] == ":0"


def test_the_environment_counts(offered: Callable[..., list[str]]) -> None:
    environ = {"KUKE_GET_CELL_REALM": "blue", "KUKE_GET_CELL_SPACE": "net", "KUKE_GET_CELL_STACK": "front"}
    assert offered("get", "cell", "", environ=environ) == ["shop"]


@pytest.mark.parametrize(
    ("words", "address"),
    [
        (("--host", "unix:///x.sock", "get", "cell", ""), "unix:///x.sock"),
        (("get", "cell", "--host", "unix:///x.sock", ""), "unix:///x.sock"),
        (("get", "--host=unix:///x.sock", "cell", ""), "unix:///x.sock"),
    ],
)
def test_the_kukeond_named_is_asked(
    kuke: Kuke, offered: Callable[..., list[str]], words: tuple[str, ...], address: str
) -> None:
    assert offered(*words) == ["web", "worker"]
    assert kuke.dialled == [address]


@pytest.mark.parametrize("error", [errors.Unavailable("away"), errors.Denied("no"), TypeError("bug")])
def test_errors_are_silent(kuke: Kuke, memory: MemoryClient, error: Exception) -> None:
    memory.trouble["list_cells"] = [error]
    result = kuke("__complete", "get", "cell", "")
    assert (result.code, result.out) == (0, ":4\n")
    assert "away" not in result.err


def test_a_broken_settings_file_is_silent_too(kuke: Kuke, tmp_path: object) -> None:
    assert kuke("__complete", "get", "cell", "", environ={"KUKE_CONFIGURATION": "/does/not/exist"}).out == ":4\n"


def test_kukeond_has_two_seconds(kuke: Kuke, memory: MemoryClient) -> None:
    times: list[float | None] = []
    perform = memory.perform

    def recording(name: str, arguments: dict[str, object], timeout: float | None) -> object:
        times.append(timeout)
        return perform(name, arguments, timeout)

    memory.perform = recording  # type: ignore[method-assign]
    kuke("__complete", "get", "cell", "")
    assert times == [2.0]


def test_a_process_of_its_own_prints_it_all(tmp_path: Path) -> None:
    """The process ends without the interpreter's last flush; nothing may be left in its buffers then."""
    command = [sys.executable, "-c", "from kukeon_cli.main import main; main()", "__complete", "get", "cell", ""]
    environ = {**os.environ, "HOME": str(tmp_path), "KUKEON_HOST": f"unix://{tmp_path}/none.sock"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, ":4\n")
    assert "none.sock" not in done.stderr


@pytest.mark.parametrize(("shell", "mark"), [("bash", "complete"), ("zsh", "compdef"), ("fish", "complete")])
def test_autocomplete(kuke: Kuke, shell: str, mark: str) -> None:
    result = kuke("autocomplete", shell)
    assert result.code == 0
    assert mark in result.out
    assert len(result.out) > 100


def test_names_are_completed_within_the_scope_typed(
    kuke: Kuke, memory: MemoryClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.put(model.Ref("default", "default", "default", "web"))
    memory.put(model.Ref("default", "default", "default", "worker"))
    memory.put(model.Ref("default", "default", "default", "api"))
    monkeypatch.setattr("kukeon_cli.session.Session.dial", lambda self, address: memory)

    def completed(line: str) -> list[str]:
        *found, _ = kuke("__completeNoDesc", *line.split(" ")[1:]).out.splitlines()
        return found

    assert completed("kuke get cell w") == ["web", "worker"]
    assert completed("kuke get cell --realm other w") == []
    assert completed("kuke log a") == ["api"]
    assert completed("kuke get cell --realm d") == ["default"]
    assert "apply" in completed("kuke a")
    memory.trouble["list_cells"] = [errors.Unavailable("away")]
    assert completed("kuke get cell w") == []
