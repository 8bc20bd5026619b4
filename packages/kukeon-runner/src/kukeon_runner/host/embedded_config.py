"""The configuration of kukeon's own containerd: everything of it below its own directories, nothing it need not have.

Format version 2, which containerd 1.6 to 2.x read.  Disabled plugins are named for all of these versions; a containerd
that has never heard of one ignores it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from kukeon_api import errors

DISABLED_PLUGINS = (
    # Kubernetes' side: we are its client's equal, and its streaming server would open a port.
    "io.containerd.grpc.v1.cri",
    "io.containerd.cri.v1.images",
    "io.containerd.cri.v1.runtime",
    "io.containerd.podsandbox.controller.v1.podsandbox",
    # Its socket has a fixed place that belongs to the host's own containerd.
    "io.containerd.nri.v1.nri",
    # Restarting is kukeond's decision alone.
    "io.containerd.internal.v1.restart",
    # Other storage than overlayfs and native: each would probe the disk at start and warn.
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.blockfile",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.erofs",
    "io.containerd.snapshotter.v1.zfs",
    # Tracing that nobody collects.
    "io.containerd.internal.v1.tracing",
    "io.containerd.tracing.processor.v1.otlp",
)

# containerd listens on `<address>.ttrpc`, too; sockaddr_un has room for 107 bytes, unix(7).
_LONGEST_SOCKET = 107 - len(".ttrpc")


@dataclass(frozen=True)
class Places:
    """Where kukeon's own containerd keeps what it has.  All paths are absolute."""

    root: str
    """What must last: images, snapshots, records."""
    state: str
    """What a reboot ends: bundles of running containers.  Its hash also names the shims' sockets."""
    socket: str


def render(places: Places) -> str:
    """Return the configuration file.  Raises Invalid for paths that containerd could not use."""
    for path in (places.root, places.state, places.socket):
        if not path.startswith("/") or not path.isprintable():
            raise errors.Invalid(f"cannot run containerd at {path!r}: not an absolute path of printable characters")
    if len(places.socket.encode()) > _LONGEST_SOCKET:
        raise errors.Invalid(
            f"cannot run containerd at {places.socket!r}: a socket's path has at most {_LONGEST_SOCKET} bytes",
            hint="choose a shorter run path",
        )
    disabled = ",\n".join(f"  {_quote(name)}" for name in DISABLED_PLUGINS)
    # The opt plugin would make /opt/containerd; an oom_score other than 0 takes a capability that may be missing.
    return f"""\
# Written by kukeond at each start of its own containerd; changes are lost.
version = 2
root = {_quote(places.root)}
state = {_quote(places.state)}
imports = []
oom_score = 0
disabled_plugins = [
{disabled},
]

[grpc]
address = {_quote(places.socket)}
uid = 0
gid = 0

[plugins."io.containerd.internal.v1.opt"]
path = {_quote(places.root + "/opt")}
"""


def _quote(text: str) -> str:
    # A JSON string is a TOML basic string.
    return json.dumps(text)
