"""Files that are replaced whole and survive power loss, in directories reached without following a symbolic link.

Everything works on descriptors of open directories: a path is looked up one name at a time with O_NOFOLLOW, so a link
planted in the tree is an error and never a way out of it. `OSError`s leave as they are; `host_errors` translates them
where the whole path is known.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIRECTORY_MODE = 0o2750
"""Set-group-id, so that files made by others below keep the group."""

FILE_MODE = 0o640

TEMP_PREFIX = ".metadata-"
"""A file that is being written. One writer at a time may replace a file, so its temporary name is fixed, and what a
crash left behind goes with the next write."""

TRASH_PREFIX = ".deleted-"
"""A directory that is being removed: renamed first, so that it is gone at once or not at all."""

READ_LIMIT_BYTES = 64 << 20
"""The largest message that a client may send, hence more than any document."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO that somebody left in the tree must not wait for its writer.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def host_errors(doing: str, path: str) -> Iterator[None]:
    """Translate OSErrors of the body: Denied where permission is missing, otherwise HostError naming `path`."""
    try:
        yield
    except OSError as exc:
        raise host_error(doing, path, exc) from exc


def host_error(doing: str, path: str, exc: OSError) -> errors.KukeonError:
    """The error that `host_errors` raises for `exc`."""
    message = f"cannot {doing} {path!r}: {_reason(exc)}"
    match exc.errno:
        case errno.ENOSPC | errno.EDQUOT:
            return errors.HostError(message, hint="free some space; what was stored before is intact")
        case errno.EXDEV | errno.EBUSY:
            return errors.HostError(message, hint="something is mounted below (`findmnt`): unmount it first")
        case errno.EROFS:
            return errors.HostError(message, hint="remount the file system writable")
        case errno.EACCES | errno.EPERM:
            return errors.Denied(message, hint="run as root, or use the daemon")
        case errno.ELOOP | errno.EMLINK | errno.ENOTDIR:
            return errors.HostError(message, hint="something replaced it by a link or file; put it back")
        case _:
            return errors.HostError(message)


def _reason(exc: OSError) -> str:
    match exc.errno:
        case errno.ELOOP | errno.EMLINK:
            return "symbolic links are not followed"
        case errno.EXDEV:
            return "a file system is mounted there"
        case None:
            return str(exc)
        case number:
            return os.strerror(number).lower()


def open_directory(name: str, parent: int | None = None) -> int:
    """Open the directory `name` (in `parent`); OSError with ELOOP or ENOTDIR when it is a symbolic link."""
    return os.open(name, _DIRECTORY, dir_fd=parent)


@contextlib.contextmanager
def directory(root: str, names: Sequence[str], *, create: bool = False, gid: int = 0) -> Iterator[int]:
    """Open `root`/`names`..., none of `names` being a link, as a descriptor for the body.

    With `create`, missing directories are made (0o2750, group `gid`); those are removed again, if still empty, when
    the body fails, so that a full disk doesn't fill the tree with empty directories. `root` must exist, and may be
    reached through links: that is the administrator's business.
    """
    made: list[tuple[int, str]] = []
    with contextlib.ExitStack() as stack:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, fd)
        try:
            for name in names:
                parent = fd
                if create and make_directory(parent, name, gid):
                    made.append((parent, name))
                fd = open_directory(name, parent)
                stack.callback(os.close, fd)
            yield fd
        except BaseException:
            for parent, name in reversed(made):
                with contextlib.suppress(OSError):
                    os.rmdir(name, dir_fd=parent)
            raise


def make_directory(parent: int, name: str, gid: int = 0) -> bool:
    """Have the directory `name` in `parent`, durably. Tell whether it was made now."""
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return False
    fd = open_directory(name, parent)
    try:
        # mkdir(2) drops set-group-id from its mode argument, and the umask takes more. Group first: chown(2) may clear
        # the bit.
        if gid:
            os.fchown(fd, -1, gid)
        os.fchmod(fd, DIRECTORY_MODE)
    finally:
        os.close(fd)
    os.fsync(parent)
    return True


def read(parent: int, name: str) -> bytes:
    """Return the content of the regular file `name`. OSError when it is anything else or larger than any document."""
    fd = os.open(name, _READ, dir_fd=parent)
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EISDIR if stat.S_ISDIR(status.st_mode) else errno.EINVAL, "not a regular file")
        if status.st_size > READ_LIMIT_BYTES:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        # One call reads a whole small file; a second one only proves the end, so ask for more than there is.
        content = os.read(fd, status.st_size + 1)
        while len(content) < status.st_size and (more := os.read(fd, status.st_size - len(content))):
            content += more
        return content
    finally:
        os.close(fd)


def replace(parent: int, name: str, content: bytes, *, gid: int = 0, mode: int = FILE_MODE) -> None:
    """Have the file `name` hold `content`, durably: after a crash at any point it has the old content or the new.

    The caller is the only writer of `name`. When this fails, the old content is intact unless the failure was the very
    last step (syncing the directory).
    """
    temp = _write_temp(parent, name, content, gid, mode)
    try:
        os.rename(temp, name, src_dir_fd=parent, dst_dir_fd=parent)
    except BaseException:
        _unlink(parent, temp)
        raise
    os.fsync(parent)


def create(parent: int, name: str, content: bytes, *, gid: int = 0, mode: int = FILE_MODE) -> None:
    """Make the file `name` with `content`, durably and all at once; FileExistsError when somebody was first."""
    # Several may try at the same time here, so each needs a temporary name of its own.
    temp = _write_temp(parent, f"{name}-{os.getpid()}-{os.urandom(4).hex()}", content, gid, mode)
    try:
        os.link(temp, name, src_dir_fd=parent, dst_dir_fd=parent, follow_symlinks=False)
    finally:
        _unlink(parent, temp)
    os.fsync(parent)


def remove(parent: int, name: str) -> bool:
    """Remove the file `name`, durably. Tell whether it was there."""
    removed = _unlink(parent, name)
    if removed:
        os.fsync(parent)
    return removed


def trash(parent: int, name: str) -> str:
    """Rename the directory `name` out of the way, durably, and return its new name for `remove_tree`."""
    hidden = f"{TRASH_PREFIX}{os.urandom(8).hex()}"
    os.rename(name, hidden, src_dir_fd=parent, dst_dir_fd=parent)
    os.fsync(parent)
    return hidden


def remove_tree(parent: int, name: str) -> None:
    """Remove `name` with everything below, never following a link and never entering a mounted file system.

    What is gone already is fine. OSError (EXDEV, EBUSY) when something is mounted below: that is not ours to empty.
    """
    _remove_tree(parent, name, _mount_id(parent))


def _remove_tree(parent: int, name: str, mount_id: bytes) -> None:
    try:
        fd = open_directory(name, parent)
    except FileNotFoundError:
        return
    except OSError as exc:
        if exc.errno not in (errno.ENOTDIR, errno.ELOOP):
            raise
        _unlink(parent, name)
        return
    try:
        if _mount_id(fd) != mount_id:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        with os.scandir(fd) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for child, is_directory in found:
            if is_directory:
                _remove_tree(fd, child, mount_id)
            else:
                _unlink(fd, child)
    finally:
        os.close(fd)
    with contextlib.suppress(FileNotFoundError):
        os.rmdir(name, dir_fd=parent)


def _mount_id(fd: int) -> bytes:
    """Which mount `fd` is on. A bind mount has the device number of what it shows, so st_dev would not tell."""
    # proc(5), /proc/pid/fdinfo: a line `mnt_id:` and the number in /proc/pid/mountinfo.
    with open(f"/proc/self/fdinfo/{fd}", "rb") as info:
        for line in info:
            if line.startswith(b"mnt_id:"):
                return line
    raise OSError(errno.ENOSYS, "the kernel names no mount of an open directory")


def _write_temp(parent: int, name: str, content: bytes, gid: int, mode: int) -> str:
    temp = f"{TEMP_PREFIX}{name}"
    try:
        fd = os.open(temp, _CREATE, 0o600, dir_fd=parent)
    except FileExistsError:
        _unlink(parent, temp)
        fd = os.open(temp, _CREATE, 0o600, dir_fd=parent)
    try:
        try:
            if gid:
                os.fchown(fd, -1, gid)
            os.fchmod(fd, mode)
            rest = memoryview(content)
            while rest:
                rest = rest[os.write(fd, rest) :]
            os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        _unlink(parent, temp)
        raise
    return temp


def _unlink(parent: int, name: str) -> bool:
    try:
        os.unlink(name, dir_fd=parent)
    except FileNotFoundError:
        return False
    return True
