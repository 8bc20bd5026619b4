"""The real host: every door of it, and what must be in place before the first cell."""

from __future__ import annotations

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from kukeon_api import errors
from kukeon_runner import native
from kukeon_runner.host.cgroups import Cgroups
from kukeon_runner.host.containers import LinuxContainers
from kukeon_runner.host.images import LinuxImages
from kukeon_runner.host.kernel import LinuxKernel
from kukeon_runner.host.kuketty import Kuketty
from kukeon_runner.host.network import LinuxNetwork
from kukeon_runner.host.terminals import LinuxTerminals
from kukeon_runner.options import DEFAULT_LOGS, DEFAULT_REGISTRY_CONFIG_DIR, LogLimits

if TYPE_CHECKING:
    from kukeon_runner.host.containerd.client import Containerd
    from kukeon_runner.layout import Layout


@dataclass(frozen=True)
class LinuxHost:
    kernel: LinuxKernel
    network: LinuxNetwork
    containers: LinuxContainers
    images: LinuxImages

    @classmethod
    def of(
        cls,
        layout: Layout,
        containerd: Containerd,
        gid: int = 0,
        terminals: LinuxTerminals | None = None,
        logs: LogLimits = DEFAULT_LOGS,
        registry_config_dir: str = DEFAULT_REGISTRY_CONFIG_DIR,
    ) -> LinuxHost:
        """The host as the instance of `layout` uses it, through the connected `containerd`.

        Without `terminals` that run already, they start when there is need of them.
        """
        return cls(
            LinuxKernel(Cgroups.detect()),
            LinuxNetwork(layout.cni_cache, layout.cni_data, layout.nft_table, layout.shared_lock),
            LinuxContainers(
                containerd,
                gid,
                Path(layout.programs),
                terminals or terminals_of(layout, gid),
                logs,
                layout.instance.oci_runtime,
            ),
            LinuxImages(containerd, registry_config_dir),
        )


def terminals_of(layout: Layout, gid: int = 0) -> LinuxTerminals:
    """The terminals of the instance of `layout`."""
    kuketty = Kuketty(
        directory=layout.terminals,
        socket=layout.kuketty_socket,
        log=layout.kuketty_log,
        gid=gid,
        cgroup=layout.kuketty_cgroup,
        cgroups=Cgroups.detect(),
    )
    return LinuxTerminals(kuketty, gid)


async def prepare(layout: Layout) -> None:
    """Have the root file system of the pause program. Raises HostError."""
    await asyncio.to_thread(_prepare, layout)


def _prepare(layout: Layout) -> None:
    try:
        root = Path(layout.pause_rootfs)
        # runc makes missing mount points, which a read-only root refuses: proc, dev and sys must be there.
        for name in ("proc", "dev", "sys"):
            (root / name).mkdir(mode=0o755, parents=True, exist_ok=True)
        program, placed = native.path("kukepause"), root / "kukepause"
        if not placed.exists() or placed.read_bytes() != program.read_bytes():
            fresh = root / f".kukepause-{os.getpid()}"
            shutil.copyfile(program, fresh)
            fresh.chmod(0o755)
            fresh.replace(placed)
    except OSError as error:
        raise errors.HostError(f"cannot prepare {error.filename!r}: {error.strerror}") from error
