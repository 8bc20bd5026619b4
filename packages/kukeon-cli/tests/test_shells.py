"""Completion as people have it: real shells on a terminal, keys typed, and what the shell then runs."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Children, Kuke

SHELLS = ("bash", "zsh", "fish")
DEADLINE_S = 30.0

# What completion asks is answered for real, by a kukeond in memory; what is run says what it was given.
PROGRAM = """\
import os, sys
sys.path[:0] = {path!r}
if not sys.argv[1].startswith("__complete"):
    print("RAN<" + "|".join(sys.argv[1:]) + ">")
    sys.exit()
from kukeon_cli import main, session
import memory_client
from kukeon_api import model
memory = memory_client.MemoryClient()
memory.put(model.Ref("default", "default", "default", "web-one"))
memory.put(model.Ref("lab"))
memory.load("default", "docker.io/library/busybox:latest")
sys.exit(main.run(sys.argv[1:], session.Session(dial=lambda address: memory)))
"""

START = {
    "bash": ["bash", "--noprofile", "--norc", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
SETUP = {
    "bash": "PS1='READY$ '; bind 'set enable-bracketed-paste off'; source {script}",
    "zsh": "PS1='READY$ '; autoload -Uz compinit && compinit -u -D && source {script}",
    "fish": "function fish_prompt; echo -n 'READY$ '; end; source {script}",
}


class Terminal:
    """A shell on a terminal of its own."""

    def __init__(self, shell: str, directory: Path, script: Path) -> None:
        program = directory / "kuke"
        path = [str(Path(__file__).parent), *sys.path]
        program.write_text(f"#!{sys.executable}\n{PROGRAM.format(path=path)}")
        program.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KUKE", "_KUKE"))}
        environ = {**kept, "PATH": f"{directory}:{os.environ['PATH']}", "HOME": str(directory), "TERM": "dumb"}
        self.shown = ""
        self.terminal, theirs = pty.openpty()
        # Not pty.fork(): other tests may have left threads, beside which a fork is none.
        command = ["setsid", "--ctty", *START[shell]]
        self.shell = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=directory, env=environ)
        os.close(theirs)
        self.type(SETUP[shell].format(script=script) + "\n")
        self.type("kuke ready\n")
        self.wait_for("RAN<ready>")

    def type(self, keys: str) -> None:
        os.write(self.terminal, keys.encode())

    def wait_for(self, text: str) -> None:
        """Read what is shown until `text` is in it; fail when it does not come."""
        end = time.monotonic() + DEADLINE_S
        while text not in self.shown:
            readable, _, _ = select.select([self.terminal], [], [], max(0.0, end - time.monotonic()))
            assert readable, f"{text!r} did not come: {self.shown!r}"
            self.shown += os.read(self.terminal, 1 << 16).decode(errors="replace")

    def close(self) -> None:
        self.shell.kill()
        self.shell.wait()
        os.close(self.terminal)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed here: scripts/system-packages tests")
    return name


@pytest.fixture
def terminal(shell: str, kuke: Kuke, tmp_path: Path, children: Children) -> Iterator[Terminal]:
    directory = tmp_path / "shell"
    directory.mkdir()
    script = directory / f"kuke.{shell}"
    script.write_text(kuke("autocomplete", shell).out)
    (directory / "some-manifest.yaml").write_text("")
    made = Terminal(shell, directory, script)
    yield made
    made.close()
    # Whatever the shell had running in that moment.
    children.end()


@pytest.mark.parametrize(
    ("typed", "ran"),
    [
        ("kuke daem\trest\t", "daemon|restart"),
        ("kuke get cell web\t", "get|cell|web-one"),
        ("kuke get cells --real\tlab", "get|cells|--realm|lab"),
        ("kuke get cells --realm la\t", "get|cells|--realm|lab"),
        ("kuke get cells --realm=la\t", "get|cells|--realm=lab"),
        ("kuke get cells -o js\t", "get|cells|-o|json"),
        ("kuke delete image busybox:la\t", "delete|image|busybox:latest"),
        ("kuke explain cell.spec.rootC\t", "explain|cell.spec.rootContainerId"),
        ("kuke apply -f some-m\t", "apply|-f|some-manifest.yaml"),
    ],
)
def test_tab(terminal: Terminal, typed: str, ran: str) -> None:
    *parts, rest = typed.split("\t")
    for part in parts:
        terminal.type(part + "\t")
    terminal.type(rest + "\n")
    terminal.wait_for(f"RAN<{ran}>")


def test_a_script_says_what_shells_look_for(kuke: Kuke) -> None:
    marks = {"bash": "complete", "zsh": "#compdef kuke", "fish": "complete"}
    for shell, mark in marks.items():
        result = kuke("autocomplete", shell)
        assert (result.code, result.err) == (0, "")
        assert mark in result.out
        assert len(result.out) > 100
    assert kuke("autocomplete", "tcsh").code == 2
