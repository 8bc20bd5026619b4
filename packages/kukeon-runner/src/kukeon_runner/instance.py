"""What a run path was made with, and who may change it.

A run path belongs to one instance for ever: its containers, cgroups and networks carry names derived from the record,
so a start that wishes for something else is refused instead of losing sight of them. All functions here block for a
few small file operations; nothing waits for a lock.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ContainerdMode = Literal["system", "embedded"]


@dataclass(frozen=True)
class Containerd:
    """Which containerd the instance lives in: the host's, or one of its own."""

    mode: ContainerdMode
    socket: str


@dataclass(frozen=True)
class Instance:
    """The identity of one kukeon on a host. The default run path has the empty id, any other one eight hex digits."""

    id: str
    run_path: str
    namespace_suffix: str
    cgroup_root: str
    pod_subnet: str
    containerd: Containerd | None = None
    """None until it has been decided, once, at the first start."""
