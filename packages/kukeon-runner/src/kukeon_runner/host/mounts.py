"""Mounts: the mount(2) family through libc, and what /proc says is mounted.

Rule: a target is opened first and mounted on by descriptor, so that a symlink put in its place is refused and never
followed.  All functions are synchronous; they take a few microseconds, except an unmount that has to write back.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

# mount(2), umount2(2): the values are kernel ABI (linux/mount.h, linux/fs.h).
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_NOSYMFOLLOW = 256
MS_NOATIME = 1024
MS_NODIRATIME = 2048
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MS_SHARED = 1 << 20
MS_RELATIME = 1 << 21
MS_STRICTATIME = 1 << 24
MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8

# A remount of a bind must repeat the flags the mount has, or the kernel takes them as removed (and refuses in a user
# namespace, where they are locked).  ST_* of statvfs(3) have the values of MS_* for these.
_KEPT_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME

_libc = ctypes.CDLL(None, use_errno=True)
_OCTAL = re.compile(r"\\([0-7]{3})")


def mount(source: str, target: str | Path, fstype: str | None, flags: int, data: str = "") -> None:
    """Mount, following no symlink at `target`'s last component.

    Raises HostError with the kernel's reason.
    """
    try:
        handle = os.open(target, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise _refused("mount on", target, error) from error
    try:
        _mount(source, f"/proc/thread-self/fd/{handle}", fstype, flags, data, shown=target)
    finally:
        os.close(handle)


def _mount(source: str, target: str, fstype: str | None, flags: int, data: str, *, shown: str | Path) -> None:
    kind = None if fstype is None else fstype.encode()
    result = _libc.mount(
        os.fsencode(source), os.fsencode(target), kind, ctypes.c_ulong(flags), os.fsencode(data) if data else None
    )
    if result != 0:
        code = ctypes.get_errno()
        raise _refused(f"mount {fstype or source!r} on", shown, OSError(code, os.strerror(code)))


def tmpfs(path: str | Path, *, size_bytes: int, mode: int = 0o1777) -> None:
    """Mount an empty tmpfs of at most `size_bytes` on the directory `path`; nosuid, nodev, noexec."""
    mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, f"size={size_bytes},mode={mode:o}")


def bind(source: str | Path, target: str | Path, *, read_only: bool = False) -> None:
    """Make `source` visible at the existing `target`; nothing stays mounted when making it read-only fails."""
    mount(os.fspath(source), target, None, MS_BIND)
    if not read_only:
        return
    try:
        make_read_only(target)
    except errors.HostError:
        unmount(target, lazy=True)
        raise


def make_read_only(target: str | Path, extra_flags: int = 0) -> None:
    """Turn the mount at `target` read-only (this mount only, not its file system)."""
    kept = os.statvfs(target).f_flag & _KEPT_FLAGS
    mount("none", target, None, MS_BIND | MS_REMOUNT | MS_RDONLY | kept | extra_flags)


def unmount(path: str | Path, *, lazy: bool = False) -> bool:
    """Unmount the topmost mount at `path`; False when there is none.  `lazy` detaches now and ends when unused.

    Raises HostError, also when the mount is busy and `lazy` is off.
    """
    flags = UMOUNT_NOFOLLOW | (MNT_DETACH if lazy else 0)
    if _libc.umount2(os.fsencode(path), flags) == 0:
        return True
    code = ctypes.get_errno()
    # EINVAL: exists but is no mount point.
    if code in {errno.ENOENT, errno.EINVAL}:
        return False
    raise _refused("unmount", path, OSError(code, os.strerror(code)))


def is_mountpoint(path: str | Path) -> bool:
    """Tell whether something is mounted exactly at `path`: also a bind of a file, or within one file system."""
    wanted = _place(path)
    return any(target == wanted for target in _targets())


def mounts_below(path: str | Path) -> list[str]:
    """Return the mount points at or below `path`, latest mount first: the order in which they can be unmounted."""
    top = _place(path)
    prefix = top.rstrip("/") + "/"
    return [target for target in reversed(list(_targets())) if target == top or target.startswith(prefix)]


def unmount_below(path: str | Path) -> int:
    """Detach everything mounted at or below `path`; return how many mounts there were."""
    return sum(unmount(target, lazy=True) for target in mounts_below(path))


def unescape(field: str) -> str:
    """Return a field of mountinfo as the path it stands for: space, tab, newline and backslash are octal there."""
    return _OCTAL.sub(lambda match: chr(int(match.group(1), 8)), field)


def _targets() -> Iterator[str]:
    # thread-self, not self: on a thread with a mount namespace of its own, self would be the main thread's.
    text = Path("/proc/thread-self/mountinfo").read_bytes().decode("utf-8", "surrogateescape")
    for line in text.splitlines():
        yield unescape(line.split(" ", 5)[4])


def _place(path: str | Path) -> str:
    """Return `path` as mountinfo shows it: parents resolved, the last component itself kept."""
    absolute = Path(path).absolute()
    return os.fspath(absolute.parent.resolve() / absolute.name)


def _refused(verb: str, path: str | Path, error: OSError) -> errors.KukeonError:
    hint = "run as root, or with CAP_SYS_ADMIN" if error.errno in {errno.EPERM, errno.EACCES} else ""
    return errors.HostError(f"cannot {verb} {os.fspath(path)!r}: {error.strerror}", hint=hint)
