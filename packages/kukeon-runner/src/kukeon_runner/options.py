"""How a runner is told where to live and what to use: the wishes of one start, not yet checked against the record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

DEFAULT_RUN_PATH = "/opt/kukeon"
DEFAULT_CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
DEFAULT_NAMESPACE_SUFFIX = "kukeon.io"
DEFAULT_CGROUP_ROOT = "/kukeon"
DEFAULT_POD_SUBNET = "10.88.0.0/16"
DEFAULT_REGISTRY_CONFIG_DIR = "/etc/containerd/certs.d"
"""Where containerd's own clients look, so that what was set up for them serves us as well."""

ContainerdWish = Literal["auto", "system", "embedded"]


@dataclass(frozen=True)
class LogLimits:
    """When the log of a container is rotated, and how many files of it are kept; kukelog holds them within bounds."""

    max_bytes: int = 10 * 1024 * 1024
    max_files: int = 5


DEFAULT_LOGS = LogLimits()


@dataclass(frozen=True)
class DiskLimits:
    """How much of the disk of the run path may be used, in percent as df(1) counts; 0 is no limit."""

    warn_percent: int = 85
    """From here on, the log says so when a cell is made."""
    block_percent: int = 95
    """From here on, no cell is made: a full disk damages what is on it, and the cells that are there need the rest."""


DEFAULT_DISK = DiskLimits()


@dataclass(frozen=True)
class Options:
    """The settings of one start. `kukeon_runner.instance` compares them with what the run path was made with."""

    run_path: str = DEFAULT_RUN_PATH
    containerd: ContainerdWish = "auto"
    containerd_socket: str = DEFAULT_CONTAINERD_SOCKET
    """The socket of the host's own containerd; unused once the record says `embedded`."""
    namespace_suffix: str = DEFAULT_NAMESPACE_SUFFIX
    cgroup_root: str = DEFAULT_CGROUP_ROOT
    """Relative to the mountpoint of the hierarchy, with a leading slash."""
    pod_subnet: str = DEFAULT_POD_SUBNET
    group_gid: int = 0
    """Numeric group that may read the run path and use the socket; 0 leaves everything to root alone."""
    logs: LogLimits = DEFAULT_LOGS
    """Of containers that are started from now on."""
    default_memory_limit_bytes: int = 0
    """Of containers that are made from now on and whose manifest says nothing of memory; 0 is none."""
    disk: DiskLimits = DEFAULT_DISK
    registry_config_dir: str = DEFAULT_REGISTRY_CONFIG_DIR
    """Where registries are and whom to trust: `kukeon_runner.host.registry.hosts` reads it."""
    force_regenerate_cni: bool = False
