"""The daemon's socket as a file: who may reach it, when it appears, and that it disappears with us alone.

gRPC binds with the process's umask, takes over a live path without an error and offers no way in between. So it binds
in a private directory next to the final path; mode and owner are set there, and a rename puts the socket in place.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import logging
import os
import socket
import stat
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_daemon import pidfile

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

# sun_path of struct sockaddr_un holds 108 bytes with the closing NUL: unix(7).
MAX_SOCKET_PATH_BYTES = 107
# Long enough for any daemon that is alive, short enough that a wedged one is reported soon.
PROBE_TIMEOUT_S = 2.0
DIRECTORY_MODE = 0o750


def pid_path(path: Path) -> Path:
    """Return the pid file of a socket: `kukeond.pid` beside `kukeond.sock`."""
    return path.with_name(path.name.removesuffix(".sock") + ".pid")


def check_path(path: Path) -> None:
    """Raise `Invalid` unless a socket, and before it its private twin, can be bound at `path`."""
    if not path.is_absolute():
        raise errors.Invalid(f"cannot listen at {str(path)!r}: the path must be absolute")
    longest = max(len(os.fsencode(path)), len(os.fsencode(_private_directory(path) / "s")))
    if longest > MAX_SOCKET_PATH_BYTES:
        raise errors.Invalid(
            f"cannot listen at {str(path)!r}: the path is too long, a unix socket has at most "
            f"{MAX_SOCKET_PATH_BYTES} bytes",
            hint="choose a shorter --socket or --run-path",
        )


def check_run_path(run_path: Path) -> None:
    """Raise `Invalid` or `Denied` when `run_path` can't be the directory that it is meant to be; it may be absent."""
    try:
        mode = run_path.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise _refused(f"cannot use run path {str(run_path)!r}", error) from error
    if not stat.S_ISDIR(mode):
        raise errors.Invalid(
            f"cannot use run path {str(run_path)!r}: it is not a directory", hint="choose another --run-path"
        )


def _refused(message: str, error: OSError) -> errors.KukeonError:
    """Return what `error` means when a path that somebody chose is used: whether choosing another one helps."""
    told = f"{message}: {(error.strerror or str(error)).lower()}"
    match error.errno:
        case errno.ENOTDIR | errno.ELOOP | errno.ENAMETOOLONG:
            return errors.Invalid(told, hint="choose another --socket or --run-path")
        case errno.EACCES | errno.EPERM:
            return errors.Denied(told, hint="check who may use the directories on the way (`namei -l` shows them)")
        case _:
            return errors.HostError(told)


def _private_directory(path: Path) -> Path:
    # One name per socket, so that a crash leaves at most one directory, which the next start takes away.
    return path.parent / f".k{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:6]}"


def make_directory(directory: Path, gid: int, own: Collection[Path]) -> None:
    """Create the socket's directory (0750, group `gid`), or keep the one that is there.

    A directory that is ours by definition (in `own`) is opened to the group when it still belongs to root's alone.
    Raises `Invalid`, `Denied` or `HostError`.
    """
    try:
        _make_directory(directory, gid, own)
    except (FileExistsError, FileNotFoundError) as error:  # a dangling link is there and leads nowhere
        raise errors.Invalid(
            f"cannot listen in {str(directory)!r}: {error.filename!r} is not a directory",
            hint="choose another --socket or --run-path",
        ) from error
    except OSError as error:
        raise _refused(f"cannot listen in {str(directory)!r}", error) from error


def _make_directory(directory: Path, gid: int, own: Collection[Path]) -> None:
    if not directory.exists():
        directory.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            directory.mkdir(mode=DIRECTORY_MODE)
            # mkdir takes the umask away, and the group must be there before anybody looks inside.
            os.chown(directory, -1, gid or -1)
            directory.chmod(DIRECTORY_MODE)
            return
    found = directory.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), os.fspath(directory))
    if found.st_mode & stat.S_IWOTH:
        log.warning("everybody may write to %s and so replace the socket in it", directory)
    if gid and directory in own and found.st_gid == 0 and not found.st_mode & stat.S_IXOTH:
        os.chown(directory, -1, gid)
        directory.chmod(stat.S_IMODE(found.st_mode) | stat.S_IRGRP | stat.S_IXGRP)


@contextlib.contextmanager
def pid_file(path: Path) -> Iterator[None]:
    """Hold `kukeond.pid` while the block runs: of two daemons for one socket only one can even be starting.

    Raises `Conflict` when another process holds it.
    """
    file = pidfile.PidFile(os.fspath(path))
    try:
        file.take()
    except pidfile.Held as error:
        raise errors.Conflict(
            f"cannot start: kukeond {f'(pid {error.pid}) ' if error.pid else ''}already serves and holds {str(path)!r}",
            hint="stop it first, or choose another --socket and --run-path",
        ) from error
    except OSError as error:
        raise _refused(f"cannot write the pid file {str(path)!r}", error) from error
    try:
        yield
    finally:
        file.release()


class SocketFile:
    """The socket at its final path, from the moment it can be reached by the right people and nobody else."""

    def __init__(self, path: Path, gid: int) -> None:
        self._path = path
        self._gid = gid
        self._placed: os.stat_result | None = None

    def check_free(self) -> None:
        """Raise `Conflict` when somebody answers at the path, `HostError` when it is no socket.

        Also `Invalid` or `Denied` when the path can't even be looked at.
        """
        try:
            mode = self._path.lstat().st_mode
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refused(f"cannot listen at {str(self._path)!r}", error) from error
        if not stat.S_ISSOCK(mode):
            raise errors.HostError(
                f"cannot listen at {str(self._path)!r}: something else than a socket is there",
                hint="move it away, or choose another --socket",
            )
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(PROBE_TIMEOUT_S)
            try:
                probe.connect(os.fspath(self._path))
            except (ConnectionRefusedError, FileNotFoundError):
                return  # stale: a daemon that was killed could not remove it
            except (TimeoutError, BlockingIOError):
                pass  # somebody listens and is too busy to answer
            except OSError as error:
                raise _refused(f"cannot listen at {str(self._path)!r}", error) from error
        raise errors.Conflict(
            f"cannot listen at {str(self._path)!r}: another process answers there",
            hint="stop it first, or choose another --socket",
        )

    def place(self, bind: Callable[[str], None]) -> None:
        """Let `bind` bind a socket out of everybody's reach, then move it to its path, replacing a stale one.

        Raises what `bind` raises, and `HostError` when owner or mode can't be set; nothing is left behind then.
        """
        with self._private() as directory:
            hidden = directory / "s"
            bind(os.fspath(hidden))
            try:
                os.chown(hidden, -1, self._gid or -1)
                hidden.chmod(0o660 if self._gid else 0o600)
                placed = hidden.lstat()
                hidden.rename(self._path)
            except OSError as error:
                hidden.unlink(missing_ok=True)
                raise errors.HostError(
                    f"cannot put the socket in place at {str(self._path)!r} for group {self._gid}: {error}",
                    hint="check --socket and --socket-gid",
                ) from error
        self._placed = placed

    @contextlib.contextmanager
    def _private(self) -> Iterator[Path]:
        directory = _private_directory(self._path)
        try:
            with contextlib.suppress(FileNotFoundError):
                (directory / "s").unlink()
            with contextlib.suppress(FileNotFoundError):
                directory.rmdir()
            directory.mkdir(mode=0o700)
        except OSError as error:
            raise _refused(f"cannot bind a socket in {str(directory)!r}", error) from error
        try:
            yield directory
        finally:
            directory.rmdir()

    def remove(self) -> None:
        """Unlink the socket if it is still ours: a successor's stays."""
        if self._placed is not None and pidfile.same_file(self._placed, os.fspath(self._path)):
            self._path.unlink(missing_ok=True)
        self._placed = None
