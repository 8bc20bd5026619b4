"""The process that keeps an instance's terminals: started beside kukeond, outliving it, found by the next one.

It holds the lock of its pid file for as long as it lives, see `embedded_launch`. It may be killed at any moment.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kukeon_api import errors
from kukeon_runner import tty
from kukeon_runner.host import embedded_launch, record_lock

if TYPE_CHECKING:
    from kukeon_runner.host.cgroups import Cgroups

log = logging.getLogger(__name__)

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 10.0
ASK_TIMEOUT_S = 10.0
LOG_LIMIT_BYTES = 1024 * 1024
_PAUSE_S = 0.005
_ANSWER_LIMIT_BYTES = 16 << 20

_SOURCE = Path(tty.__file__).parent


class Kuketty:
    """The process of one instance. `directory` holds the terminals; `socket` is for us only."""

    def __init__(
        self, *, directory: str, socket: str, log: str, gid: int, cgroup: str = "", cgroups: Cgroups | None = None
    ) -> None:
        """Describe it; nothing happens yet. `cgroup` (with `cgroups`) is a group of its own for it."""
        self.directory = Path(directory)
        self._socket = socket
        self._log = log
        self._gid = gid
        self._cgroup = cgroup
        self._cgroups = cgroups
        self._config = Path(socket).with_name("kuketty.json")
        self._pid_file = Path(socket).with_name("kuketty.pid")

    @property
    def _version(self) -> str:
        """Whose sockets are of another group is another version: a kukeon may be set up for a group later on."""
        return f"{version()}-{self._gid}"

    def pid(self) -> int | None:
        return record_lock.holder(self._pid_file)

    async def start(self) -> bool:
        """Have it serve, in the version that we are; True when it was started. Raises HostError."""
        if self.pid() is not None:
            try:
                told = await self.ask({"do": "hello"})
            except OSError:
                told = {}
            if told.get("version") == self._version:
                return False
            # It goes on from where it was; what hangs or is of another version only loses its clients for a moment.
            await self.stop()
        await asyncio.to_thread(self._launch)
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            with contextlib.suppress(OSError):
                await self.ask({"do": "hello"})
                return True
            if self.pid() is None or time.monotonic() > deadline:
                raise errors.HostError("cannot start kuketty, which keeps terminals", hint=f"see {self._log}")
            await asyncio.sleep(_PAUSE_S)

    async def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send one request and return the answer. Raises OSError when it is away, HostError with its words."""
        async with asyncio.timeout(ASK_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(self._socket, limit=_ANSWER_LIMIT_BYTES)
            try:
                writer.write(json.dumps(request).encode() + b"\n")
                await writer.drain()
                line = await reader.readline()
            finally:
                writer.close()
        if not line.endswith(b"\n"):
            raise ConnectionResetError("kuketty went away")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise errors.HostError(f"cannot {request['do']} a terminal: {answer['error']}", hint=f"see {self._log}")
        return answer

    async def wait_ended(self) -> None:
        """Wait until it does not run (any more)."""
        handle = record_lock.open_holder(self._pid_file)
        if handle is not None:
            try:
                await record_lock.wait_ended(handle)
            finally:
                os.close(handle)

    async def stop(self) -> bool:
        """End it; False when it did not run. Programs go on, and wait when they have written much."""
        handle = record_lock.open_holder(self._pid_file)
        if handle is None:
            return False
        try:
            # It keeps nothing that a signal could spoil, so it is not asked first.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await record_lock.wait_ended(handle)
        except TimeoutError as error:
            raise errors.HostError("cannot stop kuketty: it survived SIGKILL") from error
        finally:
            os.close(handle)
        return True

    def _launch(self) -> None:
        config = {
            "directory": str(self.directory),
            "socket": self._socket,
            "gid": self._gid,
            "version": self._version,
        }
        groups: list[str] = []
        if self._cgroups is not None and self._cgroup:
            self._cgroups.ensure(self._cgroup, leaf=True)
            groups = [str(path) for path in self._cgroups.process_files(self._cgroup)]
        order: embedded_launch.Order = {
            "pid_file": str(self._pid_file),
            "config": str(self._config),
            "config_text": json.dumps(config),
            "log": self._log,
            "log_limit_bytes": LOG_LIMIT_BYTES,
            "groups": groups,
            "command": [sys.executable, "-IS", str(_SOURCE / "__main__.py"), str(self._config)],
        }
        try:
            self._make_directory()
            done = subprocess.run(
                [sys.executable, "-IS", embedded_launch.__file__, json.dumps(order)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                timeout=START_TIMEOUT_S,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
                start_new_session=True,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise errors.HostError(f"cannot start kuketty: {error}") from error
        if done.returncode not in {0, embedded_launch.BUSY}:
            raise errors.HostError(f"cannot start kuketty: {done.stderr.strip() or f'status {done.returncode}'}")

    def _make_directory(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._gid:
            os.chown(self.directory, 0, self._gid)
            # Members of the group find the sockets, whose names they are told, and list nothing.
            self.directory.chmod(0o710)


def version() -> str:
    """What tells one kuketty from another: its source and its Python."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(_SOURCE.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()
