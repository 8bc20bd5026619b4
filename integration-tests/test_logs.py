"""What programs say: over restarts, by part, to those who cannot read the files, and while kukeond dies."""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import kukeon_sdk.aio
from kukeon_api import model
from kuketest import manifests
from kuketest.instance import Instance
from kuketest.waiting import IN_VM, until, until_equal

TALKER = """\
trap 'echo bye; exit 0' TERM
echo run $(cat /runs 2>/dev/null)
echo x >>/runs
echo trouble >&2
sleep 3600 & wait $!
"""


@pytest.fixture
def talker(kukeon: Instance) -> Iterator[str]:
    """A running cell whose program says which run it is."""
    kukeon.apply(manifests.cell("talker", manifests.container("main", TALKER)))
    until(lambda: "trouble" in kukeon.kuke("log", "talker").err, "the first lines of the log")
    yield "talker"
    if kukeon.daemon is None:
        kukeon.start()
    kukeon.kuke("delete", "cell", "talker", code=None)


@pytest.fixture
def relay(kukeon: Instance, tmp_path: Path) -> Iterator[str]:
    """The address of a socket that leads to kukeond as `ssh -L` would: who listens there is not kukeond."""
    path = tmp_path / "far.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    open_ends: list[socket.socket] = [listener]

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.socket(socket.AF_UNIX)
                open_ends.extend((near, far))
                try:
                    far.connect(str(kukeon.socket))
                except OSError:
                    near.close()
                    continue
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=ends, daemon=True).start()

    thread = threading.Thread(target=accept)
    thread.start()
    yield f"unix://{path}"
    listener.shutdown(socket.SHUT_RDWR)
    thread.join(20)
    for end in open_ends:
        end.close()


def document(cell: str, container: str = "main") -> model.ContainerDoc:
    place = {"realm_id": "default", "space_id": "default", "stack_id": "default", "cell_id": cell}
    return model.ContainerDoc(metadata=model.Metadata(name=container), spec=model.ContainerSpec(id=container, **place))


def said(kukeon: Instance, *options: str) -> str:
    return kukeon.kuke("log", "talker", *options).out


@pytest.mark.vm
@pytest.mark.exercises("LogContainer", "Logs")
def test_runs_are_told_apart_over_restarts_of_everything(kukeon: Instance, talker: str, relay: str) -> None:
    assert said(kukeon) == "run\n"
    refused = kukeon.kuke("log", talker, "--previous", code=5)
    assert "nothing from before the last start" in refused.err
    kukeon.kuke("stop", "cell", talker)
    kukeon.stop()
    kukeon.start()
    kukeon.kuke("start", "cell", talker)
    until(lambda: said(kukeon, "--tail", "2") == "run x\n", "the second run to speak")
    for host in ((), ("--host", relay)):
        assert said(kukeon, *host, "--previous") == "run\nbye\n"
        assert said(kukeon, *host) == "run\nbye\nrun x\n"
        assert said(kukeon, *host, "--tail", "3") == "bye\nrun x\n"
        assert said(kukeon, *host, "--since", "0s") == ""
        with_times = said(kukeon, *host, "-t", "--tail", "2").split()
        assert with_times[0].startswith("20")
        assert with_times[1:] == ["run", "x"]


@pytest.mark.exercises("Logs")
def test_the_stream_has_what_the_files_have_and_ends_with_the_container(kukeon: Instance, talker: str) -> None:
    with kukeon.client() as client:
        entries = list(client.logs(document(talker)))
        assert sorted((entry.stream.value, entry.data) for entry in entries) == [
            ("stderr", b"trouble"),
            ("stdout", b"run"),
        ]
        assert all(entry.at is not None for entry in entries)
        following = client.logs(document(talker), follow=True, tail=0)
        arrived: list[bytes] = []
        thread = threading.Thread(target=lambda: arrived.extend(entry.data for entry in following))
        thread.start()

        def heard() -> bool:
            say(kukeon, talker, "more")
            return bool(arrived)

        until(heard, "what was said meanwhile")  # nobody tells when it listens
        kukeon.kuke("stop", "cell", talker)
        until(lambda: arrived[-1] == b"bye", "what was said at the end")
        assert set(arrived[:-1]) == {b"more"}
        assert thread.is_alive(), "it may be started again"
        kukeon.kuke("delete", "cell", talker)
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.exercises("Logs")
async def test_the_same_for_programs_on_an_event_loop(kukeon: Instance, talker: str) -> None:
    async with kukeon_sdk.aio.dial(f"unix://{kukeon.socket}") as client:
        found = [entry.data async for entry in client.logs(document(talker), tail=1)]
        assert found in ([b"run"], [b"trouble"])
        following = client.logs(document(talker), follow=True, tail=0)
        waiting = asyncio.ensure_future(anext(following))
        await asyncio.sleep(0)

        def speak() -> bool:
            say(kukeon, talker, "again")
            return waiting.done()

        async with asyncio.timeout(20):
            while not await asyncio.to_thread(speak):  # noqa: ASYNC110 (nobody tells when it listens)
                await asyncio.sleep(0.05)
        assert (await waiting).data == b"again"
        await following.aclose()


def say(kukeon: Instance, cell: str, text: str) -> None:
    """Write a line to where the program of a cell writes."""
    Path(f"/proc/{kukeon.task_pid('main', cell)}/fd/1").write_text(f"{text}\n")


@pytest.mark.exercises("Logs")
def test_kukeond_dies_and_comes_back_while_somebody_follows(kukeon: Instance, talker: str, relay: str) -> None:
    with (
        kukeon.spawn_kuke("log", "-f", talker) as from_files,
        kukeon.spawn_kuke("--host", relay, "log", "-f", talker) as from_kukeond,
    ):
        assert from_files.stdout is not None
        assert from_kukeond.stdout is not None
        for following in (from_files, from_kukeond):
            assert following.stdout is not None
            assert following.stdout.readline() == "run\n"
        say(kukeon, talker, "here")
        for following in (from_files, from_kukeond):
            assert following.stdout is not None
            assert following.stdout.readline() == "here\n"
        kukeon.sigkill()
        say(kukeon, talker, "still here")
        # The files are there without kukeond, so whoever reads them does not notice.
        assert from_files.stdout.readline() == "still here\n"
        kukeon.start()
        # Whoever asks kukeond goes on with the next one, and hears nothing twice.
        assert from_kukeond.stdout.readline() == "still here\n"
        for following in (from_files, from_kukeond):
            following.send_signal(signal.SIGINT)
            assert following.wait(20) == 0


@pytest.mark.exercises("Logs")
def test_somebody_who_may_use_the_socket_and_not_read_the_files(kukeon: Instance, talker: str, tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    kuke = shutil.which("kuke", path=os.fspath(kukeon.programs))
    assert kuke is not None
    before, mode = kukeon.socket.stat(), kukeon.run_path.stat().st_mode & 0o7777
    os.chown(kukeon.socket, 0, nobody.pw_gid)
    kukeon.socket.chmod(0o660)
    kukeon.run_path.chmod(0o711)
    try:
        done = subprocess.run(
            ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups",
             kuke, "--host", f"unix://{kukeon.socket}", "log", talker],
            capture_output=True, text=True, timeout=60, cwd="/", env={"PATH": os.environ["PATH"], "HOME": "/"},
        )  # fmt: skip
    finally:
        os.chown(kukeon.socket, before.st_uid, before.st_gid)
        kukeon.socket.chmod(before.st_mode & 0o7777)
        kukeon.run_path.chmod(mode)
    assert (done.returncode, done.stdout, done.stderr) == (0, "run\n", "trouble\n")


@pytest.mark.exercises("Logs")
def test_a_root_container_of_ones_own_has_a_log(kukeon: Instance) -> None:
    root = manifests.container("init", "echo hello; trap 'exit 0' TERM; sleep 3600 & wait $!") | {"root": True}
    kukeon.apply(manifests.cell("own", root))
    until_equal(lambda: kukeon.kuke("log", "own").out, "hello\n", "the log of the root container")
    with kukeon.client() as client:
        assert [entry.data for entry in client.logs(document("own", "init"))] == [b"hello"]
    kukeon.kuke("delete", "cell", "own")


def test_a_flood_is_followed_over_rotations_without_a_gap(kukeon: Instance) -> None:
    """Nearly as much as is kept, so that nothing is lost however slow this machine is."""
    lines = 330_000
    flood = f"""awk 'BEGIN {{ for (i = 1; i <= {lines}; i++) printf "%090d\\n", i }}'"""
    script = f"mkfifo /start; trap 'exit 0' TERM; read go </start; {flood}; sleep 3600 & wait $!"
    kukeon.apply(manifests.cell("flood", manifests.container("main", script)))
    pid = kukeon.task_pid("main", "flood")
    with kukeon.spawn_kuke("log", "-f", "flood") as following:
        assert following.stdout is not None
        # Whatever fails below, nobody waits for a line that never comes.
        timer = threading.Timer(120, following.kill)
        timer.start()
        until(lambda: Path(f"/proc/{pid}/root/start").is_fifo(), "the program to wait")
        Path(f"/proc/{pid}/root/start").write_text("go\n")
        began = time.monotonic()
        for number in range(1, lines + 1):
            line = following.stdout.readline()
            assert int(line) == number, f"line {number} is {line!r}"
        timer.cancel()
        assert IN_VM or time.monotonic() - began < 60
        following.send_signal(signal.SIGINT)
        assert following.wait(20) == 0
    directory = kukeon.run_path / "data/default/default/default/flood/main"
    assert {path.name for path in directory.iterdir()} == {"log", "log.1", "log.2", "log.3", "log.4"}
    kukeon.kuke("delete", "cell", "flood")


def test_how_much_is_kept_is_a_setting(new_instance: Callable[..., Instance], image_archive: Path) -> None:
    instance = new_instance("--containerd", "embedded", "--log-max-size", "64Ki", "--log-max-files", "3")
    instance.start()
    instance.kuke("image", "load", str(image_archive))
    script = "trap 'exit 0' TERM; awk 'BEGIN { for (i = 1; i <= 20000; i++) print i }'; sleep 3600 & wait $!"
    instance.apply(manifests.cell("talker", manifests.container("main", script)))
    until(lambda: instance.kuke("log", "talker", "--tail", "1").out == "20000\n", "the program to have spoken")
    directory = instance.run_path / "data/default/default/default/talker/main"
    assert {path.name for path in directory.iterdir()} == {"log", "log.1", "log.2"}
    assert all(path.stat().st_size <= 64 * 1024 for path in directory.iterdir())
    kept = instance.kuke("log", "talker").out.split()
    assert kept == [str(number) for number in range(20001 - len(kept), 20001)]
    instance.kuke("delete", "cell", "talker")


@pytest.mark.exercises("Logs", "LogContainer")
def test_of_a_terminal_the_transcript_is_the_log(kukeon: Instance, relay: str) -> None:
    script = manifests.container("main", "echo hello; trap 'exit 0' TERM; sleep 3600 & wait $!") | {"attachable": True}
    kukeon.apply(manifests.cell("screen", script))
    for host in ((), ("--host", relay)):
        until(lambda host=host: "hello" in kukeon.kuke("log", "screen", *host).out, "the transcript")
        refused = kukeon.kuke("log", "screen", *host, "--previous", code=2)
        assert "a terminal's transcript has no times" in refused.err
    with kukeon.client() as client:
        entries = list(client.logs(document("screen")))
        assert {entry.stream for entry in entries} == {model.LogStream.TERMINAL}
        assert b"".join(entry.data for entry in entries) == b"hello\r\n"
    kukeon.kuke("delete", "cell", "screen")
