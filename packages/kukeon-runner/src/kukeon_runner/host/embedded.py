"""kukeon's own containerd: started beside kukeond, outliving it, and found again by the next one.

Who is ours is told by a record lock on the pid file: containerd itself holds it, for exactly as long as it lives, and
the kernel names the holder.  So there is no stale pid, no reused one, and of two starts at once one becomes
containerd while the other adopts it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner.host import embedded_config, embedded_launch, embedded_leftovers, record_lock

if TYPE_CHECKING:
    from kukeon_runner.host.cgroups import Cgroups

log = logging.getLogger(__name__)

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 15.0
LOG_LIMIT_BYTES = 10 * 1024 * 1024
"""Above this size the log of earlier starts is moved to `<log>.1`."""

_LAUNCH_TIMEOUT_S = 20.0
_PAUSE_S = 0.02
_LONGEST_BACKOFF_S = 30.0
_TAIL_BYTES = 4096
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
# Where containerd looks for its shim and for runc: a service manager's PATH may be shorter.
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class EmbeddedContainerd:
    """The containerd of one instance.  `config.toml` and `containerd.pid` stand beside its socket."""

    def __init__(
        self,
        *,
        root: str,
        state: str,
        socket: str,
        log: str,
        cgroup: str = "",
        cgroups: Cgroups | None = None,
        program: str = "containerd",
    ) -> None:
        """Describe it; nothing happens yet.

        `cgroup` (with `cgroups`) is a group of its own for it, outside the one that kukeond's service manager would
        end.  `program` is a path, or a name that is looked up in PATH.
        """
        self.places = embedded_config.Places(root, state, socket)
        self._socket = Path(socket)
        self._config = self._socket.with_name("config.toml")
        self._pid_file = self._socket.with_name("containerd.pid")
        self._log = Path(log)
        self._cgroup = cgroup
        self._cgroups = cgroups
        self._program = program

    def pid(self) -> int | None:
        """Return the process that is this containerd now, None when it does not run."""
        return record_lock.holder(self._pid_file)

    async def start(self, *, timeout_s: float = START_TIMEOUT_S) -> bool:
        """Have it running and answering on its socket; True when it was started, False when adopted.

        Raises HostError with the end of its log when it does not come up, Conflict when a containerd that is not ours
        answers on the socket.
        """
        deadline = time.monotonic() + timeout_s
        started = False
        while not started:
            if self.pid() is None:
                if await self._answers():
                    raise errors.Conflict(
                        f"cannot start containerd at {str(self._socket)!r}: one that is not kukeond's answers there",
                        hint="stop it, or use it: --containerd system --containerd-socket PATH",
                    )
                started = await asyncio.to_thread(self._launch)
            if await self._wait_until_it_answers(deadline):
                break
            if started:
                raise errors.HostError(
                    f"cannot start containerd: it ended at once: {self._last_words()}", hint=f"see {self._log}"
                )
            # What was found was about to end.
        log.info("%s containerd, pid %s, at %s", "started" if started else "adopted", self.pid(), self._socket)
        return started

    async def supervise(self) -> None:
        """Start it again whenever it ends, with growing pauses while that keeps failing, until cancelled."""
        backoff_s = 0.0
        while True:
            await self.wait_ended()
            await asyncio.sleep(backoff_s)
            try:
                if await self.start():
                    log.warning("containerd had ended and was started again: see %s", self._log)
                backoff_s = 1.0
            except errors.KukeonError as error:
                backoff_s = min(max(1.0, backoff_s * 2), _LONGEST_BACKOFF_S)
                log.error("cannot keep containerd running, trying again in %g s: %s", backoff_s, error)

    async def wait_ended(self) -> None:
        """Wait until it does not run (any more)."""
        handle = self._open()
        if handle is not None:
            try:
                await record_lock.wait_ended(handle)
            finally:
                os.close(handle)

    async def stop(self, *, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """End it, by SIGKILL after `timeout_s`; False when it did not run.

        Containers go on, and the next start finds them.
        """
        handle = self._open()
        if handle is None:
            return False
        try:
            for number, patience_s in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, timeout_s)):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, number)
                try:
                    async with asyncio.timeout(patience_s):
                        await record_lock.wait_ended(handle)
                    return True
                except TimeoutError:
                    log.warning("containerd at %s did not end within %g s of %s", self._socket, patience_s, number.name)
        finally:
            os.close(handle)
        raise errors.HostError(f"cannot stop containerd at {str(self._socket)!r}: it survived SIGKILL")

    async def destroy(self, *, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """End it and every container it left running; remove shims, sockets, mounts, state and images.

        Absent is done.
        """
        await self.stop(timeout_s=timeout_s)
        await asyncio.to_thread(self._destroy)

    def _destroy(self) -> None:
        embedded_leftovers.sweep(self.places)
        if self._cgroups is not None and self._cgroup:
            self._cgroups.kill(self._cgroup)
            self._cgroups.remove(self._cgroup)
        for path in (
            self._socket,
            Path(f"{self._socket}.ttrpc"),
            self._config,
            self._pid_file,
            self._log,
            self._old_log,
        ):
            path.unlink(missing_ok=True)
        with contextlib.suppress(FileNotFoundError, OSError):
            self._socket.parent.rmdir()

    @property
    def _old_log(self) -> Path:
        return self._log.with_name(self._log.name + ".1")

    def _open(self) -> int | None:
        """Return a pidfd of it, None when it does not run."""
        return record_lock.open_holder(self._pid_file)

    def _launch(self) -> bool:
        """Start the process; False when another start came first."""
        program = shutil.which(self._program, path=_search_path())
        if program is None:
            raise errors.HostError(
                f"cannot start containerd: {self._program!r} is not installed",
                hint="install containerd (Debian: apt install containerd runc)",
            )
        config_text = embedded_config.render(self.places)
        self._make_directories()
        groups: list[str] = []
        if self._cgroups is not None and self._cgroup:
            self._cgroups.ensure(self._cgroup, leaf=True)
            groups = [str(path) for path in self._cgroups.process_files(self._cgroup)]
        order: embedded_launch.Order = {
            "pid_file": str(self._pid_file),
            "config": str(self._config),
            "config_text": config_text,
            "log": str(self._log),
            "log_limit_bytes": LOG_LIMIT_BYTES,
            "groups": groups,
            "command": [program, "--config", str(self._config)],
        }
        done = self._run_launcher(json.dumps(order))
        if done.returncode not in {0, embedded_launch.BUSY}:
            raise errors.HostError(f"cannot start containerd: {done.stderr.strip() or f'status {done.returncode}'}")
        return done.returncode == 0

    def _run_launcher(self, order: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": _search_path(), "LC_ALL": "C.UTF-8"}
        environment |= {name: os.environ[name] for name in _PROXIES if name in os.environ}
        try:
            return subprocess.run(
                [sys.executable, "-IS", embedded_launch.__file__, order],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                timeout=_LAUNCH_TIMEOUT_S,
                # Nothing of a service manager's (NOTIFY_SOCKET): containerd would report itself ready in our name.
                env=environment,
                start_new_session=True,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise errors.HostError(f"cannot start containerd: {error}") from error

    def _make_directories(self) -> None:
        try:
            self._socket.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._log.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        except OSError as error:
            raise errors.HostError(f"cannot prepare containerd at {error.filename!r}: {error.strerror}") from error

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_unix_connection(str(self._socket))
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
            return False
        except OSError as error:
            raise errors.HostError(f"cannot connect to {str(self._socket)!r}: {error.strerror}") from error
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return True

    async def _wait_until_it_answers(self, deadline: float) -> bool:
        """False when it ends before it does."""
        while not await self._answers():
            if self.pid() is None:
                return False
            if time.monotonic() >= deadline:
                raise errors.TimedOut(
                    f"cannot start containerd: nothing answers at {str(self._socket)!r}: {self._last_words()}",
                    hint=f"see {self._log}",
                )
            await asyncio.sleep(_PAUSE_S)
        return True

    def _last_words(self) -> str:
        """Return the last line of the log that tells of a failure, or the last one."""
        try:
            with self._log.open("rb") as file:
                file.seek(max(0, self._log.stat().st_size - _TAIL_BYTES))
                lines = file.read().decode(errors="replace").splitlines()
        except FileNotFoundError:
            return "its log is empty"
        failures = [line for line in lines if "level=fatal" in line or "level=error" in line or "containerd: " in line]
        return (failures or lines or ["its log is empty"])[-1]


def _search_path() -> str:
    return f"{os.environ['PATH']}:{_PATH}" if os.environ.get("PATH") else _PATH
