"""What the directories of any cgroup hierarchy have in common: walk, list processes, end them, remove.

Rule: nothing here leaves the directory it is given.  Groups are never followed through symlinks (cgroupfs has none;
a test tree might), and a process is signalled through a pidfd that was opened while the group still listed it, so a
reused pid is never hit.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import time
from pathlib import Path

from kukeon_api import errors

CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")
"""What kukeon enables where the kernel has it, in the kernel's own order."""

# A group that the kernel still calls busy although no process is listed gets free within microseconds to milliseconds.
_FIRST_PAUSE_S = 0.001
_LONGEST_PAUSE_S = 0.05
_TURN_S = 0.25


def check_path(path: str) -> tuple[str, ...]:
    """Return the components of the absolute, normalised cgroup `path`; Invalid for anything else, and for "/"."""
    parts = tuple(path.split("/")[1:])
    if not path.startswith("/") or not parts or any(part in {"", ".", ".."} for part in parts) or "\0" in path:
        raise errors.Invalid(
            f"cannot use {path!r} as a cgroup: not an absolute, normalised path below the root",
            hint="write it like /kukeon/realm",
        )
    if any("\n" in part or len(os.fsencode(part)) > 255 for part in parts):
        raise errors.Invalid(f"cannot use {path!r} as a cgroup: a component has a line feed or more than 255 bytes")
    return parts


def read(path: Path) -> str | None:
    """Return a kernel file's text; None when it, or its group, is not there."""
    try:
        return path.read_text()
    except OSError as error:
        # ENODEV: the group was removed between open and read.
        if error.errno in {errno.ENOENT, errno.ENODEV, errno.ENOTDIR}:
            return None
        raise errors.HostError(f"cannot read {str(path)!r}: {error.strerror}") from error


def write(path: Path, text: str) -> None:
    """Write to a kernel file as one write(2), never creating or truncating it; OSError when the kernel refuses."""
    handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.write(handle, text.encode())
    finally:
        os.close(handle)


def make(group: Path) -> bool:
    """Create one group; True when it was not there."""
    try:
        group.mkdir(mode=0o755)
    except FileExistsError:
        return False
    except OSError as error:
        hint = "run as root, or have this cgroup delegated" if error.errno in {errno.EACCES, errno.EPERM} else ""
        if error.errno == errno.EROFS:
            hint = "the hierarchy is mounted read-only: run on the host or with cgroups mounted read-write"
        raise errors.HostError(f"cannot create cgroup {str(group)!r}: {error.strerror}", hint=hint) from error
    return True


def groups(top: Path) -> list[Path]:
    """Return `top` and every group below it, children before parents; empty when `top` is absent."""
    if not top.is_dir() or top.is_symlink():
        return []
    return [Path(directory) for directory, _, _ in os.walk(top, topdown=False, followlinks=False)]


def members(group: Path) -> set[int]:
    """Return the processes directly in `group`."""
    try:
        text = (group / "cgroup.procs").read_text()
    except OSError as error:
        # EOPNOTSUPP: a threaded group; its processes are listed by the domain above it.
        if error.errno in {errno.ENOENT, errno.ENODEV, errno.EOPNOTSUPP}:
            return set()
        raise errors.HostError(f"cannot list the processes of cgroup {str(group)!r}: {error.strerror}") from error
    # 0 stands for a process outside our pid namespace; as an argument to kill(2) it would be ourselves.
    return {int(word) for word in text.split()} - {0}


def processes(top: Path) -> set[int]:
    """Return the processes in `top` and below."""
    return {pid for group in groups(top) for pid in members(group)}


def handles(top: Path) -> list[int]:
    """Return pidfds of every process in `top` and below; the caller closes them."""
    opened: list[int] = []
    for group in groups(top):
        for pid in members(group):
            try:
                handle = os.pidfd_open(pid)
            except ProcessLookupError:
                continue
            # Only a pid that is still listed is known to belong to the process behind the handle.
            if pid in members(group):
                opened.append(handle)
            else:
                os.close(handle)
    return opened


def kill(top: Path) -> list[int]:
    """Send SIGKILL to every process in `top` and below; return their pidfds, which the caller closes."""
    opened = handles(top)
    for handle in opened:
        try:
            signal.pidfd_send_signal(handle, signal.SIGKILL)
        except ProcessLookupError:
            continue
        except OSError as error:
            close(opened)
            raise errors.HostError(f"cannot kill the processes of cgroup {str(top)!r}: {error.strerror}") from error
    return opened


def close(opened: list[int]) -> None:
    for handle in opened:
        os.close(handle)


def wait_for_exits(opened: list[int], deadline: float) -> None:
    """Wait until the processes behind all pidfds have ended or time.monotonic() reaches `deadline`; close them."""
    poller = select.poll()
    for handle in opened:
        poller.register(handle, select.POLLIN)
    left = set(opened)
    try:
        while left and (remaining := deadline - time.monotonic()) > 0:
            for handle, _ in poller.poll(remaining * 1000):
                poller.unregister(handle)
                left.discard(handle)
    finally:
        close(opened)


def remove(top: Path, deadline: float) -> None:
    """Remove `top` and every group below, waiting until time.monotonic() reaches `deadline` for processes to end.

    Absent is done.  Raises Conflict when processes are left, HostError when the kernel refuses.
    """
    pause = _FIRST_PAUSE_S
    while not _try_remove(top):
        now = time.monotonic()
        if now >= deadline:
            raise _still_there(top)
        # A process may also leave by being moved, which its pidfd does not tell: look again after a turn.
        wait_for_exits(handles(top), min(deadline, now + _TURN_S))
        time.sleep(min(pause, max(0.0, deadline - now)))
        pause = min(pause * 2, _LONGEST_PAUSE_S)


def _try_remove(top: Path) -> bool:
    for group in groups(top):
        try:
            group.rmdir()
        except FileNotFoundError:
            continue
        except OSError as error:
            # ENOTEMPTY, too: a group may have been made in it since it was listed.
            if error.errno in {errno.EBUSY, errno.ENOTEMPTY}:
                return False
            raise errors.HostError(f"cannot remove cgroup {str(group)!r}: {error.strerror}") from error
    return True


def _still_there(top: Path) -> errors.KukeonError:
    pids = sorted(processes(top))
    if pids:
        listed = ", ".join(str(pid) for pid in pids[:5]) + (", ..." if len(pids) > 5 else "")
        return errors.Conflict(
            f"cannot remove cgroup {str(top)!r}: processes are in it: {listed}", hint="stop or kill them first"
        )
    return errors.HostError(f"cannot remove cgroup {str(top)!r}: the kernel still calls it busy")
