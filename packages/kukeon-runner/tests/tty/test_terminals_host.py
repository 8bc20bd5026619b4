"""Terminals behind containerd's own shim: what a program in a container sees, whoever dies around it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import stat
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from kuketty_process import Raw, until

from kukeon_runner.host.containerd.archive import import_archive
from kukeon_runner.host.kuketty import Kuketty
from kukeon_runner.host.terminals import LinuxTerminals
from kukeon_runner.terminals import Terminal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from kukeon_runner.host.containerd.client import Namespaced
    from kukeon_runner.testing.containerd import PrivateContainerd

pytestmark = pytest.mark.host

BUSYBOX = "docker.io/library/busybox:latest"
INPUT, LIVE, ENDED = 0x02, 0x83, 0x84


async def chunks(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(65536):
            yield data


@pytest.fixture
def home() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="kt-", dir="/tmp"))
    yield made
    shutil.rmtree(made)


def describe(home: Path) -> Kuketty:
    return Kuketty(directory=f"{home}/tty", socket=f"{home}/kuketty.sock", log=f"{home}/kuketty.log", gid=0)


@pytest.fixture
async def kuketty(home: Path) -> AsyncIterator[Kuketty]:
    made = describe(home)
    yield made
    await made.stop()


@pytest.fixture
async def loaded(namespace: Namespaced, busybox_archive: Path) -> Namespaced:
    await import_archive(namespace, chunks(busybox_archive))
    return namespace


async def run(within: Namespaced, terminals: LinuxTerminals, home: Path, *args: str, typing: str = "") -> str:
    """Run a program on a terminal and return the path of its socket."""
    image = await within.resolve(BUSYBOX)
    async with within.lease("test") as leased:
        await leased.snapshots.prepare("one", image.chain_id)
        process = {
            "user": {"uid": 0, "gid": 0},
            "terminal": True,
            "consoleSize": {"height": 24, "width": 80},
            "args": list(args),
            "env": ["PATH=/bin", "TERM=xterm"],
            "cwd": "/",
        }
        mounts = [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]},
            {
                "destination": "/dev/pts",
                "type": "devpts",
                "source": "devpts",
                "options": ["newinstance", "ptmxmode=0666", "mode=0620"],
            },
        ]
        document = {
            "ociVersion": "1.0.2",
            "process": process,
            "root": {"path": "rootfs"},
            "mounts": mounts,
            "linux": {
                "cgroupsPath": f"/{within.name}/one",
                "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount", "network")],
            },
        }
        await leased.containers.create("one", spec=document, image=BUSYBOX, snapshot_key="one")
    (home / "main").mkdir(exist_ok=True)
    wanted = Terminal(secrets.token_hex(8), f"{home}/main/tty/capture", typing)
    stdin, stdout = await terminals.open(within.name, "one", wanted)
    root = await within.snapshots.mounts("one")
    await within.tasks.create("one", mounts=root, stdin=stdin, stdout=stdout, terminal=True)
    await within.tasks.start("one")
    await terminals.started(within.name, "one")
    return f"{home}/tty/{wanted.name}.sock"


def talk(socket: str, line: bytes, answer: bytes) -> bytes:
    with Raw(socket) as client:
        client.next(LIVE)
        client.send(INPUT, line + b"\r")
        return client.wait_shown(answer)


async def test_typing_output_exit_and_nothing_left(loaded: Namespaced, kuketty: Kuketty, home: Path) -> None:
    terminals = LinuxTerminals(kuketty, 0)
    async with terminals.running():
        socket = await run(loaded, terminals, home, "sh", typing="export PS1='cell> '\recho typed-$((1+1))\r")
        with Raw(socket) as client:
            await asyncio.to_thread(client.wait_shown, b"typed-2\r\ncell> ")
            client.send(INPUT, b"test -t 0 && test -t 1 && echo on-a-$((0))-tty; stty size\r")
            await asyncio.to_thread(client.wait_shown, b"on-a-0-tty\r\n24 80\r\n")
            client.send(INPUT, b"exit 5\r")
            ended = await loaded.tasks.wait("one")
            await terminals.ended(loaded.name, "one", ended.code)
            assert struct.unpack("!i", await asyncio.to_thread(client.next, ENDED)) == (5,)
        await loaded.tasks.delete("one")
        await terminals.close(loaded.name, "one")
        assert [each.name for each in (home / "tty").iterdir()] == [".bind"]
        assert b"on-a-0-tty" in (home / "main/tty/capture").read_bytes()


async def test_the_program_survives_the_death_of_everybody_around_it(
    loaded: Namespaced, kuketty: Kuketty, home: Path, containerd_process: PrivateContainerd
) -> None:
    first = LinuxTerminals(kuketty, 0)
    async with first.running():
        socket = await run(loaded, first, home, "sh", typing="echo typed-$((1+1))\r")
        await asyncio.to_thread(talk, socket, b"kept=yes", b"typed-2")
        for round_ in range(2):
            # kuketty dies: kukeond holds the input, and starts it again by itself.
            pid = kuketty.pid()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            await asyncio.to_thread(until, lambda gone=pid: kuketty.pid() not in (None, gone), "kuketty to come back")
            await asyncio.to_thread(until, lambda: answers(socket), "the socket")
            await asyncio.to_thread(talk, socket, f"echo {round_}-$kept".encode(), f"{round_}-yes".encode())
    # kukeond dies and comes back: kuketty went on alone.
    await asyncio.to_thread(talk, socket, b"echo alone-$kept", b"alone-yes")
    pid = kuketty.pid()
    second = LinuxTerminals(describe(home), 0)
    async with second.running():
        assert kuketty.pid() == pid
        # containerd dies and comes back: only the shim is between us and the program.
        await asyncio.to_thread(containerd_process.kill)
        await asyncio.to_thread(talk, socket, b"echo without-$kept", b"without-yes")
        await asyncio.to_thread(containerd_process.start)
        assert kuketty.pid() is not None
        os.kill(pid or 0, signal.SIGKILL)
        await asyncio.to_thread(until, lambda: kuketty.pid() not in (None, pid), "kuketty to come back")
        await asyncio.to_thread(until, lambda: answers(socket), "the socket")
        await asyncio.to_thread(talk, socket, b"echo last-$kept", b"last-yes")
    assert (home / "main/tty/capture").read_bytes().count(b"typed-2") == 1


def answers(socket: str) -> bool:
    try:
        with Raw(socket) as client:
            client.next(LIVE)
    except (OSError, AssertionError):
        return False
    return True


async def test_a_flood_with_nobody_attached_ends_in_the_capture(
    loaded: Namespaced, kuketty: Kuketty, home: Path
) -> None:
    terminals = LinuxTerminals(kuketty, 0)
    async with terminals.running():
        await run(
            loaded, terminals, home, "sh", "-c", "head -c 30000000 /dev/zero | tr '\\0' x | fold -w 99; echo over"
        )
        ended = await loaded.tasks.wait("one")
        assert ended.code == 0
        await asyncio.to_thread(
            until, lambda: [each.name for each in (home / "tty").iterdir()] == [".bind"], "the last output"
        )
    files = sorted((home / "main/tty").iterdir())
    assert [each.name for each in files] == ["capture", "capture.1", "capture.2"]
    assert files[0].read_bytes().endswith(b"over\r\n")
    assert sum(each.stat().st_size for each in files) > 30_000_000


async def test_another_version_takes_over(
    loaded: Namespaced, kuketty: Kuketty, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminals = LinuxTerminals(kuketty, 0)
    async with terminals.running():
        socket = await run(loaded, terminals, home, "sh")
        await asyncio.to_thread(talk, socket, b"kept=yes; echo o$((1+1))", b"o2")
    old = kuketty.pid()
    monkeypatch.setattr("kukeon_runner.host.kuketty.version", lambda: "newer")
    async with LinuxTerminals(describe(home), 0).running():
        assert kuketty.pid() not in (None, old)
        await asyncio.to_thread(talk, socket, b"echo still-$kept", b"still-yes")


def rights(path: str) -> tuple[int, int]:
    """The mode and the group of a file."""
    found = Path(path).stat()
    return stat.S_IMODE(found.st_mode), found.st_gid


async def test_of_a_group_that_comes_later_are_the_terminals_that_are_there(
    loaded: Namespaced, kuketty: Kuketty, home: Path
) -> None:
    group = 64124
    terminals = LinuxTerminals(kuketty, 0)
    async with terminals.running():
        socket = await run(loaded, terminals, home, "sh")
        await asyncio.to_thread(talk, socket, b"kept=yes; echo o$((1+1))", b"o2")
        assert rights(socket)[1] == 0
    grouped = Kuketty(directory=f"{home}/tty", socket=f"{home}/kuketty.sock", log=f"{home}/kuketty.log", gid=group)
    async with LinuxTerminals(grouped, group).running():
        assert rights(socket) == (0o660, group)
        assert rights(f"{home}/tty") == (0o710, group)
        await asyncio.to_thread(talk, socket, b"echo still-$kept", b"still-yes")
