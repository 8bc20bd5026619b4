"""Cgroups, pinned namespaces, mounts and small files of this host, off the loop where they may wait."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_cni import netns
from kukeon_cni.errors import CniError
from kukeon_runner import durable, etc, observed
from kukeon_runner.host import abilities, devices, foreign_files, mounts, staging

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kukeon_api import model
    from kukeon_runner.host.cgroups import Cgroups

SHM_SIZE_BYTES = 64 * 1024 * 1024
"""What docker and containerd give /dev/shm, too."""

HOSTS = Path("/etc/hosts")
RESOLV_CONF = Path("/etc/resolv.conf")
RESOLVED_CONF = Path("/run/systemd/resolve/resolv.conf")
"""The real name servers, for hosts whose resolv.conf names only the stub of systemd-resolved(8)."""

MAKE_ATTEMPTS = 100
"""Each needs another cell to go between two system calls of ours."""

NOFILE = 1024 * 1024
"""Ceiling for a container's open files where the host sets none lower."""


class LinuxKernel:
    def __init__(self, cgroups: Cgroups) -> None:
        self._cgroups = cgroups

    @property
    def cgroup_mode(self) -> str:
        return self._cgroups.mode

    @property
    def nofile(self) -> int:
        """At most our own hard limit: raising it takes CAP_SYS_RESOURCE, setrlimit(2)."""
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        return NOFILE if hard == resource.RLIM_INFINITY else min(hard, NOFILE)

    @property
    def abilities(self) -> observed.Abilities:
        return abilities.abilities()

    async def make_cgroup(self, path: str) -> bool:
        return await asyncio.to_thread(self._cgroups.ensure, path)

    async def cgroup_exists(self, path: str) -> bool:
        return self._cgroups.exists(path)

    async def remove_cgroup(self, path: str) -> None:
        await asyncio.to_thread(self._cgroups.kill, path)
        await asyncio.to_thread(self._cgroups.remove, path)

    async def controllers(self, path: str) -> tuple[str, ...]:
        return self._cgroups.controllers(path)

    async def delegate(self, path: str, pid: int) -> None:
        await asyncio.to_thread(self._cgroups.delegate, path, pid)

    async def pin_namespaces(self, directory: str, hostname: str, *, network: bool = True) -> None:
        try:
            await asyncio.to_thread(_pin, netns.Pins(Path(directory)), hostname, network=network)
        except CniError as error:
            raise errors.HostError(str(error), hint=error.hint) from error

    async def unpin_namespaces(self, directory: str) -> None:
        try:
            await asyncio.to_thread(netns.Pins(Path(directory)).remove)
        except CniError as error:
            raise errors.HostError(str(error), hint=error.hint) from error
        _remove_empty_parents(Path(directory))

    async def pinned(self, directory: str) -> frozenset[str]:
        try:
            kinds = netns.Pins(Path(directory)).kinds()
            return kinds if kinds >= {"ipc", "uts"} else frozenset()
        except CniError as error:
            raise errors.HostError(str(error), hint=error.hint) from error

    async def mount_shm(self, path: str) -> None:
        def mount() -> None:
            _make_directory(Path(path))
            if not os.path.ismount(path):
                mounts.tmpfs(path, size_bytes=SHM_SIZE_BYTES)

        await asyncio.to_thread(mount)

    async def unmount_shm(self, path: str) -> None:
        def unmount() -> None:
            mounts.unmount(path, lazy=True)
            with contextlib.suppress(FileNotFoundError):
                Path(path).rmdir()
            _remove_empty_parents(Path(path))

        await asyncio.to_thread(unmount)

    async def mounted(self, path: str) -> bool:
        return os.path.ismount(path)  # noqa: ASYNC240 - two stat calls

    async def mount_secrets(self, path: str) -> None:
        def mount() -> None:
            _make_directory(Path(path))
            staging.mount(path)

        await asyncio.to_thread(mount)

    async def unmount_secrets(self, path: str) -> None:
        await self.unmount_shm(path)

    async def stage_secrets(
        self, directory: str, secrets: Sequence[model.ContainerSecret], owner: tuple[int, int]
    ) -> None:
        await asyncio.to_thread(staging.stage, directory, secrets, owner)

    async def remove_secrets(self, directory: str) -> None:
        await asyncio.to_thread(staging.remove, directory)

    async def secret_text(self, secret: model.ContainerSecret) -> str:
        return await asyncio.to_thread(staging.text, secret)

    async def check_secret(self, secret: model.ContainerSecret) -> None:
        await asyncio.to_thread(staging.value if secret.mount_path else staging.text, secret)

    async def device(self, path: str) -> observed.Device:
        return await asyncio.to_thread(devices.find, path)

    async def devices(self) -> Sequence[observed.Device]:
        return await asyncio.to_thread(devices.every)

    async def read_bounded(self, path: str, limit_bytes: int) -> bytes:
        return await asyncio.to_thread(_read_bounded, path, limit_bytes)

    async def clear(self, root: str, parts: Sequence[str]) -> bool:
        return await asyncio.to_thread(_clear, Path(root), parts)

    async def exists(self, path: str) -> bool:
        return await asyncio.to_thread(os.path.exists, path)

    async def disk_use(self, path: str) -> observed.DiskUse | None:
        try:
            found = await asyncio.to_thread(os.statvfs, path)
        except OSError:
            return None
        # As df(1) counts: what is kept for root is neither used nor there to be used.
        reserved, kept = found.f_bfree - found.f_bavail, found.f_ffree - found.f_favail
        unit = found.f_frsize
        return observed.DiskUse(
            (found.f_blocks - reserved) * unit, found.f_bavail * unit, found.f_files - kept, found.f_favail
        )

    async def read_file(self, path: str) -> str:
        return await asyncio.to_thread(_read, Path(path))

    async def write_file(self, path: str, text: str) -> None:
        await asyncio.to_thread(_write, path, text.encode())

    async def resolv_conf(self) -> str:
        return await asyncio.to_thread(_resolv_conf)

    async def own_etc(self) -> tuple[str, str]:
        return await asyncio.to_thread(lambda: (_read_or_empty(HOSTS), _read_or_empty(RESOLV_CONF)))


def _pin(pins: netns.Pins, hostname: str, *, network: bool) -> None:
    pins.remove()  # half a set of pins is none
    _make_directory(pins.directory)
    pins.create(hostname, network=network)


def _make_directory(path: Path) -> None:
    """Make `path`, to whose parents another cell may be the last to go at the same moment."""
    for attempt in range(1, MAKE_ATTEMPTS + 1):
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except FileNotFoundError as error:
            if attempt == MAKE_ATTEMPTS:
                raise errors.HostError(f"cannot make {str(path)!r}: {error.strerror}") from error
        except OSError as error:
            raise errors.HostError(f"cannot make {str(path)!r}: {error.strerror}") from error
        else:
            return


def _clear(root: Path, parts: Sequence[str]) -> bool:
    path = root.joinpath(*parts)
    there = os.path.lexists(path)
    mounts.unmount_below(path)
    with durable.host_errors("remove", str(path)):
        try:
            with durable.directory(str(path.parent), ()) as parent:
                durable.remove_tree(parent, path.name)
        except FileNotFoundError:
            return False
    for above in list(path.parents)[: len(parts) - 1]:
        with contextlib.suppress(OSError):  # others have something in it
            above.rmdir()
    return there


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except FileNotFoundError:
        raise
    except OSError as error:
        raise errors.HostError(f"cannot read {str(path)!r}: {error.strerror}") from error


def _read_bounded(path: str, limit_bytes: int) -> bytes:
    try:
        return foreign_files.read(path, limit_bytes)
    except foreign_files.Unreadable as error:
        raise errors.Invalid(f"cannot read {path!r}: {error}") from None


def _write(path: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        handle = os.open(path, flags, 0o644)
        try:
            # Longer first, then cut: a reader sees the old text or the new one, never an empty file.
            os.pwrite(handle, data, 0)
            os.ftruncate(handle, len(data))
            os.fchmod(handle, 0o644)  # whatever our umask: users of all kinds read it inside
        finally:
            os.close(handle)
    except OSError as error:
        raise errors.HostError(f"cannot write {path!r}: {error.strerror}") from error


def _resolv_conf() -> str:
    found = _read_or_empty(RESOLV_CONF)
    usable = etc.resolv(found)
    if usable != found and (real := _read_or_empty(RESOLVED_CONF)):
        return etc.resolv(real)
    return usable


def _read_or_empty(path: Path) -> str:
    try:
        return _read(path)
    except FileNotFoundError:
        return ""


def _remove_empty_parents(path: Path) -> None:
    """Remove the directories named after stack, space and realm once nothing is in them."""
    for parent in list(path.parents)[:3]:
        try:
            parent.rmdir()
        except OSError:
            return  # in use by another cell, or gone with one
