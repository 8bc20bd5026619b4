"""A private containerd for tests: own root, state and socket, and nothing left on the host afterwards.

It can be killed and started again while its containers go on, as the real one can.  `remove()` ends what still runs
in it, by pid, and takes away what containerd leaves outside of its own directories.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

START_TIMEOUT_S = 30.0
END_TIMEOUT_S = 20.0

RUNC_STATE = Path("/run/containerd/runc")
SHIM_SOCKETS = Path("/run/containerd/s")

_MNT_DETACH = 2  # umount2(2)

# cri wants a network configuration, the last two want to write to /opt or to the network; the snapshotters only warn.
DISABLED_PLUGINS = (
    "io.containerd.grpc.v1.cri",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.restart",
    "io.containerd.tracing.processor.v1.otlp",
    "io.containerd.internal.v1.tracing",
)


class PrivateContainerd:
    """One containerd as our own child.  Use `private_containerd()`, or `start()` and in the end `remove()`."""

    def __init__(self, home: Path, disabled: Sequence[str] = ()) -> None:
        """Keep everything below `home`, whose path has to be short: sockets end at 107 bytes.

        `disabled` names further plugins to leave out.
        """
        self.home = home
        self.disabled = (*DISABLED_PLUGINS, *disabled)
        self.root = home / "root"
        self.state = home / "state"
        self.socket = home / "containerd.sock"
        self.log = home / "containerd.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return the process id of the running containerd."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it and wait until its socket answers; raises RuntimeError with its log when it does not."""
        config = self.home / "config.toml"
        disabled = ", ".join(f'"{plugin}"' for plugin in self.disabled)
        config.write_text(
            f'version = 2\nroot = "{self.root}"\nstate = "{self.state}"\noom_score = 0\n'
            f"disabled_plugins = [{disabled}]\n"
            f'[grpc]\naddress = "{self.socket}"\n[ttrpc]\naddress = "{self.socket}.ttrpc"\n'
        )
        self.socket.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["containerd", "--config", str(config), "--log-level", "info"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            _until(self._answers, START_TIMEOUT_S, "containerd to answer")
        except TimeoutError as error:
            self.kill()
            raise RuntimeError(f"{error}; its log ends:\n{self.log.read_text()[-3000:]}") from error

    def _answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise RuntimeError(f"containerd ended with {self.process.returncode}:\n{self.log.read_text()[-3000:]}")
        if not self.socket.exists():
            return False
        asked = subprocess.run(
            ["ctr", "--address", str(self.socket), "--timeout", "5s", "version"], capture_output=True, check=False
        )
        return asked.returncode == 0

    def kill(self) -> None:
        """Kill containerd as a crash would; its shims and containers go on."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
            self.process.wait()
            self.process = None

    def stop(self) -> None:
        """Ask containerd to end; its shims and containers go on."""
        if self.process is not None:
            self.process.terminate()
            try:
                self.process.wait(END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()
            self.process = None

    def ctr(self, *words: str, namespace: str = "default") -> str:
        """Return what containerd's own client prints: the oracle of the tests."""
        command = ["ctr", "--address", str(self.socket), "--namespace", namespace, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def remove(self) -> None:
        """Stop it, end its containers and shims, and remove every trace of it from the host."""
        outside = self._outside()
        self.stop()
        shims = [pid for pid in _pids() if f"\0-address\0{self.socket}\0".encode() in _cmdline(pid)]
        ours = [child for shim in shims for child in _descendants(shim)]
        for pid in (*ours, *shims):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _until(lambda: not any(_runs(pid) for pid in (*ours, *shims)), END_TIMEOUT_S, "its processes to end")
        for mount in reversed(_mounts_below(self.home)):
            _unmount(mount)
        for path in outside:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for directory in (SHIM_SOCKETS, RUNC_STATE, SHIM_SOCKETS.parent):
            # Only when empty: another containerd may use the same.
            with contextlib.suppress(OSError):
                directory.rmdir()
        shutil.rmtree(self.home)

    def _outside(self) -> list[Path]:
        """Return what containerd made outside of its directories: runc's state and the sockets of dead shims.

        A shim notes its socket in its bundle, and removes both when its last task is deleted.
        """
        found: list[Path] = []
        tasks = self.state / "io.containerd.runtime.v2.task"
        for namespace in tasks.iterdir() if tasks.is_dir() else ():
            found.append(RUNC_STATE / namespace.name)
            for note in namespace.glob("*/address"):
                socket = Path(note.read_text().strip().removeprefix("unix://"))
                if socket.parent == SHIM_SOCKETS:
                    found.append(socket)
        return [path for path in found if path.exists()]


@contextlib.contextmanager
def private_containerd(disabled: Sequence[str] = ()) -> Iterator[PrivateContainerd]:
    """Yield a running private containerd and remove it afterwards."""
    containerd = PrivateContainerd(Path(tempfile.mkdtemp(prefix="kt-ctrd-")), disabled)
    try:
        containerd.start()
        yield containerd
    finally:
        containerd.remove()


def _until(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {timeout_s} s for {what}")
        time.sleep(0.01)


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def _cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat from the state on (proc(5)); zombies and the gone have none."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
    return [] if fields[0] == "Z" else fields


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for other in _pids():
        if fields := _stat(other):
            children.setdefault(int(fields[1]), []).append(other)
    found = [*children.get(pid, ())]
    for child in found:
        found.extend(children.get(child, ()))
    return found


def _runs(pid: int) -> bool:
    return bool(_stat(pid))


def _mounts_below(directory: Path) -> list[str]:
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.split()[4].encode().decode("unicode_escape") for line in lines]
    return [point for point in points if point.startswith(f"{directory}/")]


def _unmount(path: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(path), _MNT_DETACH):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), path)
