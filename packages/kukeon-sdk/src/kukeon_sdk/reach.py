"""Why a socket cannot be reached, found out before gRPC tries, whose own words name neither the path nor the cause."""

from __future__ import annotations

import errno
import grp
import os
import pathlib
import socket
import stat
import struct

from kukeon_api import errors

START_HINT = "start it with `sudo kuke daemon start`, or set this host up with `sudo kuke init`"
ROOT_HINT = "only root may use it: repeat the command with sudo"


def check_reachable(path: str, timeout_s: float) -> None:
    """Connect to the unix socket `path` and hang up again.

    Raises `Unavailable` (no socket there, nobody listening, no room for `timeout_s` seconds), `Denied` (no permission)
    or `Invalid` (something else than a socket).
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - the path is text for gRPC as well, not a Path
    except OSError as error:
        raise unreachable(path, error) from error
    if not stat.S_ISSOCK(mode):
        raise errors.Invalid(
            f"cannot reach kukeond at {path!r}: it is not a socket",
            hint="check --host and KUKEON_HOST",
        )
    # A blocking connect waits for room in the listener's queue (a non-blocking one would fail at once), and a send
    # timeout bounds that wait: unix(7), SO_SNDTIMEO in socket(7).
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        seconds, fraction = divmod(max(timeout_s, 0.001), 1)
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(seconds), int(fraction * 1_000_000))
        )
        try:
            probe.connect(path)
        except OSError as error:
            raise unreachable(path, error) from error


def unreachable(path: str, error: OSError) -> errors.KukeonError:
    """Return what `error`, met while looking at or connecting to `path`, means to a person."""
    prefix = f"cannot reach kukeond at {path!r}"
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return errors.Unavailable(f"{prefix}: no such file or directory (kukeond is not running)", hint=START_HINT)
        case errno.ECONNREFUSED:
            return errors.Unavailable(
                f"{prefix}: connection refused (kukeond has stopped and left its socket behind)", hint=START_HINT
            )
        case errno.EACCES | errno.EPERM:
            return errors.Denied(f"{prefix}: permission denied", hint=permission_hint(path))
        case errno.EAGAIN | errno.ETIMEDOUT:
            return errors.Unavailable(
                f"{prefix}: it does not accept connections in time",
                hint="kukeond is overloaded or hangs; `kuke daemon logs` tells more",
            )
        case _:
            return errors.Unavailable(f"{prefix}: {error.strerror or error}", hint=START_HINT)


def permission_hint(path: str, needed: int = stat.S_IWGRP) -> str:
    """Return what gives somebody access who may not use `path`: membership of a group, or nothing but sudo.

    `needed` is the group's right that it takes: to write for a socket, `stat.S_IRGRP` for a file that is read.
    """
    found = _refusing(path)
    if found is None:
        return ROOT_HINT
    # Connecting takes the right to write to the socket (unix(7)), getting there that to search directories.
    needed = stat.S_IXGRP if stat.S_ISDIR(found.st_mode) else needed
    if not found.st_gid or not found.st_mode & needed:
        return ROOT_HINT
    try:
        group = grp.getgrgid(found.st_gid).gr_name
    except KeyError:
        group = str(found.st_gid)
    return f"add yourself to the group with `sudo usermod -aG {group} $USER` and log in again, or use sudo"


def _refusing(path: str) -> os.stat_result | None:
    """Return what refuses us: the socket, or else the deepest directory on the way to it that can be looked at."""
    for step in (path, *map(str, pathlib.PurePath(path).parents)):
        try:
            return os.stat(step)  # noqa: PTH116 - the path is text for gRPC as well, not a Path
        except OSError:
            continue
    return None
