"""Namespaces: make and pin them, recognise them, call inside one (door).

Another namespace means another thread: `unshare` and `setns` change the calling thread only, so each happens on a
thread that ends with the call. The process's own namespaces never change.

Pins are plain bind mounts in the mount namespace of the caller, with whatever propagation their place has: programs
that join them (the container runtime) must see them, in the same mount namespace or in one that receives mounts.
"""

import contextlib
import ctypes
import errno
import fcntl
import functools
import operator
import os
import re
import socket
import stat
import struct
import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from kukeon_cni.errors import NamespaceError

__all__ = ["Pins", "call_in_netns", "is_namespace", "is_own_netns"]

T = TypeVar("T")

# <linux/sched.h>
_CLONE_NEWUTS, _CLONE_NEWIPC, _CLONE_NEWNET = 0x04000000, 0x08000000, 0x40000000
_KINDS = {"net": _CLONE_NEWNET, "ipc": _CLONE_NEWIPC, "uts": _CLONE_NEWUTS}
# <linux/nsfs.h>: _IO(0xb7, 3), answers the CLONE_NEW* flag of the namespace.
_NS_GET_NSTYPE = 0xB703
# <sys/mount.h>
_MS_BIND, _MNT_DETACH, _UMOUNT_NOFOLLOW = 4096, 2, 8
# <linux/sockios.h> and <net/if.h>
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
# A crash can stack a pin on a pin; more layers than this are somebody else's.
_MOST_LAYERS = 16
# The kernel keeps 64 bytes (__NEW_UTS_LEN); RFC 1123 says which characters.
_HOSTNAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?", re.ASCII)

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Pins:
    """The net, ipc and uts namespaces of one cell, kept alive by the files `net`, `ipc`, `uts` in `directory`.

    A cell on the host's network has no `net`.
    """

    directory: Path

    @property
    def net(self) -> Path:
        """The pinned network namespace: what CNI plugins and runtimes take as its path."""
        return self.directory / "net"

    @property
    def ipc(self) -> Path:
        """The pinned IPC namespace."""
        return self.directory / "ipc"

    @property
    def uts(self) -> Path:
        """The pinned UTS namespace, whose host name was set at its creation."""
        return self.directory / "uts"

    def create(self, hostname: str, *, network: bool = True) -> None:
        """Make the three namespaces with `hostname` and loopback up, and pin them. Takes about half a millisecond.

        Without `network`, only the other two.

        Leftovers that are no pins are replaced. Raises `NamespaceError` when a pin is there already, or the kernel
        refuses; then everything made is gone again.
        """
        if not _HOSTNAME.fullmatch(hostname):
            raise NamespaceError(
                None, f"cannot use host name {hostname[:80]!r}: letters, digits, '-' and '.', 64 characters at most"
            )
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._locked():
                self._create(hostname.encode(), [kind for kind in _KINDS if network or kind != "net"])
        except OSError as error:
            raise self._error("create", error) from error

    def exists(self) -> bool:
        """Say whether all three are pinned; a file that a crash left without its mount is no pin."""
        return self.kinds() == frozenset(_KINDS)

    def kinds(self) -> frozenset[str]:
        """Say which of `net`, `ipc` and `uts` are pinned."""
        directory = os.fspath(self.directory)
        return frozenset(kind for kind in _KINDS if is_namespace(f"{directory}/{kind}", kind))

    def remove(self) -> None:
        """Drop the pins and the directory, also when only some are there, or none. Raises `NamespaceError`.

        The namespaces live on as long as a process is inside; without one they and their interfaces end here.
        """
        try:
            with self._locked():
                self._remove()
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._error("remove", error) from error

    def _create(self, hostname: bytes, kinds: Collection[str]) -> None:
        present = [kind for kind in _KINDS if is_namespace(self.directory / kind)]
        if present:
            raise FileExistsError(errno.EEXIST, f"{', '.join(present)} pinned already")
        try:
            for kind in _KINDS:
                _remove_empty(self.directory / kind)
            for kind in kinds:
                flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
                os.close(os.open(self.directory / kind, flags, 0o600))
            _on_own_thread(lambda: self._unshare_and_pin(hostname, kinds))
        except BaseException as error:
            try:
                self._remove()
            except (OSError, NamespaceError) as leftover:
                error.add_note(f"and cannot clean up: {leftover}")
            raise

    def _remove(self) -> None:
        for kind in _KINDS:
            path = self.directory / kind
            for _ in range(_MOST_LAYERS):
                if not is_namespace(path):
                    break
                _check(_libc.umount2(os.fsencode(path), _MNT_DETACH | _UMOUNT_NOFOLLOW))
            _remove_empty(path)
        self.directory.rmdir()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        # Not waited for: two makers of the same pins are a mistake of the caller, who should hear of it.
        fd = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(fd)

    def _error(self, verb: str, error: OSError) -> NamespaceError:
        busy = isinstance(error, BlockingIOError)
        why = "another call is at work there" if busy else error.strerror or str(error)
        return NamespaceError(None, f"cannot {verb} the pins at '{self.directory}': {why}")

    def _unshare_and_pin(self, hostname: bytes, kinds: Collection[str]) -> None:
        _check(_libc.unshare(functools.reduce(operator.or_, (_KINDS[kind] for kind in kinds))))
        _check(_libc.sethostname(hostname, ctypes.c_size_t(len(hostname))))
        if "net" in kinds:
            _bring_loopback_up()
        for kind in kinds:
            # Not /proc/self: that is the whole process, whose namespaces are the host's.
            source, target = f"/proc/thread-self/ns/{kind}".encode(), os.fsencode(self.directory / kind)
            _check(_libc.mount(source, target, None, ctypes.c_ulong(_MS_BIND), None))


def is_namespace(path: str | os.PathLike[str], kind: str | None = None) -> bool:
    """Say whether `path` is a namespace file, of `kind` ("net", "ipc", "uts") if given.

    Raises `NamespaceError` when the path can not be looked at.
    """
    try:
        # All namespace files live on nsfs, so its device number tells them without a magic.
        if os.stat(path).st_dev != _nsfs():  # noqa: PTH116 - asked of every cell, now and then
            return False
        if kind is None:
            return True
        with open(path, "rb", buffering=0) as file:
            return fcntl.ioctl(file, _NS_GET_NSTYPE) == _KINDS[kind]
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise NamespaceError(None, f"cannot look at namespace '{path}': {error.strerror or error}") from error


@functools.cache
def _nsfs() -> int:
    """The device number of the kernel's one nsfs."""
    return Path("/proc/self/ns/net").stat().st_dev


def is_own_netns(path: str | os.PathLike[str]) -> bool:
    """Say whether `path` is the network namespace of this process. False when it is not there."""
    try:
        theirs, ours = Path(path).stat(), Path("/proc/self/ns/net").stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise NamespaceError(None, f"cannot look at namespace '{path}': {error.strerror or error}") from error
    return (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino)


def call_in_netns(path: str | os.PathLike[str], function: Callable[[], T]) -> T:
    """Call `function` inside the network namespace at `path` and return what it returns, or raise what it raises.

    Blocks until it is done; from a coroutine, call it through `asyncio.to_thread`. Sockets that the function opens
    stay in that namespace. Raises `NamespaceError` when the namespace can not be entered.
    """

    def enter_and_call() -> T:
        try:
            with open(path, "rb", buffering=0) as file:
                _check(_libc.setns(file.fileno(), _CLONE_NEWNET))
        except OSError as error:
            raise NamespaceError(None, f"cannot enter network namespace '{path}': {error.strerror or error}") from error
        return function()

    return _on_own_thread(enter_and_call)


class _Call(threading.Thread, Generic[T]):
    """A thread for one call, never reused: it may have left the process's namespaces."""

    def __init__(self, function: Callable[[], T]) -> None:
        super().__init__(name="namespace", daemon=True)
        self._function = function
        self._value: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._value.append(self._function())
        except BaseException as error:
            self._error = error

    def outcome(self) -> T:
        self.join()
        if self._error is not None:
            raise self._error
        return self._value[0]


def _on_own_thread(function: Callable[[], T]) -> T:
    call = _Call(function)
    call.start()
    return call.outcome()


def _remove_empty(path: Path) -> None:
    # What a crash leaves of a pin is an empty file; anything else here is not ours.
    with contextlib.suppress(FileNotFoundError):
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode) or found.st_size:
            raise FileExistsError(errno.EEXIST, f"'{path.name}' is no pin")
        path.unlink()


def _bring_loopback_up() -> None:
    # struct ifreq: 16 bytes of name, then a union of 24 whose first short is the flags.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as control:
        request = struct.pack("16sh22x", b"lo", 0)
        (flags,) = struct.unpack_from("h", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", flags | _IFF_UP))


def _check(returned: int) -> None:
    if returned != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
