"""Why a daemon cannot be reached, told apart."""

from __future__ import annotations

import asyncio
import grp
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kukeon_api import errors
from kukeon_sdk import UnixClient, UnsupportedSchemeError, aio, default_address, dial, reach
from kukeon_sdk.address import MAX_SOCKET_PATH_BYTES, socket_path

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE_S = 20.0


def test_nothing_there(tmp_path: Path) -> None:
    with UnixClient(f"{tmp_path}/s") as client, pytest.raises(errors.Unavailable) as caught:
        client.ping()
    assert str(tmp_path / "s") in str(caught.value)
    assert "no such file" in str(caught.value)
    assert "kuke daemon start" in caught.value.hint
    assert "kuke init" in caught.value.hint


def test_a_socket_that_nobody_listens_to(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{tmp_path}/s")
    with UnixClient(f"{tmp_path}/s") as client, pytest.raises(errors.Unavailable, match="refused"):
        client.ping()


def test_no_socket_but_a_file(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("")
    with UnixClient(f"{tmp_path}/s") as client, pytest.raises(errors.Invalid, match="not a socket"):
        client.ping()


ASK = """
import os, sys, kukeon_sdk.remote, kukeon_api.methods  # all of it, before the files of root are out of reach
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    kukeon_sdk.dial(sys.argv[1]).ping()
except kukeon_sdk.errors.KukeonError as error:
    print(type(error).__name__, error.exit_code, error.hint, error, sep="|")
"""


ROOT = "only root may use it: repeat the command with sudo"
GROUP = "add yourself to the group with `sudo usermod -aG daemon $USER` and log in again, or use sudo"


@pytest.mark.parametrize(
    ("mode", "group", "advice"),
    [
        ((0o755, 0o000), "", ROOT),
        ((0o000, 0o666), "", ROOT),
        ((0o755, 0o600), "daemon", ROOT),
        ((0o755, 0o660), "daemon", GROUP),
        ((0o750, 0o660), "daemon", GROUP),
        ((0o700, 0o660), "daemon", ROOT),
    ],
    ids=["socket", "directory", "socket of root", "socket of a group", "directory of a group", "directory of root"],
)
def test_no_permission(tmp_path: Path, mode: tuple[int, int], group: str, advice: str) -> None:
    if group and os.geteuid() != 0:
        pytest.skip("needs root to give the socket to a group")
    for directory in (tmp_path, *tmp_path.parents):  # pytest makes them 0700: let somebody else look in
        if directory.stat().st_uid == os.geteuid() and len(directory.parts) > 2:
            directory.chmod(0o755)
    inner = tmp_path / "d"
    inner.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{inner}/s")
        listener.listen()
        for path in (inner / "s", inner):
            os.chown(path, -1, grp.getgrnam(group).gr_gid if group else os.getegid())
        (inner / "s").chmod(mode[1])
        inner.chmod(mode[0])
        answer = subprocess.run(
            [sys.executable, "-c", ASK, f"unix://{inner}/s"], capture_output=True, text=True, check=True
        ).stdout
        inner.chmod(0o700)
    name, exit_code, hint, message = answer.strip().split("|")
    assert (name, exit_code) == ("Denied", "6")
    assert hint == advice
    assert f"{inner}/s" in message


def test_a_listener_without_room(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(f"{tmp_path}/s")
        listener.listen(0)
        first.connect(f"{tmp_path}/s")  # never accepted: the queue is full
        started = time.monotonic()
        with (
            UnixClient(f"{tmp_path}/s", dial_timeout=0.3) as client,
            pytest.raises(errors.Unavailable, match="in time"),
        ):
            client.ping()
        assert time.monotonic() - started >= 0.3


async def test_the_time_of_a_call_runs_out_while_there_is_no_room(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as first:
        listener.bind(f"{tmp_path}/s")
        listener.listen(0)
        first.connect(f"{tmp_path}/s")
        with UnixClient(f"{tmp_path}/s") as client, pytest.raises(errors.TimedOut, match=r"within 0\.05 s"):
            client.ping(timeout=0.05)
        async with aio.AsyncUnixClient(f"{tmp_path}/s", dial_timeout=1) as later:
            with pytest.raises(errors.TimedOut, match=r"within 0\.05 s"):
                await later.ping(timeout=0.05)


class Reaching:
    """Stands in for the attempt to reach kukeond: it lasts until `end`, and finds nobody."""

    def __init__(self) -> None:
        self.begun, self.end = threading.Event(), threading.Event()
        self.times = 0

    def __call__(self, path: str, timeout_s: float) -> None:
        self.times += 1
        self.begun.set()
        assert self.end.wait(PATIENCE_S)
        raise errors.Unavailable("cannot reach kukeond: nobody is there")


@pytest.fixture
def reaching(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reaching]:
    stand_in = Reaching()
    monkeypatch.setattr(reach, "check_reachable", stand_in)
    yield stand_in
    stand_in.end.set()


def test_nobody_waits_for_the_attempt_of_another_thread(reaching: Reaching) -> None:
    client = UnixClient("/run/none.sock")
    outcome: list[BaseException] = []

    def call() -> None:
        try:
            client.ping()
        except errors.KukeonError as error:
            outcome.append(error)

    calling = threading.Thread(target=call)
    calling.start()
    assert reaching.begun.wait(PATIENCE_S)
    client.close()
    with pytest.raises(errors.Conflict, match="is closed"):
        client.ping()
    assert not outcome
    reaching.end.set()
    calling.join(PATIENCE_S)
    assert [type(error) for error in outcome] == [errors.Unavailable]


async def test_tasks_that_begin_at_once_share_one_attempt(reaching: Reaching) -> None:
    async with aio.AsyncUnixClient("/run/none.sock") as client:
        calls = [asyncio.create_task(client.ping()) for _ in range(8)]
        assert await asyncio.to_thread(reaching.begun.wait, PATIENCE_S)
        with pytest.raises(errors.TimedOut):
            await client.ping(timeout=0.01)
        calls[0].cancel()
        reaching.end.set()
        outcome = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(each) for each in outcome] == [asyncio.CancelledError] + [errors.Unavailable] * 7
    assert reaching.times == 1


async def test_closing_ends_the_attempt_of_other_tasks(reaching: Reaching) -> None:
    async with aio.AsyncUnixClient("/run/none.sock") as client:
        call = asyncio.create_task(client.ping())
        assert await asyncio.to_thread(reaching.begun.wait, PATIENCE_S)
    with pytest.raises(errors.Conflict, match="is closed"):
        await call
    reaching.end.set()  # not before


def test_a_listener_that_never_answers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/s")
        listener.listen(16)
        started = time.monotonic()
        with UnixClient(f"{tmp_path}/s", dial_timeout=0.5) as client:
            with pytest.raises(errors.Unavailable, match=r"no answer within 0\.5 s$") as caught:
                client.ping()
            assert "paused" in caught.value.hint
            with pytest.raises(errors.TimedOut):
                client.ping(timeout=0.2)
        assert time.monotonic() - started < 15


def test_a_listener_that_is_no_kukeond(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/s")
        listener.listen(16)
        ended = threading.Event()

        def hang_up() -> None:
            while not ended.is_set():
                listener.accept()[0].close()

        hanging_up = threading.Thread(target=hang_up)
        hanging_up.start()
        with (
            UnixClient(f"{tmp_path}/s", dial_timeout=20) as client,
            pytest.raises(errors.Unavailable, match=r"what listens there does not answer as kukeond$"),
        ):
            client.ping()
        ended.set()
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(f"{tmp_path}/s")
        hanging_up.join()


@pytest.mark.parametrize("address", ["/a/b.sock", "unix:///a/b.sock", "unix:/a/b.sock", "UNIX:///a/b.sock"])
def test_addresses_of_sockets(address: str) -> None:
    assert socket_path(address) == "/a/b.sock"


def test_paths_are_addresses() -> None:
    assert socket_path(Path("/a/b.sock")) == "/a/b.sock"
    nothing: Any = 5
    with pytest.raises(TypeError):
        dial(nothing)


@pytest.mark.parametrize("address", ["ssh://root@host", "tcp://1.2.3.4:5", "http://x", "vsock:3:4"])
def test_other_schemes(address: str) -> None:
    with pytest.raises(UnsupportedSchemeError) as caught:
        dial(address)
    assert isinstance(caught.value, errors.Unsupported)
    assert caught.value.exit_code == 7
    assert address in str(caught.value)


def test_ssh_has_its_own_words() -> None:
    with pytest.raises(UnsupportedSchemeError) as caught:
        dial("ssh://root@host")
    assert "not supported yet" in str(caught.value)
    assert "ssh -L" in caught.value.hint


@pytest.mark.parametrize(
    "address",
    ["", "kukeond.sock", "./s", "unix://relative", "unix:", "unix://", "/" + "x" * MAX_SOCKET_PATH_BYTES, "/a\0b"],
)
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(errors.Invalid):
        dial(address)


def test_the_longest_path_is_fine() -> None:
    path = "/" + "x" * (MAX_SOCKET_PATH_BYTES - 1)
    assert socket_path(path) == path


def test_the_default_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUKEON_HOST", raising=False)
    assert default_address() == "unix:///run/kukeon/kukeond.sock"
    monkeypatch.setenv("KUKEON_HOST", "/elsewhere/s")
    assert default_address() == "/elsewhere/s"
    with dial() as client:
        assert repr(client) == "UnixClient('/elsewhere/s')"
