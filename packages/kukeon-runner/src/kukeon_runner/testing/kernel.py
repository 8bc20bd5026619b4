"""Cgroups, namespaces, mounts and files in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kukeon_runner.testing.faults import Faults


@dataclass
class FakeKernel:
    """Directories are those of the machine, so that a file needs one; everything in them is in memory."""

    faults: Faults
    cgroup_mode: str = "v2"
    nofile: int = 1024
    cgroups: set[str] = field(default_factory=set)
    pins: dict[str, str] = field(default_factory=dict)
    """Directory -> host name."""
    shms: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)
    on_kill: Callable[[str], None] = lambda path: None
    """Told of each cgroup whose processes are killed."""

    async def make_cgroup(self, path: str) -> bool:
        async with self.faults.act(f"make cgroup {path}"):
            made = path not in self.cgroups
            parts = path.split("/")
            self.cgroups |= {"/".join(parts[:end]) for end in range(2, len(parts) + 1)}
        return made

    async def cgroup_exists(self, path: str) -> bool:
        return path in self.cgroups

    async def remove_cgroup(self, path: str) -> None:
        async with self.faults.act(f"remove cgroup {path}"):
            self.on_kill(path)
            self.cgroups = {each for each in self.cgroups if each != path and not each.startswith(f"{path}/")}

    async def controllers(self, path: str) -> tuple[str, ...]:
        return ("cpu", "io", "memory", "pids") if path in self.cgroups else ()

    async def pin_namespaces(self, directory: str, hostname: str) -> None:
        async with self.faults.act(f"pin {directory}"):
            self.pins[directory] = hostname

    async def unpin_namespaces(self, directory: str) -> None:
        async with self.faults.act(f"unpin {directory}"):
            self.pins.pop(directory, None)

    async def pinned(self, directory: str) -> bool:
        return directory in self.pins

    async def mount_shm(self, path: str) -> None:
        async with self.faults.act(f"mount {path}"):
            self.shms.add(path)

    async def unmount_shm(self, path: str) -> None:
        async with self.faults.act(f"unmount {path}"):
            self.shms.discard(path)

    async def mounted(self, path: str) -> bool:
        return path in self.shms

    async def clear(self, root: str, parts: Sequence[str]) -> bool:
        top = "/".join((root, *parts))
        async with self.faults.act(f"clear {top}"):
            found = {path for path in (*self.pins, *self.shms) if f"{path}/".startswith(f"{top}/")}
            self.pins = {path: name for path, name in self.pins.items() if path not in found}
            self.shms -= found
        return bool(found)

    async def exists(self, path: str) -> bool:
        return path in self.files

    async def read_file(self, path: str) -> str:
        if path not in self.files:
            raise FileNotFoundError(path)
        return self.files[path]

    async def write_file(self, path: str, text: str) -> None:
        async with self.faults.act(f"write {path}"):
            if not Path(path).parent.is_dir():
                raise errors.HostError(f"cannot write {path!r}: No such file or directory")
            self.files[path] = text

    async def resolv_conf(self) -> str:
        return "nameserver 192.0.2.53\n"
