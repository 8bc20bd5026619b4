"""kukeon's own containerd: real ones, each with directories, a socket and a cgroup of its own."""

import asyncio
import contextlib
import functools
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from kukeon_api import errors
from kukeon_runner import native
from kukeon_runner.host import embedded, embedded_config
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.host.embedded import EmbeddedContainerd

pytestmark = pytest.mark.host

DEADLINE_S = 30.0


@functools.cache
def cgroups() -> Cgroups:
    return Cgroups.detect()


class Home:
    """Directories, names and a cgroup for one containerd, and everything that may be asked of it by `ctr`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        # The random part may begin or end with an underscore, which no namespace may.
        self.namespace = directory.name.replace("_", "0")
        self.cgroup = f"/{directory.name}"

    def containerd(self, **changes: str) -> EmbeddedContainerd:
        places = {
            "root": str(self.directory / "root"),
            "state": str(self.directory / "state"),
            "socket": str(self.directory / "c/containerd.sock"),
            "log": str(self.directory / "log/containerd.log"),
        }
        return EmbeddedContainerd(**(places | changes), cgroup=f"{self.cgroup}.containerd", cgroups=cgroups())

    def ctr(self, *arguments: str) -> str:
        command = ["ctr", "-a", str(self.directory / "c/containerd.sock"), "-n", self.namespace, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, id: str, *command: str, log: str = "") -> int:
        """Start a container of the static busybox and return its pid."""
        rootfs = self.directory / "rootfs"
        for name in ("bin", "proc", "dev", "sys", "run", "tmp"):
            (rootfs / name).mkdir(parents=True, exist_ok=True)
        if not (rootfs / "bin/busybox").exists():
            shutil.copy("/bin/busybox", rootfs / "bin/busybox")
        output = ["--log-uri", log] if log else ["--null-io"]
        flags = ["-d", *output, "--cgroup", f"{self.cgroup}/{id}", "--rootfs"]
        self.ctr("run", *flags, str(rootfs), id, "/bin/busybox", *command)
        return int(next(line.split()[1] for line in self.ctr("tasks", "ls").splitlines() if line.startswith(id)))


@pytest.fixture
async def home() -> AsyncIterator[Home]:
    # A short path: a socket's has 107 bytes at most.
    place = Home(Path(tempfile.mkdtemp(prefix=f"kt-{secrets.token_hex(3)}-", dir="/run")))
    cgroups().ensure(place.cgroup)
    before = leftovers()
    yield place
    await place.containerd().destroy()
    cgroups().kill(place.cgroup)
    cgroups().remove(place.cgroup)
    shutil.rmtree(place.directory)
    assert not {path for path in leftovers() - before if place.directory.name in path}


def leftovers() -> set[str]:
    """Everything of containerd and runc outside a home."""
    found = {str(path) for base in ("/run/containerd", "/opt/containerd") for path in Path(base).glob("**/*")}
    found |= set(Path("/proc/self/mountinfo").read_text().splitlines())
    return found | {words for pid in Path("/proc").glob("[0-9]*") if (words := command_line(pid))}


def command_line(process: Path) -> str:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():  # noqa: ASYNC110 - what other processes do
            await asyncio.sleep(0.01)


def alive(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    return False


class TestStart:
    async def test_first_it_is_started_then_adopted(self, home: Home) -> None:
        assert home.containerd().pid() is None
        assert await home.containerd().start() is True
        pid = home.containerd().pid()
        assert await home.containerd().start() is False
        assert home.containerd().pid() == pid
        assert (home.directory / "c").stat().st_mode & 0o777 == 0o700

    async def test_everything_of_it_is_in_its_own_places(self, home: Home) -> None:
        await home.containerd().start()
        # Where it would otherwise be: /opt/containerd.
        assert sorted(path.name for path in (home.directory / "root/opt").iterdir()) == ["bin", "lib"]
        plugins = {line.split()[1]: line.split()[-1] for line in home.ctr("plugins", "ls").splitlines()[1:]}
        assert plugins["tasks"] == plugins["overlayfs"] == plugins["tasks-service"] == "ok"
        assert set(plugins.values()) <= {"ok", "skip"}
        assert not {"cri", "aufs", "btrfs", "devmapper", "zfs", "nri", "restart"} & plugins.keys()
        log = (home.directory / "log/containerd.log").read_text()
        assert "level=warning" not in log
        assert "level=error" not in log

    async def test_several_starts_at_once_make_one(self, home: Home) -> None:
        outcomes = await asyncio.gather(*(home.containerd().start() for _ in range(6)))
        assert sorted(outcomes) == [False] * 5 + [True]
        assert len(cgroups().processes(f"{home.cgroup}.containerd")) == 1

    async def test_it_runs_in_its_own_cgroup_and_session(self, home: Home) -> None:
        containerd = home.containerd()
        await containerd.start()
        pid = containerd.pid()
        assert pid is not None
        assert cgroups().processes(f"{home.cgroup}.containerd") == (pid,)
        assert os.getsid(pid) == pid

    async def test_it_outlives_whoever_started_it(self, home: Home) -> None:
        script = (
            "import asyncio, os, signal, sys\n"
            "from kukeon_runner.host.embedded import EmbeddedContainerd\n"
            "root, state, socket, log = sys.argv[1:]\n"
            "asyncio.run(EmbeddedContainerd(root=root, state=state, socket=socket, log=log).start())\n"
            "os.killpg(0, signal.SIGKILL)\n"
        )
        places = home.containerd().places
        arguments = [places.root, places.state, places.socket, str(home.directory / "log/containerd.log")]
        starter = await asyncio.create_subprocess_exec(sys.executable, "-c", script, *arguments, start_new_session=True)
        assert await starter.wait() == -signal.SIGKILL
        assert home.containerd().pid() is not None
        assert await home.containerd().start() is False

    async def test_a_service_managers_socket_is_not_passed_on(
        self, home: Home, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("NOTIFY_SOCKET", "/run/nowhere")
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
        containerd = home.containerd()
        await containerd.start()
        assert variables(containerd.pid()) == {b"PATH", b"LC_ALL", b"HTTPS_PROXY"}

    async def test_a_long_log_is_moved_away(self, home: Home) -> None:
        (home.directory / "log").mkdir()
        log = home.directory / "log/containerd.log"
        log.write_bytes(b"x" * (embedded.LOG_LIMIT_BYTES + 1))
        await home.containerd().start()
        assert log.stat().st_size < 1 << 20
        assert (home.directory / "log/containerd.log.1").stat().st_size == embedded.LOG_LIMIT_BYTES + 1


class TestTrouble:
    async def test_a_stale_socket_and_pid_file_are_no_obstacle(self, home: Home) -> None:
        (home.directory / "c").mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(home.directory / "c/containerd.sock"))
        (home.directory / "c/containerd.pid").write_text("1\n")
        assert home.containerd().pid() is None
        assert await home.containerd().start() is True

    async def test_a_foreign_containerd_is_refused_and_left_alone(self, home: Home) -> None:
        (home.directory / "c").mkdir(mode=0o700)
        with socket.socket(socket.AF_UNIX) as foreign:
            foreign.bind(str(home.directory / "c/containerd.sock"))
            foreign.listen()
            with pytest.raises(errors.Conflict, match="not kukeond's"):
                await home.containerd().start()
            assert await home.containerd().stop() is False
            assert (home.directory / "c/containerd.sock").exists()

    async def test_one_that_ends_at_once_is_quoted(self, home: Home) -> None:
        with pytest.raises(errors.HostError, match="it ended at once") as caught:
            await home.containerd(root="/proc/nowhere").start()
        assert "/proc/nowhere" in caught.value.message
        assert "containerd.log" in caught.value.hint

    async def test_a_program_that_is_missing_is_named(self, home: Home) -> None:
        with pytest.raises(errors.HostError, match="is not installed") as caught:
            await home.containerd(program="containerd-of-nobody").start()
        assert "apt install containerd" in caught.value.hint

    async def test_one_that_never_answers_can_be_stopped(self, home: Home) -> None:
        deaf = home.directory / "deaf"
        deaf.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n")
        deaf.chmod(0o755)
        with pytest.raises(errors.TimedOut, match="nothing answers"):
            await home.containerd(program=str(deaf)).start(timeout_s=0.5)
        pid = home.containerd().pid()
        assert pid is not None
        assert await home.containerd().stop(timeout_s=0.3) is True
        assert home.containerd().pid() is None
        assert await home.containerd().start() is True

    async def test_one_that_is_about_to_end_is_not_adopted(self, home: Home) -> None:
        dying = home.directory / "dying"
        dying.write_text("#!/bin/sh\nexec sleep 1\n")
        dying.chmod(0o755)
        with pytest.raises(errors.TimedOut):
            await home.containerd(program=str(dying)).start(timeout_s=0.2)
        containerd = home.containerd()
        assert containerd.pid() is not None
        assert await containerd.start()
        assert home.ctr("version")
        await containerd.stop()

    async def test_a_dead_one_is_started_again(self, home: Home) -> None:
        containerd = home.containerd()
        await containerd.start()
        kill(containerd)
        await containerd.wait_ended()
        assert await containerd.start() is True

    async def test_supervised_it_comes_back_each_time(self, home: Home) -> None:
        containerd = home.containerd()
        await containerd.start()
        keeper = asyncio.create_task(containerd.supervise())
        for _ in range(2):
            before = kill(containerd)
            await wait_until(lambda before=before: containerd.pid() not in {None, before})
        keeper.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeper

    @pytest.mark.parametrize("path", ["relative", "/line\nfeed", ""])
    def test_impossible_paths_are_refused(self, path: str) -> None:
        with pytest.raises(errors.Invalid):
            embedded_config.render(embedded_config.Places(path, "/s", "/c"))

    def test_a_socket_path_that_is_too_long_is_refused(self) -> None:
        with pytest.raises(errors.Invalid, match="at most 101 bytes"):
            embedded_config.render(embedded_config.Places("/r", "/s", "/" + "c" * 101))


def kill(containerd: EmbeddedContainerd) -> int:
    pid = containerd.pid()
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    return pid


class TestContainers:
    async def test_they_go_on_while_it_is_away(self, home: Home) -> None:
        containerd = home.containerd()
        await containerd.start()
        pid = home.run("going", "sleep", "1000")
        assert await containerd.stop() is True
        # The shim inherits containerd's descriptors, but not what tells that containerd lives.
        assert containerd.pid() is None
        assert alive(pid)
        assert await containerd.start() is True
        assert re.search(rf"going\s+{pid}\s+RUNNING", home.ctr("tasks", "ls"))

    async def test_destroy_ends_them_and_leaves_nothing(self, home: Home) -> None:
        containerd = home.containerd()
        await containerd.start()
        pids = [home.run(f"c{i}", "sleep", "1000") for i in range(2)]
        shims = shims_of(containerd)
        assert len(shims) == 2
        await containerd.destroy()
        assert not any(alive(pid) for pid in [*pids, *shims])
        assert sorted(path.name for path in home.directory.iterdir()) == ["log", "rootfs"]
        assert not [path for path in leftovers() if path.startswith("/run/") and home.directory.name in path]
        assert not cgroups().exists(f"{home.cgroup}.containerd")
        await containerd.destroy()

    async def test_destroy_leaves_the_containers_of_others(self, home: Home) -> None:
        await home.containerd().start()
        other = Home(Path(tempfile.mkdtemp(prefix=f"kt-{secrets.token_hex(3)}-", dir="/run")))
        other.namespace = home.namespace  # the same names in both
        try:
            await other.containerd().start()
            mine = home.run("mine", "sleep", "1000")
            theirs = other.run("theirs", "sleep", "1000")
            await home.containerd().destroy()
            assert not alive(mine)
            assert alive(theirs)
            assert "RUNNING" in other.ctr("tasks", "ls")
        finally:
            await other.containerd().destroy()
            cgroups().kill(other.cgroup)
            cgroups().remove(other.cgroup)
            shutil.rmtree(other.directory)

    async def test_the_logger_works_for_its_shim(self, home: Home) -> None:
        await home.containerd().start()
        log = home.directory / "container.log"
        uri = f"binary://{native.path('kukelog')}?path={log}&max_size=8192&max_files=2&flag"
        script = "for i in $(busybox seq 1 500); do echo line $i; done; echo done >&2"
        pid = home.run("talking", "sh", "-c", f"alias busybox=/bin/busybox; {script}; exec sleep 1000", log=uri)

        def done() -> bool:
            try:
                return "stderr F done" in log.read_text()
            except FileNotFoundError:  # for a moment, at each rotation
                return False

        await wait_until(done)
        text = log.with_name("container.log.1").read_text() + log.read_text()
        found = re.findall(r"^\S+Z stdout F line (\d+)$", text, re.MULTILINE)
        assert found == [str(i) for i in range(int(found[0]), 501)]
        started = time.monotonic()
        home.ctr("tasks", "kill", "-s", "SIGKILL", "talking")
        await wait_until(lambda: not alive(pid))
        home.ctr("tasks", "rm", "talking")
        assert time.monotonic() - started < 10, "the logger held up the deletion"


def shims_of(containerd: EmbeddedContainerd) -> list[int]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        words = command_line(process).split()
        if words and "containerd-shim" in words[0] and containerd.places.socket in words:
            found.append(int(process.name))
    return found


def variables(pid: int | None) -> set[bytes]:
    environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return {variable.partition(b"=")[0] for variable in environment if variable}
