"""The processes that hold pid files: found, told and waited for without ever meeting another one that got their pid."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Process:
    """One process, by a pidfd: it stays this process when the pid is given to another."""

    pid: int
    handle: int

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that has ended already gets none."""
        try:
            signal.pidfd_send_signal(self.handle, number)
        except ProcessLookupError:
            return

    def ends(self, timeout_s: float) -> bool:
        """Wait until it ends, `timeout_s` at most; tell whether it did."""
        poll = select.poll()
        poll.register(self.handle, select.POLLIN)
        return bool(poll.poll(max(0.0, timeout_s) * 1000))


def all_end(found: Sequence[Process], timeout_s: float) -> bool:
    """Wait until all of them end, `timeout_s` for all together; tell whether they did."""
    deadline = time.monotonic() + timeout_s
    return all(process.ends(deadline - time.monotonic()) for process in found)


def holder(path: Path) -> int | None:
    """Return the process that holds the pid file, None when nobody does: a pid alone may be somebody else's by now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise errors.HostError(f"cannot read the pid file {str(path)!r}: {exc.strerror}") from exc
    try:
        text = os.pread(descriptor, 32, 0).strip()
        # Trying the lock takes it for a moment, and whoever starts in that moment would be refused. So it is tried only
        # where the file names a living process: one that is starting has not written its name yet.
        if not text.isdigit() or not Path("/proc", text.decode()).exists():
            return None
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(text)
    finally:
        os.close(descriptor)
    return None


@contextmanager
def of(path: Path) -> Iterator[Process | None]:
    """Give the process that holds the pid file, None when nobody does."""
    pid = holder(path)
    handle = _open(pid)
    # The pid may have been given to another process between the two calls; then the file is no longer held by it.
    if handle is not None and holder(path) != pid:
        os.close(handle)
        handle = None
    try:
        yield None if pid is None or handle is None else Process(pid, handle)
    finally:
        if handle is not None:
            os.close(handle)


def wait_gone(pid: int, timeout_s: float) -> bool:
    """Wait until the process `pid` ends, `timeout_s` at most; tell whether it did."""
    handle = _open(pid)
    if handle is None:
        return True
    try:
        return Process(pid, handle).ends(timeout_s)
    finally:
        os.close(handle)


def paused(pid: int) -> bool:
    """Tell whether a signal has stopped the process (state T in proc(5)): it does nothing until it is continued."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[:1] == ["T"]


def _open(pid: int | None) -> int | None:
    if pid is None:
        return None
    try:
        return os.pidfd_open(pid)
    except ProcessLookupError:
        return None
