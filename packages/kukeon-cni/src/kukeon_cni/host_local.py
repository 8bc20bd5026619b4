"""The address records of the host-local plugin, read and released without it (door).

host-local keeps one file per address in `<dataDir>/<network>/`: the address is its name, container id and interface
name are its two lines. Releasing by hand is needed when DEL can not run, and when an ADD died before anybody
remembered it.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path

from kukeon_cni.errors import CniError, ErrorCode

__all__ = ["leases", "release", "wipe"]

# A record is an id, CRLF and an interface name.
_LARGEST_BYTES = 1024
_LOCK = "lock"
_LAST_PREFIX = "last_reserved_ip."

Address = IPv4Address | IPv6Address


def leases(directory: Path) -> dict[Address, str]:
    """Return the container id that holds each address; a record cut off by a crash has the id ''."""
    found: dict[Address, str] = {}
    try:
        paths = list(directory.iterdir())
    except FileNotFoundError:
        return found
    except OSError as error:
        raise _io_error("list", directory, error) from error
    for path in paths:
        address = _address(path.name)
        owner = _owner(path) if address is not None else None
        if address is not None and owner is not None:
            found[address] = owner
    return found


def release(directory: Path, container_id: str) -> tuple[Address, ...]:
    """Remove the records of `container_id` and return their addresses.

    Records without an owner go too, as far as no plugin runs that might be writing one: a plugin killed between
    creating and writing its record would otherwise block the address for ever.
    """
    if not directory.is_dir():
        return ()
    with _try_lock(directory) as locked:
        released = []
        for address, owner in leases(directory).items():
            if owner == container_id or (owner == "" and locked):
                _unlink(directory / str(address))
                if owner:
                    released.append(address)
    return tuple(released)


def wipe(directory: Path) -> None:
    """Remove every record and the directory; files of others stay and make it a `CniError`."""
    try:
        for path in list(directory.iterdir()):
            if path.name == _LOCK or path.name.startswith(_LAST_PREFIX) or _address(path.name) is not None:
                path.unlink(missing_ok=True)
        directory.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        raise _io_error("remove", directory, error) from error


@contextmanager
def _try_lock(directory: Path) -> Iterator[bool]:
    # The plugin holds flock(2) on this file while it reserves. We never wait for it: our own records change only
    # with us, and whoever sweeps next finds the rest.
    try:
        fd = os.open(directory / _LOCK, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _io_error("open", directory / _LOCK, error) from error
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(fd)


def _owner(path: Path) -> str | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:  # released while we were reading
        return None
    except OSError as error:
        raise _io_error("read", path, error) from error
    with open(fd, "rb") as file:
        lines = file.read(_LARGEST_BYTES).decode(errors="replace").splitlines()
    return lines[0].strip() if lines else ""


def _unlink(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _io_error("remove", path, error) from error


def _address(name: str) -> Address | None:
    try:
        return ip_address(name)
    except ValueError:
        return None


def _io_error(verb: str, path: Path, error: OSError) -> CniError:
    return CniError(ErrorCode.IO_FAILURE, f"cannot {verb} '{path}': {error.strerror or error}")
