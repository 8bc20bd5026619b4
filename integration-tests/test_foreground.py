"""Cells in the foreground, cells of profiles, and what waits for them."""

import json
import os
import pty
import select
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kuketest import manifests
from kuketest.instance import Instance
from kuketest.waiting import PATIENCE, until, until_equal


def cells(kukeon: Instance) -> list[str]:
    return kukeon.kuke("get", "cells", "-o", "name").out.split()


@pytest.mark.vm
def test_the_programs_output_and_code_are_kukes(kukeon: Instance) -> None:
    script = "echo out; echo err >&2; exit 7"
    ran = kukeon.kuke("run", "--name", "job", "--image", "busybox", "--", "/bin/sh", "-c", script, code=7)
    assert (ran.out, ran.err) == ("out\n", "err\n")
    assert kukeon.state("job") == "Error"
    described = kukeon.kuke("describe", "cell", "job").out
    assert "Last exit:     7" in described
    kukeon.kuke("delete", "cell", "job")


def test_rm_leaves_nothing_and_loses_nothing(kukeon: Instance) -> None:
    for number in range(5):
        line = ("run", "--rm", "--image", "busybox", "--", "/bin/sh", "-c", f"echo {number}; exit {number}")
        assert kukeon.kuke(*line, code=number).out == f"{number}\n"
    assert cells(kukeon) == []


@pytest.mark.parametrize("line", [("nosuch:9", "--", "true"), ("busybox", "--", "nosuch")])
@pytest.mark.parametrize("detached", [(), ("-d",)])
def test_a_cell_without_a_chosen_name_that_cannot_start_is_not_left(
    kukeon: Instance, line: tuple[str, ...], detached: tuple[str, ...]
) -> None:
    failed = kukeon.kuke("run", *detached, "--image", *line, code=None)
    assert failed.code != 0, failed
    assert "nosuch" in failed.err
    assert "warning" not in failed.err
    assert cells(kukeon) == []


def test_rm_holds_for_a_client_that_is_gone(kukeon: Instance) -> None:
    line = ("run", "--rm", "--name", "left", "--image", "busybox", "--", "/bin/sh", "-c", "echo on; sleep 2")
    with kukeon.spawn_kuke(*line) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "on\n"
        running.kill()
    kukeon.kuke("wait", "cell/left", "--for=deleted", "--timeout", "30s")


def test_it_goes_on_over_a_restart_of_kukeond(kukeon: Instance) -> None:
    script = "n=0; while [ $n -lt 30 ]; do echo $n; n=$((n+1)); sleep 0.1; done; exit 5"
    with kukeon.spawn_kuke("run", "--rm", "--image", "busybox", "--", "/bin/sh", "-c", script) as running:
        assert running.stdout is not None
        first = [running.stdout.readline() for _ in range(8)]
        kukeon.sigkill()
        kukeon.start()
        rest, err = running.communicate(timeout=60 * PATIENCE)
    assert (running.returncode, err) == (5, "")
    assert ("".join(first) + rest).split() == [str(number) for number in range(30)]
    assert cells(kukeon) == []


def test_ctrl_c_lets_the_program_say_goodbye(kukeon: Instance) -> None:
    script = "trap 'echo bye; exit 3' TERM; echo on; while :; do sleep 0.1; done"
    with kukeon.spawn_kuke("run", "--name", "polite", "--image", "busybox", "--", "/bin/sh", "-c", script) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "on\n"
        running.send_signal(signal.SIGINT)
        assert running.stdout.readline() == "bye\n"
        assert running.wait(30 * PATIENCE) == 3
    assert kukeon.state("polite") == "Stopped"
    kukeon.kuke("delete", "cell", "polite")


@contextmanager
def at_a_terminal(kukeon: Instance, *arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """Run `kuke` at a terminal of its own; yields the process and the other end of that."""
    ours, its = pty.openpty()
    command = [str(kukeon.programs / "kuke"), *arguments]
    with subprocess.Popen(
        command, stdin=its, stdout=its, stderr=its, env=kukeon.environment(), start_new_session=True
    ) as running:
        os.close(its)
        try:
            yield running, ours
        finally:
            running.kill()
            os.close(ours)


def shown(terminal: int, wanted: bytes) -> None:
    """Wait until `wanted` is on the screen."""
    seen = b""
    while wanted not in seen:
        ready, _, _ = select.select([terminal], [], [], 30 * PATIENCE)
        assert ready, f"{wanted!r} did not come: {seen!r}"
        seen += os.read(terminal, 4096)


@pytest.mark.vm
def test_a_shell_in_an_image_is_at_this_terminal(kukeon: Instance) -> None:
    line = ("run", "--rm", "--name", "shell", "--image", "busybox", "--", "/bin/sh")
    with at_a_terminal(kukeon, *line) as (running, terminal):
        shown(terminal, b"# ")
        os.write(terminal, b"echo a$((1+1))b\r")
        shown(terminal, b"a2b")
        os.write(terminal, b"exit 9\r")
        assert running.wait(30 * PATIENCE) == 9
    assert cells(kukeon) == []


def test_leaving_a_terminal_leaves_the_cell(kukeon: Instance) -> None:
    line = ("run", "--name", "shell", "--image", "busybox", "--", "/bin/sh")
    with at_a_terminal(kukeon, *line) as (running, terminal):
        shown(terminal, b"# ")
        os.write(terminal, b"\x1d\x1d")
        assert running.wait(30 * PATIENCE) == 0
    assert kukeon.state("shell") == "Ready"
    with at_a_terminal(kukeon, "run", "shell") as (running, terminal):
        os.write(terminal, b"exit 4\r")
        assert running.wait(30 * PATIENCE) == 4
    kukeon.kuke("delete", "cell", "shell")


def test_a_cell_of_a_profile(kukeon: Instance, tmp_path: Path) -> None:
    where = kukeon.home / ".kuke" / "profiles.d"
    where.mkdir(parents=True, exist_ok=True)
    script = "echo ${WORD} $KUKEON_CELL_PROFILE_NAME; trap 'exit 0' TERM; sleep 3600 & wait"
    container = manifests.container("main", script)
    parameters = [{"name": "WORD", "required": True}]
    spec = {"prefix": "box", "parameters": parameters, "cell": {"containers": [container]}}
    profile = {"kind": "CellProfile", "metadata": {"name": "dev"}, "spec": spec}
    (where / "dev.yaml").write_text(json.dumps(profile))
    assert "'WORD' has no value" in kukeon.kuke("run", "-d", "-p", "dev", code=2).err
    word = uuid.uuid4().hex
    name = kukeon.kuke("run", "-d", "-p", "dev", "--param", f"WORD={word}", "-o", "name").out.strip()
    assert name.startswith("cell/box-")
    name = name.removeprefix("cell/")
    until_equal(lambda: kukeon.kuke("log", name).out, f"{word} dev\n", "the log of the cell")
    assert kukeon.kuke("get", "cells", "-l", "kukeon.io/profile=dev", "-o", "name").out == f"cell/{name}\n"
    kukeon.kuke("delete", "cell", name)


@pytest.mark.exercises("Events")
def test_events_go_on_over_a_restart_of_kukeond(kukeon: Instance) -> None:
    with kukeon.spawn_kuke("events", "-f", "-o", "json", "--for", "cell/told") as following:
        assert following.stdout is not None
        kukeon.apply(manifests.sleeper("told"))
        kinds: list[str] = []
        while "Started" not in kinds:
            kinds.append(json.loads(following.stdout.readline())["type"])
        assert kinds[0] == "Created"
        kukeon.stop()
        kukeon.start()
        kukeon.kuke("delete", "cell", "told")
        until(lambda: json.loads(following.stdout.readline())["type"] == "Deleted", "the deletion to be told")
        following.send_signal(signal.SIGINT)
        assert following.wait(20) == 0


def test_get_shows_what_changes(kukeon: Instance) -> None:
    with kukeon.spawn_kuke("get", "cells", "-w", "-o", "json") as watching:
        assert watching.stdout is not None
        kukeon.apply(manifests.sleeper("seen"))
        states: list[str] = []
        while "Ready" not in states:
            states.append(json.loads(watching.stdout.readline())["status"]["state"])
        kukeon.kuke("delete", "cell", "seen")
        while "Deleted" not in states:
            states.append(json.loads(watching.stdout.readline())["status"]["state"])
        watching.send_signal(signal.SIGINT)
        assert watching.wait(20) == 0
