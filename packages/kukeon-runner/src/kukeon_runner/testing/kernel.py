"""Cgroups, namespaces, mounts and files in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner import observed

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kukeon_api import model
    from kukeon_runner.testing.faults import Faults

ALL = frozenset({"CAP_CHOWN", "CAP_NET_ADMIN", "CAP_SYS_ADMIN"})
"""What there is to give away here."""


@dataclass
class FakeKernel:
    """Directories are those of the machine, so that a file needs one; everything in them is in memory."""

    faults: Faults
    cgroup_mode: str = "v2"
    nofile: int = 1024
    cgroups: set[str] = field(default_factory=set)
    abilities: observed.Abilities = field(default_factory=lambda: observed.Abilities("x86_64", "6.1.0", ALL, True))
    pins: dict[str, str] = field(default_factory=dict)
    """Directory -> host name."""
    networkless: set[str] = field(default_factory=set)
    """Directories whose pins have no network among them."""
    staged: dict[str, dict[str, bytes]] = field(default_factory=dict)
    """Directory -> name -> value of the secrets in it."""
    environment: dict[str, str] = field(default_factory=dict)
    """The daemon's, as far as secrets come from it."""
    nodes: dict[str, observed.Device] = field(default_factory=dict)
    """The host's device nodes."""
    delegated: dict[str, int] = field(default_factory=dict)
    """Cgroup -> the process that was moved into its leaf."""
    shms: set[str] = field(default_factory=set)
    files: dict[str, str] = field(default_factory=dict)
    disk_used: float | None = 10.0
    """In percent, of every disk."""
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

    async def delegate(self, path: str, pid: int) -> None:
        async with self.faults.act(f"delegate {path}"):
            self.delegated[path] = pid

    async def pin_namespaces(self, directory: str, hostname: str, *, network: bool = True) -> None:
        async with self.faults.act(f"pin {directory}"):
            self.pins[directory] = hostname
            self.networkless.discard(directory)
            if not network:
                self.networkless.add(directory)

    async def unpin_namespaces(self, directory: str) -> None:
        async with self.faults.act(f"unpin {directory}"):
            self.pins.pop(directory, None)

    async def pinned(self, directory: str) -> frozenset[str]:
        if directory not in self.pins:
            return frozenset()
        return frozenset({"ipc", "uts"} if directory in self.networkless else {"net", "ipc", "uts"})

    async def mount_shm(self, path: str) -> None:
        async with self.faults.act(f"mount {path}"):
            self.shms.add(path)

    async def unmount_shm(self, path: str) -> None:
        async with self.faults.act(f"unmount {path}"):
            self.shms.discard(path)

    async def mounted(self, path: str) -> bool:
        return path in self.shms

    async def mount_secrets(self, path: str) -> None:
        await self.mount_shm(path)

    async def unmount_secrets(self, path: str) -> None:
        await self.unmount_shm(path)
        self.staged = {each: found for each, found in self.staged.items() if not each.startswith(f"{path}/")}

    async def stage_secrets(
        self, directory: str, secrets: Sequence[model.ContainerSecret], owner: tuple[int, int]
    ) -> None:
        async with self.faults.act(f"stage {directory}"):
            if directory.rpartition("/")[0] not in self.shms:
                raise errors.HostError(f"cannot stage secrets in {directory!r}: No such file or directory")
            self.staged[directory] = {each.name: self._secret(each).encode() for each in secrets}

    async def remove_secrets(self, directory: str) -> None:
        async with self.faults.act(f"unstage {directory}"):
            self.staged.pop(directory, None)

    async def secret_text(self, secret: model.ContainerSecret) -> str:
        return self._secret(secret)

    async def check_secret(self, secret: model.ContainerSecret) -> None:
        self._secret(secret)

    def _secret(self, secret: model.ContainerSecret) -> str:
        source = self.files if secret.from_file else self.environment
        found = source.get(secret.from_file or secret.from_env)
        if found is None:
            raise errors.SecretNotFound(f"cannot provide secret {secret.name!r}")
        return found

    async def device(self, path: str) -> observed.Device:
        if path not in self.nodes:
            raise errors.DeviceNotFound(f"cannot give device {path!r} to a container: no such file on this host")
        return self.nodes[path]

    async def devices(self) -> Sequence[observed.Device]:
        return tuple(self.nodes.values())

    async def read_bounded(self, path: str, limit_bytes: int) -> bytes:
        if path not in self.files:
            raise errors.Invalid(f"cannot read {path!r}: no such file or directory")
        content = self.files[path].encode()
        if len(content) > limit_bytes:
            raise errors.Invalid(f"cannot read {path!r}: it has more than {limit_bytes} bytes")
        return content

    async def clear(self, root: str, parts: Sequence[str]) -> bool:
        top = "/".join((root, *parts))
        async with self.faults.act(f"clear {top}"):
            found = {path for path in (*self.pins, *self.shms) if f"{path}/".startswith(f"{top}/")}
            self.pins = {path: name for path, name in self.pins.items() if path not in found}
            self.shms -= found
        return bool(found)

    async def exists(self, path: str) -> bool:
        return path in self.files

    async def disk_use(self, path: str) -> observed.DiskUse | None:
        if self.disk_used is None or path.startswith("/no/such"):
            return None
        return observed.DiskUse(10**9, round(10**7 * (100 - self.disk_used)), 10**6, 10**6)

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

    async def own_etc(self) -> tuple[str, str]:
        return "127.0.0.1\tlocalhost host\n", "nameserver 127.0.0.53\n"
