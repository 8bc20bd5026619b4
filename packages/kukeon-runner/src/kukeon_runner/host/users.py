"""Who a container runs as: `user[:group]` looked up in the image's own /etc/passwd and /etc/group.

Everything in an image is hostile.  Its root file system is mounted read-only in a mount namespace that lives as long as
one throw-away thread; files are opened by openat2(2) with that root as the only one, so no link leads out of it; what
is not a regular file, or too big, is refused.  A word of digits is always a number: an image cannot name a user `1000`
that is root.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import threading
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol

from kukeon_api import errors
from kukeon_runner.host import mounts as mounting

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Identity = tuple[int, int, tuple[int, ...]]

MAX_ID = 2**31 - 1
"""runc and the kernel's older interfaces take no larger ids."""
MAX_GROUPS = 65536
"""NGROUPS_MAX, limits.h: setgroups(2) takes no more."""
MAX_FILE_BYTES = 4 * 1024 * 1024

CLONE_NEWNS = 0x00020000
_SYS_OPENAT2 = 437  # the same on every architecture
_RESOLVE_NO_MAGICLINKS = 0x02
_RESOLVE_IN_ROOT = 0x10
# A directory that every host has and that nothing below needs while it is covered, in the thread's namespace only.
_COVERED = "/sys"
_MAX_MOUNT_DATA = 4095
_READ_ONLY = mounting.MS_RDONLY | mounting.MS_NOSUID | mounting.MS_NODEV | mounting.MS_NOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


class Mount(Protocol):
    """A mount as containerd's snapshotters describe it."""

    @property
    def type(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def options(self) -> Sequence[str]: ...


def resolve_user(mounts: Sequence[Mount], user: str) -> Identity:
    """Return uid, gid and additional gids of `user` in the root file system that `mounts` make up.

    "" is root without groups; `uid:gid` needs no file and no mount.  A number that the image does not list is taken as
    it is, with group 0.  An explicit group brings no additional ones, as with Docker.  Waits for the disk: call it on
    a thread.  Raises InvalidUser for a name that is not there, HostError when the image cannot be mounted.
    """
    name, colon, group = user.partition(":")
    if ":" in group:
        raise errors.InvalidUser(f"cannot use user {user!r}: more than one ':'", hint="write it as user or user:group")
    uid = _number(name or "0", user)
    gid = _number(group, user) if group else None
    if uid is not None and gid is not None:
        return uid, gid, ()
    if not name and not group:
        return 0, 0, ()
    passwd, groups = _read_apart(mounts)
    return _look_up(user, name or "0", group if colon else "", passwd, groups)


def _look_up(user: str, name: str, group: str, passwd: bytes, groups: bytes) -> Identity:
    uid = _number(name, user)
    matching = (found for found in _passwd(passwd) if (found[0] == name if uid is None else found[1] == uid))
    entry = next(matching, None)
    if uid is None and entry is None:
        raise errors.InvalidUser(
            f"cannot run as user {user!r}: the image's /etc/passwd has no {name!r}", hint="use a number, like 1000:1000"
        )
    login, own_uid, own_gid = entry or ("", uid or 0, 0)
    if group:
        return own_uid, _group_id(user, group, groups), ()
    return own_uid, own_gid, _memberships(user, login, own_gid, groups)


def _group_id(user: str, group: str, groups: bytes) -> int:
    gid = _number(group, user)
    if gid is not None:
        return gid
    for name, found, _ in _groups(groups):
        if name == group:
            return found
    raise errors.InvalidUser(
        f"cannot run as user {user!r}: the image's /etc/group has no {group!r}", hint="use a number, like 1000:1000"
    )


def _memberships(user: str, login: str, own_gid: int, groups: bytes) -> tuple[int, ...]:
    found = {gid for _, gid, members in _groups(groups) if login and login in members} - {own_gid}
    if len(found) > MAX_GROUPS:
        raise errors.InvalidUser(f"cannot run as user {user!r}: the image puts it into {len(found)} groups")
    return tuple(sorted(found))


def _number(text: str, user: str) -> int | None:
    """Return the id that `text` is, None when it is a name; InvalidUser when it is out of range."""
    if not (text.isascii() and text.isdigit()):
        return None
    number = _id(text)
    if number is None:
        raise errors.InvalidUser(f"cannot use user {user[:64]!r}: ids go up to {MAX_ID}")
    return number


def _passwd(content: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield name, uid, gid of each well-formed line of passwd(5)."""
    for fields in _lines(content):
        if len(fields) >= 4 and (uid := _id(fields[2])) is not None and (gid := _id(fields[3])) is not None:
            yield fields[0], uid, gid


def _groups(content: bytes) -> Iterator[tuple[str, int, list[str]]]:
    """Yield name, gid, members of each well-formed line of group(5)."""
    for fields in _lines(content):
        if len(fields) >= 3 and (gid := _id(fields[2])) is not None:
            yield fields[0], gid, [member.strip() for member in fields[3].split(",")] if len(fields) > 3 else []


def _lines(content: bytes) -> Iterator[list[str]]:
    for line in content.decode("utf-8", "replace").split("\n"):
        fields = [field.strip() for field in line.split(":")]
        if fields[0] and not fields[0].startswith("#"):
            yield fields


def _id(text: str) -> int | None:
    # The length first: int() of a million digits takes its time.
    if not (text.isascii() and text.isdigit()) or len(text) > 10 or int(text) > MAX_ID:
        return None
    return int(text)


def _read_apart(mounts: Sequence[Mount]) -> tuple[bytes, bytes]:
    """Read the image's passwd and group on a thread whose mount namespace ends with it."""
    outcome: Future[tuple[bytes, bytes]] = Future()

    def work() -> None:
        try:
            outcome.set_result(_read_files(mounts))
        except BaseException as error:  # handed to the caller, whatever it is
            outcome.set_exception(error)

    thread = threading.Thread(target=work, name="image users")
    thread.start()
    thread.join()
    return outcome.result()


def _read_files(mounts: Sequence[Mount]) -> tuple[bytes, bytes]:
    if _libc.unshare(CLONE_NEWNS) != 0:
        code = ctypes.get_errno()
        raise errors.HostError(
            f"cannot look into the image: a mount namespace was refused: {os.strerror(code)}", hint="run as root"
        )
    mounting.mount("none", "/", None, mounting.MS_REC | mounting.MS_PRIVATE)
    for mount in mounts:
        _mount(mount)
    root = os.open(_COVERED, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return _read(root, "etc/passwd"), _read(root, "etc/group")
    finally:
        os.close(root)


def _mount(mount: Mount) -> None:
    """Mount over _COVERED, read-only: also a snapshot that a container has mounted for writing at the same time."""
    if mount.type in {"bind", "rbind"}:
        mounting.mount(mount.source, _COVERED, None, mounting.MS_BIND)
        mounting.make_read_only(_COVERED, _READ_ONLY)
    elif mount.type == "overlay":
        directory, data = _overlay_data(mount.options)
        # unshare(CLONE_NEWNS) gave the thread a working directory of its own, too, unshare(2).
        os.chdir(directory)
        mounting.mount("overlay", _COVERED, "overlay", _READ_ONLY, data)
    else:
        flags = {"rw", "ro", "bind", "rbind"}
        data = ",".join(option for option in mount.options if option not in flags)
        mounting.mount(mount.source, _COVERED, mount.type, _READ_ONLY, data)


def _overlay_data(options: Sequence[str]) -> tuple[str, str]:
    """Return a directory and overlay options relative to it that show the same files without a writable layer.

    The writable layer becomes the topmost of the lower ones: two mounts that write to one are undefined (the kernel's
    overlayfs.rst).
    """
    layers: list[str] = []
    kept: list[str] = []
    for option in options:
        key, _, value = option.partition("=")
        if key == "lowerdir":
            layers += value.split(":")
        elif key == "upperdir":
            layers.insert(0, value)
        elif key not in {"workdir", "index", "volatile", "rw", "ro"}:
            kept.append(option)
    data = ",".join([*kept, f"lowerdir={':'.join(layers)}"])
    if len(data) <= _MAX_MOUNT_DATA or not all(layer.startswith("/") for layer in layers):
        return "/", data
    # mount(2) takes one page of options, and dozens of layers fill it: write them relative to what they share.
    shared = os.path.commonpath(layers)
    short = [os.path.relpath(layer, shared) for layer in layers]
    return shared, ",".join([*kept, f"lowerdir={':'.join(short)}"])


def _read(root: int, path: str) -> bytes:
    """Return a regular file's content below `root`, b"" when it is absent.  Links are followed, but never out."""
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
    # struct open_how: flags, mode, resolve; openat2(2).
    how = struct.pack("=QQQ", flags, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_MAGICLINKS)
    buffer = ctypes.create_string_buffer(how, len(how))
    handle = _libc.syscall(
        ctypes.c_long(_SYS_OPENAT2), ctypes.c_long(root), path.encode(), buffer, ctypes.c_size_t(len(how))
    )
    if handle < 0:
        code = ctypes.get_errno()
        if code in {errno.ENOENT, errno.ENOTDIR}:
            return b""
        if code in {errno.ENOSYS, errno.EPERM}:
            raise errors.HostError("cannot look into the image: the system call openat2 is not available")
        raise errors.InvalidUser(f"cannot read the image's /{path}: {os.strerror(code)}")
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise errors.InvalidUser(f"cannot read the image's /{path}: not a regular file")
        return _read_bounded(handle, path)
    except OSError as error:
        raise errors.HostError(f"cannot read the image's /{path}: {error.strerror}") from error
    finally:
        os.close(handle)


def _read_bounded(handle: int, path: str) -> bytes:
    pieces: list[bytes] = []
    left = MAX_FILE_BYTES + 1
    while left > 0 and (piece := os.read(handle, left)):
        pieces.append(piece)
        left -= len(piece)
    if left <= 0:
        raise errors.InvalidUser(f"cannot use the image's /{path}: more than {MAX_FILE_BYTES >> 20} MiB")
    return b"".join(pieces)
