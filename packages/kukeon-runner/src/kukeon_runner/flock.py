"""Locks between processes: who may change a run path.

kukeond, and a `kuke` that works without it, hold the run path exclusively for their life. Without that, each single
change holds it shared, so it is refused while somebody has it exclusively and never slips under their memory. Nobody
waits on flock(2): waiting threads of a pool would starve the one that has to unlock.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner import durable, layout

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

PATIENCE_S = 0.2
"""A single change takes a millisecond or two, so the lock is tried again for so long before it counts as held."""

CHANGE_PATIENCE_S = 10.0
_PAUSE_S = 0.002

_OURS = {"kukeond": "kukeond", "kukeon_daemon": "kukeond", "kuke": "kuke"}
"""What a command line has of the programs that hold a run path, however they were started -> what they are called."""

_SHARED_DIRECTORY_MODE = 0o755
_SHARED_MODE = 0o600


class RunPathLock:
    """The right to change a run path, held until `release` or the end of the process, whichever way it ends."""

    def __init__(self, run_path: str, fd: int) -> None:
        self.run_path = run_path
        self._fd = fd

    def release(self) -> None:
        """Let go; twice is fine."""
        if self._fd >= 0:
            # The pid goes first: a reader between the two sees an unnamed holder, never a wrong one.
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, 0)
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> RunPathLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.release()


def hold_run_path(run_path: str, *, gid: int = 0) -> RunPathLock:
    """Take the exclusive lock of an existing run path. RunPathLocked, a Conflict that names the holder, if it is taken.

    Blocks for 0.2 s at most. The descriptor is not inherited by children: a containerd of ours outlives kukeond and
    must not keep its lock.
    """
    path = layout.run_path_lock(run_path)
    with durable.host_errors("lock", path):
        fd = _open(path, gid)
        try:
            if not _try(fd, fcntl.LOCK_EX, PATIENCE_S):
                raise _held(run_path, fd)
            os.ftruncate(fd, 0)
            os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)
        except BaseException:
            os.close(fd)
            raise
    return RunPathLock(run_path, fd)


def holder(run_path: str) -> int | None:
    """Return the pid of the process that holds the run path exclusively, None if nobody does; 0 if it has no name."""
    path = layout.run_path_lock(run_path)
    with durable.host_errors("lock", path):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            return None if _try(fd, fcntl.LOCK_SH, 0) else _pid(fd)
        finally:
            os.close(fd)


def check_free(run_path: str) -> None:
    """Raise RunPathLocked when a process holds the run path exclusively."""
    path = layout.run_path_lock(run_path)
    with durable.host_errors("lock", path):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return
        try:
            if not _try(fd, fcntl.LOCK_SH, 0):
                raise _held(run_path, fd)
        finally:
            os.close(fd)


@contextlib.contextmanager
def one_change(run_path: str, *, gid: int = 0) -> Iterator[None]:
    """Keep one change apart from an exclusive holder (RunPathLocked at once) and from other changes (which it awaits).

    TimedOut when another process is stuck in its change for 10 s.
    """
    path = layout.run_path_lock(run_path)
    with contextlib.ExitStack() as held:
        with durable.host_errors("lock", path):
            fd = _open(path, gid)
            held.callback(os.close, fd)
            if not _try(fd, fcntl.LOCK_SH, 0):
                raise _held(run_path, fd)
            # The same file can't carry both meanings, so changes exclude each other on a second one.
            turn = _open(f"{path}-change", gid)
            held.callback(os.close, turn)
            if not _try(turn, fcntl.LOCK_EX, CHANGE_PATIENCE_S):
                raise errors.TimedOut(
                    f"cannot change {run_path!r}: another process has been changing it for {CHANGE_PATIENCE_S:.0f} s",
                    hint=f"find it with `fuser {path}-change`",
                )
        yield


@contextlib.contextmanager
def in_turn(path: str) -> Iterator[None]:
    """Do something that instances of one host do one after the other; `path` is the file that they share.

    Raises TimedOut when another one is stuck in it for 10 s.
    """
    with contextlib.ExitStack() as held:
        with durable.host_errors("lock", path):
            while True:
                fd = open_shared(path)
                held.callback(os.close, fd)
                if not _try(fd, fcntl.LOCK_EX, CHANGE_PATIENCE_S):
                    raise errors.TimedOut(
                        f"cannot lock {path!r}: another kukeon has held it for {CHANGE_PATIENCE_S:.0f} s",
                        hint=f"find it with `fuser {path}`",
                    )
                if _names(path, fd):
                    break  # else the last instance of the host has gone, and the file with it
        yield


def open_shared(path: str) -> int:
    """A descriptor of the file `path` that instances share, made if need be. Raises OSError."""
    directory = Path(path).parent
    if not directory.is_dir():
        directory.mkdir(parents=True, exist_ok=True)
        directory.chmod(_SHARED_DIRECTORY_MODE)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _SHARED_MODE)


def remove_shared(path: str) -> None:
    """Remove the file that instances share, and its directory, when nothing else is in there. Raises HostError."""
    file = Path(path)
    if file.parent.is_dir():
        with in_turn(path), durable.host_errors("remove", path):
            if list(file.parent.iterdir()) == [file]:
                file.unlink()
                with contextlib.suppress(OSError):
                    file.parent.rmdir()


def _names(path: str, fd: int) -> bool:
    try:
        there, ours = Path(path).lstat(), os.fstat(fd)
    except FileNotFoundError:
        return False
    return (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino)


def _open(path: str, gid: int) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, durable.FILE_MODE)
    if gid and os.fstat(fd).st_gid != gid:
        try:
            os.fchown(fd, -1, gid)
        except BaseException:
            os.close(fd)
            raise
    return fd


def _try(fd: int, how: int, patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(fd, how | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_PAUSE_S)
        else:
            return True


def _pid(fd: int) -> int:
    text = os.pread(fd, 32, 0).strip()
    return int(text) if text.isdigit() else 0


def _program(pid: int) -> str:
    """What people call the program of a process, "" when that cannot be told. A Python's name says nothing."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        if ours := next((_OURS[name] for word in words[:6] if (name := word.rpartition("/")[2]) in _OURS), ""):
            return ours
        return Path(f"/proc/{pid}/comm").read_text(errors="replace").strip()
    except OSError:
        return ""


def _held(run_path: str, fd: int) -> errors.RunPathLocked:
    pid = _pid(fd)
    who = "another process"
    if pid:
        name = _program(pid)
        who = f"{name} (process {pid})" if name else f"process {pid}"
    return errors.RunPathLocked(
        f"cannot change {run_path!r}: {who} holds it",
        hint="leave out `--no-daemon` and `--run-path` to go through the daemon, or stop it first: `kuke daemon stop`",
    )
