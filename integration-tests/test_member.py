"""A person of the group who is not root: everything about cells works, and nothing behind kukeond's back."""

import json
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kukeon_api import model
from kuketest import manifests
from kuketest.instance import Done, Instance
from kuketest.pseudo_terminal import Terminal, terminal
from kuketest.waiting import PATIENCE, until

GROUP = 64124
"""Of nobody, until a test runs in it."""
NOBODY = 65534
SOMEBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}")


@dataclass
class Person:
    """Somebody who uses the kukeon of a host; `prefix` makes a process theirs."""

    kukeon: Instance
    prefix: tuple[str, ...]

    def kuke(self, *arguments: str, code: int = 0, manifest: str | None = None) -> Done:
        return self.kukeon.kuke(*arguments, code=code, manifest=manifest, prefix=self.prefix)

    def spawn(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*self.prefix, str(self.kukeon.programs / "kuke"), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.kukeon.environment(),
            cwd=self.kukeon.home,
            text=True,
        )

    def at_a_terminal(self, *arguments: str) -> AbstractContextManager[Terminal]:
        command = [*self.prefix, str(self.kukeon.programs / "kuke"), *arguments]
        return terminal(command, self.kukeon.environment() | {"TERM": "xterm"}, str(self.kukeon.home))


@pytest.fixture(scope="module")
def home(new_instance: Callable[..., Instance], image_archive: Path) -> Iterator[Instance]:
    instance = new_instance("--containerd", "embedded", "--socket-gid", str(GROUP))
    instance.start()
    instance.kuke("image", "load", str(image_archive))
    yield instance
    instance.stop()


@pytest.fixture
def member(home: Instance) -> Person:
    return Person(home, (*SOMEBODY, f"--groups={GROUP}"))


@pytest.fixture
def stranger(home: Instance) -> Person:
    return Person(home, (*SOMEBODY, "--clear-groups"))


@pytest.fixture
def web(member: Person) -> Iterator[str]:
    """A cell that the member has made: a shell, and beside it a program that writes a line now and then."""
    shell = {"id": "main", "image": manifests.IMAGE, "command": "/bin/sh", "attachable": True}
    ticks = "trap 'exit 0' TERM; n=0; while :; do echo tick-$n; n=$((n+1)); sleep 0.2; done"
    member.kuke("apply", "-f", "-", manifest=manifests.cell("web", shell, manifests.container("clock", ticks)))
    yield "web"
    member.kuke("delete", "cell", "web")


def test_attach_and_exec(member: Person, web: str) -> None:
    for _ in range(2):
        with member.at_a_terminal("attach", web) as at:
            at.shows(b"Leave it with")
            at.type(b"echo attached-$((1+1))\r")
            at.shows(b"attached-2")
            at.resize(31, 97)
            at.type(b"until test \"$(stty size)\" = '31 97'; do sleep 0.1; done; echo sized-$((1+1))\r")
            at.shows(b"sized-2")
            at.type(b"\x1d\x1d")
            assert at.ends() == 0
            assert at.given_back
    with member.at_a_terminal("exec", "-it", web, "-c", "main", "--", "sh") as at:
        at.type(b"echo in-$((1+1))\r")
        at.shows(b"in-2")
        at.resize(40, 111)
        at.type(b"until test \"$(stty size)\" = '40 111'; do sleep 0.1; done; echo sized-$((1+1)); exit 6\r")
        at.shows(b"sized-2")
        assert at.ends() == 6
        assert at.given_back
    done = member.kuke("exec", "-i", web, "-c", "main", "--", "sh", "-c", "cat; id -u; exit 3", manifest="hi ", code=3)
    assert done.out == "hi 0\n"


def test_log_events_and_wait(member: Person, web: str) -> None:
    with member.kukeon.client() as client:
        spec = model.ContainerSpec(id="clock", realm_id="default", space_id="default", stack_id="default", cell_id=web)
        doc = model.ContainerDoc(metadata=model.Metadata(name="clock"), spec=spec)
        path = client.log_container(doc).host_log_path
    subprocess.run([*member.prefix, "test", "-r", path, "-a", "!", "-w", path], check=True)
    with member.spawn("log", "-f", web, "-c", "clock", "--tail", "1") as following:
        assert following.stdout is not None
        first = following.stdout.readline()
        assert first.startswith("tick-")
        assert following.stdout.readline() != first
        following.send_signal(signal.SIGINT)
        assert following.wait(20 * PATIENCE) == 0
    with (
        member.spawn("events", "-f", "--for", f"cell/{web}", "-o", "json") as events,
        member.spawn("wait", f"cell/{web}", "--for=state=Stopped", "--timeout", "60s") as waiting,
    ):
        assert events.stdout is not None
        member.kuke("stop", "cell", web)
        until(lambda: json.loads(events.stdout.readline())["type"] == "Stopped", "the stop to be told")
        events.send_signal(signal.SIGINT)
        assert events.wait(20 * PATIENCE) == 0
        assert waiting.wait(60 * PATIENCE) == 0
    member.kuke("start", "cell", web)


def test_run(member: Person) -> None:
    ran = member.kuke("run", "--rm", "--image", "busybox", "--", "sh", "-c", "echo out; echo err >&2; exit 4", code=4)
    assert (ran.out, ran.err) == ("out\n", "err\n")
    with member.at_a_terminal("run", "--rm", "--image", "busybox") as at:
        at.type(b"echo up-$((1+1)); exit 5\r")
        at.shows(b"up-2")
        assert at.ends() == 5
        assert at.given_back
    assert member.kuke("get", "cells", "-o", "name").out == ""


def test_what_is_behind_kukeond_is_not_theirs(member: Person, stranger: Person, web: str) -> None:
    lines = (("exec", web, "-c", "main", "--", "true"), ("stop", "cell", web), ("run", "--image", "busybox", "-d"))
    for line in lines:
        refused = member.kuke("--no-daemon", "--run-path", str(member.kukeon.run_path), *line, code=6)
        assert "hint: " in refused.err, refused
        refused = stranger.kuke(*line, code=6)
        assert "permission denied" in refused.err, refused
        assert f"usermod -aG {GROUP}" in refused.err, refused
    # Nor can they change it themselves.
    for path in (member.kukeon.run_path, *member.kukeon.run_path.rglob("*")):
        if path == member.kukeon.socket or path.is_symlink() or "/data/" not in f"{path}/":
            continue
        done = subprocess.run([*member.prefix, "test", "-w", str(path)], check=False)
        assert done.returncode != 0, path
