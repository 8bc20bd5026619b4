"""What runs in this process instead of in kukeond: preparing a host, and taking kukeon off it again.

The only module that may name the runner, which is an optional part (`kukeon-cli[host]`) and imported where it is used.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from kukeon_api import errors

if TYPE_CHECKING:
    from kukeon_cli.server import Server
    from kukeon_runner import Options
    from kukeon_runner.options import ContainerdWish


@dataclass(frozen=True)
class Row:
    """One thing on the host and what became of it."""

    label: str
    outcome: str
    detail: str = ""


def available() -> bool:
    """Tell whether the runner is installed here."""
    return importlib.util.find_spec("kukeon_runner") is not None


def bootstrap(server: Server, gid: int) -> list[Row]:
    """Make what the host needs before the first cell, readable for group `gid`, and report it row by row.

    Raises `RunPathLocked` while a kukeond runs, `InstanceMismatch` when the run path was made with other settings, and
    whatever the host refuses.
    """
    _require()
    # Set before gRPC is imported: its fork handlers are of no use here and not safe beside its threads.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    return asyncio.run(_bootstrap(_options(server, gid)))


async def _bootstrap(options: Options) -> list[Row]:
    import kukeon_runner
    from kukeon_runner import bootstrap as bootstrapping

    async with kukeon_runner.open_controller(options) as controller:
        report = await bootstrapping.bootstrap(controller.runner)
    return [Row(row.label, str(row.outcome), row.detail) for row in report.rows]


def uninstall(server: Server) -> list[Row]:
    """Remove every cell, network, cgroup and file of the instance, and report it row by row.

    Raises `RunPathLocked` while a kukeond runs, and whatever keeps a realm from going.
    """
    _require()
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    return asyncio.run(_uninstall(_options(server, 0)))


async def _uninstall(options: Options) -> list[Row]:
    import kukeon_runner

    return [Row(row.label, row.outcome) for row in await kukeon_runner.uninstall(options)]


def _options(server: Server, gid: int) -> Options:
    from kukeon_runner import Options

    # What is not stated is taken from the record of the run path, or is the default.
    return Options(
        run_path=server.run_path,
        containerd=cast("ContainerdWish", server.setting("containerd") or "auto"),
        containerd_socket=server.setting("containerd_socket") or "",
        namespace_suffix=server.setting("containerd_namespace_suffix") or "",
        cgroup_root=server.setting("cgroup_root") or "",
        pod_subnet=server.setting("pod_subnet_cidr") or "",
        group_gid=gid,
    )


def _require() -> None:
    if not available():
        raise errors.Unsupported(
            "cannot work on this host: the part of kuke that does is not installed",
            hint="pip install 'kukeon-cli[host]'",
        )
