"""What makes the settings of kukeond and kuke right, beyond their types."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING

from kukeon_api import duration, errors, model, size, suggest, unsupported
from kukeon_api.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

LOG_SIZES = (4 * 1024, 1024**4)
"""The bytes that kukelog takes as the size of a file."""
LOG_FILES = (1, 100)
DEFAULTS = {"reconcile_interval": "30s", "log_max_size": "10Mi", "log_max_files": "5"}
"""Of settings of kukeond that a host's owner may want to change at any time, by field; `kuke init` writes them down."""
LOG_LEVELS = ("debug", "info", "warn", "error")
CONTAINERD_MODES = ("auto", "system", "embedded")


def problems(settings: model.ServerConfiguration | model.ClientConfiguration) -> Iterator[Problem]:
    """Yield every problem, with its path in the document."""
    spec = settings.spec
    yield from _paths(spec)
    yield from _one_of("spec.logLevel", spec.log_level, LOG_LEVELS)
    suffix = spec.containerd_namespace_suffix
    if suffix and (suffix.strip(".") != suffix or re.search(r"[/\s]", suffix)):
        yield Problem(
            path="spec.containerdNamespaceSuffix",
            message=f"{suffix[:80]!r} must not begin or end with a dot, nor contain slashes or white space",
        )
    root = spec.cgroup_root
    if root and (not root.startswith("/") or not root.strip("/") or ".." in root.split("/")):
        yield Problem(path="spec.cgroupRoot", message=f"{root[:80]!r} is not an absolute path below /")
    if spec.pod_subnet_cidr:
        try:
            ipaddress.IPv4Network(spec.pod_subnet_cidr)
        except ValueError as exc:
            yield Problem(path="spec.podSubnetCIDR", message=f"is not an IPv4 network: {exc}")
    if isinstance(spec, model.ServerConfigurationSpec):
        yield from _server(spec)
    yield from unsupported.problems(settings)


def _server(spec: model.ServerConfigurationSpec) -> Iterator[Problem]:
    yield from _one_of("spec.containerd", spec.containerd, CONTAINERD_MODES)
    if spec.socket_gid is not None and not 0 <= spec.socket_gid < 2**32 - 1:
        yield Problem(path="spec.socketGID", message=f"{spec.socket_gid} is not a group id")
    if spec.reconcile_interval:
        try:
            duration.parse(spec.reconcile_interval)
        except errors.Invalid as exc:
            yield Problem(path="spec.reconcileInterval", message=str(exc), suggestion=exc.hint)
    if spec.log_max_size:
        try:
            log_size(spec.log_max_size)
        except errors.Invalid as exc:
            yield Problem(path="spec.logMaxSize", message=exc.message, suggestion=exc.hint)
    if spec.log_max_files is not None and not LOG_FILES[0] <= spec.log_max_files <= LOG_FILES[1]:
        yield Problem(path="spec.logMaxFiles", message=f"{spec.log_max_files} is not {LOG_FILES[0]} to {LOG_FILES[1]}")
    if spec.default_memory_limit_bytes is not None and not 0 <= spec.default_memory_limit_bytes < 2**63:
        wrong = f"{spec.default_memory_limit_bytes} is no number of bytes"
        yield Problem(path="spec.defaultMemoryLimitBytes", message=wrong)
    for name in ("warn", "block"):
        percent = getattr(spec, f"disk_pressure_{name}_percent")
        if percent is not None and not 0 <= percent <= 100:
            yield Problem(path=f"spec.diskPressure{name.title()}Percent", message=f"{percent} is not 0 to 100")


def log_size(text: str) -> int:
    """Return the bytes that `text` means as the size of a log file. Raises Invalid."""
    found = size.parse(text)
    if not LOG_SIZES[0] <= found <= LOG_SIZES[1]:
        raise errors.Invalid(f"{text!r} is not 4Ki to 1Ti")
    return found


def _paths(spec: model.ServerConfigurationSpec | model.ClientConfigurationSpec) -> Iterator[Problem]:
    found = {"runPath": spec.run_path, "containerdSocket": spec.containerd_socket}
    if isinstance(spec, model.ServerConfigurationSpec):
        found["socket"] = spec.socket
        found["registryConfigDir"] = spec.registry_config_dir
    for name, value in found.items():
        if value and (not value.startswith("/") or "\0" in value):
            yield Problem(path=f"spec.{name}", message=f"{value[:80]!r} is not an absolute path")


def _one_of(path: str, value: str | None, known: tuple[str, ...]) -> Iterator[Problem]:
    if value and value not in known:
        yield Problem(
            path=path,
            message=f"{value[:80]!r} is none of {', '.join(known)}",
            suggestion=suggest.did_you_mean(value, known),
        )
