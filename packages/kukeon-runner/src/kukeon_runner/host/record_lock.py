"""Who holds a POSIX record lock: the kernel names the process, so there is no stale pid and no reused one."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from pathlib import Path

# struct flock on 64-bit Linux: type, whence, start, length, pid; fcntl(2).
_FLOCK = struct.Struct("@hhqqi0q")


def holder(path: Path) -> int | None:
    """The process that holds the lock of the file `path`, None when nobody does. Raises HostError, Conflict."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise errors.HostError(f"cannot read {str(path)!r}: {error.strerror}") from error
    try:
        answer = fcntl.fcntl(handle, fcntl.F_GETLK, _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    finally:
        os.close(handle)
    kind, _, _, _, pid = _FLOCK.unpack(answer)
    if kind == fcntl.F_UNLCK:
        return None
    if pid <= 0:
        raise errors.Conflict(
            f"cannot use {str(path)!r}: a process of another pid namespace holds it",
            hint="stop the kukeond in that container, or choose another run path",
        )
    return int(pid)


def open_holder(path: Path) -> int | None:
    """A pidfd of the process that holds the lock of `path`; the caller closes it. None when nobody does."""
    pid = holder(path)
    if pid is None:
        return None
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    # Still the holder: so the handle is of it and not of a later process with its number.
    if holder(path) == pid:
        return handle
    os.close(handle)
    return None


async def wait_ended(handle: int) -> None:
    """Wait until the process behind a pidfd has ended."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(handle, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(handle)
