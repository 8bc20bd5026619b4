"""Device nodes of the host, as the host itself sees them. All functions are synchronous."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner import observed

if TYPE_CHECKING:
    from collections.abc import Iterator

HOST_ROOT = "/proc/1/root"
"""The root directory of the host's first process: our own /dev may be a private one, systemd.exec(5)."""

_NOT_DEVICES = frozenset({"fd", "mqueue", "pts", "shm"})
"""Directories of /dev that every container has its own of."""
_OWN = frozenset({"/dev/console", "/dev/ptmx", "/dev/tty"})
"""Nodes that mean something else in each container, which the runtime provides."""


def find(path: str, root: str = HOST_ROOT) -> observed.Device:
    """The device node `path`, looked at without following links. Raises DeviceNotFound, which names it."""
    try:
        status = os.lstat(_within(root, path))
    except OSError as error:
        raise _missing(path, f"{(error.strerror or '').lower()} on this host") from error
    if stat.S_ISLNK(status.st_mode):
        raise _missing(path, "it is a link", "name the node that the link leads to: see `readlink -f`")
    if (device := _device(path, status)) is None:
        raise _missing(path, "it is no device node")
    return device


def every(root: str = HOST_ROOT) -> tuple[observed.Device, ...]:
    """All device nodes below /dev, in order, but those that each container has its own of."""
    return tuple(sorted(_below("/dev", root), key=lambda each: each.path))


def _below(directory: str, root: str) -> Iterator[observed.Device]:
    try:
        entries = list(os.scandir(_within(root, directory)))
    except OSError:
        return  # it went away, or is a mount that lets nobody in
    for entry in entries:
        path = f"{directory}/{entry.name}"
        try:
            if entry.is_dir(follow_symlinks=False):
                if not (directory == "/dev" and (entry.name in _NOT_DEVICES or entry.name.startswith("."))):
                    yield from _below(path, root)
                continue
            device = _device(path, entry.stat(follow_symlinks=False))
        except OSError:
            continue  # it went away meanwhile
        if device is not None and path not in _OWN:
            yield device


def _device(path: str, status: os.stat_result) -> observed.Device | None:
    kind = "c" if stat.S_ISCHR(status.st_mode) else "b" if stat.S_ISBLK(status.st_mode) else ""
    if not kind:
        return None
    number = status.st_rdev
    bits = stat.S_IMODE(status.st_mode)
    return observed.Device(path, kind, os.major(number), os.minor(number), bits, status.st_uid, status.st_gid)


def _within(root: str, path: str) -> Path:
    place = Path(root)
    # Without the right to look at that process, our own view is the only one.
    return place.joinpath(path.lstrip("/")) if os.access(place / "dev", os.R_OK | os.X_OK) else Path(path)


def _missing(path: str, why: str, hint: str = "correct the container's devices") -> errors.DeviceNotFound:
    return errors.DeviceNotFound(f"cannot give device {path!r} to a container: {why}", hint=hint)
