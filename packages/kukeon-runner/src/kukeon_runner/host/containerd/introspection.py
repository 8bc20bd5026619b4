"""What this containerd is and can do.  Features are chosen by plugin status, never by version."""

from __future__ import annotations

import dataclasses

from google.protobuf.empty_pb2 import Empty

from kukeon_api import errors
from kukeon_runner.host.containerd._pb import kukeon_containerd_pb2 as pb
from kukeon_runner.host.containerd.connection import Rpc, Scope

VERSION = Rpc("/containerd.services.version.v1.Version/Version", Empty, pb.VersionResponse)
PLUGINS = Rpc("/containerd.services.introspection.v1.Introspection/Plugins", pb.PluginsRequest, pb.PluginsResponse)
SERVER = Rpc("/containerd.services.introspection.v1.Introspection/Server", Empty, pb.ServerResponse)

SNAPSHOTTER_TYPE = "io.containerd.snapshotter.v1"
PREFERRED_SNAPSHOTTERS = ("overlayfs", "native")
"""overlayfs where its plugin works; native copies whole trees but works on any filesystem."""


@dataclasses.dataclass(frozen=True)
class Version:
    """What `containerd --version` says."""

    version: str
    revision: str


@dataclasses.dataclass(frozen=True)
class Plugin:
    """One plugin; `error` is empty when it loaded."""

    type: str
    id: str
    error: str = ""
    capabilities: tuple[str, ...] = ()
    root: str = ""
    """The directory that it keeps things in, where it says so."""

    @property
    def ok(self) -> bool:
        """Say whether the plugin can be used."""
        return not self.error


async def version(scope: Scope, *, timeout_s: float = 10.0, wait: bool = False) -> Version:
    """Return containerd's version; with `wait`, wait for containerd to answer until the deadline."""
    answer = await scope.unary(VERSION, Empty(), "ask containerd's version", timeout_s=timeout_s, wait=wait)
    return Version(answer.version, answer.revision)


async def server_pid(scope: Scope) -> int:
    """Return containerd's process id as it sees itself; 0 from servers too old to say."""
    return int((await scope.unary(SERVER, Empty(), "ask who containerd is")).pid)


async def plugins(scope: Scope) -> tuple[Plugin, ...]:
    """Return every plugin, also those that failed to load."""
    answer = await scope.unary(PLUGINS, pb.PluginsRequest(), "list containerd's plugins")
    return tuple(
        Plugin(
            p.type,
            p.id,
            _why_unusable(p.init_err) if p.HasField("init_err") else "",
            tuple(p.capabilities),
            p.exports.get("root", ""),
        )
        for p in answer.plugins
    )


def _why_unusable(status: pb.Status) -> str:
    return status.message or f"failed with code {status.code}"


def snapshotters(found: tuple[Plugin, ...]) -> tuple[str, ...]:
    """Return the ids of the usable snapshotters."""
    return tuple(plugin.id for plugin in found if plugin.type == SNAPSHOTTER_TYPE and plugin.ok)


def choose_snapshotter(found: tuple[Plugin, ...]) -> str:
    """Return the snapshotter to use, or raise Unsupported naming why each candidate is out."""
    usable = snapshotters(found)
    for name in PREFERRED_SNAPSHOTTERS:
        if name in usable:
            return name
    reasons = "; ".join(f"{p.id}: {p.error}" for p in found if p.type == SNAPSHOTTER_TYPE) or "none is built in"
    raise errors.Unsupported(
        f"cannot unpack images: containerd has no usable snapshotter ({reasons})",
        hint="enable io.containerd.snapshotter.v1.overlayfs or .native in containerd's configuration",
    )
