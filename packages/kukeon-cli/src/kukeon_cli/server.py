"""What this host's kukeond is to be started with: flag, else environment, else its settings file, else default."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kukeon_cli import configuration
from kukeon_cli.settings import DEFAULT_RUN_PATH, DEFAULT_SOCKET, option, socket_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from kukeon_api import model

FIELDS = {
    "socket": "KUKEOND_SOCKET",
    "containerd": "KUKEON_CONTAINERD",
    "containerd_socket": "KUKEON_CONTAINERD_SOCKET",
    "log_level": "KUKEON_LOG_LEVEL",
    "reconcile_interval": "KUKEOND_RECONCILE_INTERVAL",
    "containerd_namespace_suffix": "KUKEON_NAMESPACE_SUFFIX",
    "cgroup_root": "KUKEON_CGROUP_ROOT",
    "pod_subnet_cidr": "KUKEON_POD_SUBNET_CIDR",
    "log_max_size": "KUKEOND_LOG_MAX_SIZE",
    "log_max_files": "KUKEOND_LOG_MAX_FILES",
}
"""Settings that `init` passes on: field of the settings file -> environment variable."""


@dataclass(frozen=True)
class Server:
    """One kukeond of this host, whether it runs or not."""

    run_path: str
    socket: str
    configuration: Path
    file: model.ServerConfiguration | None
    """What the settings file says; None when there is no file."""
    stated: Mapping[str, str]
    """What flags and environment say, by field of the settings file; only what they do say."""

    @property
    def default(self) -> bool:
        """Whether it is the host's main instance: it alone has the unit, the group and the user."""
        return self.run_path == DEFAULT_RUN_PATH

    @property
    def option(self) -> str:
        """What to add to `kuke` for this instance: nothing for the main one."""
        return option(self.run_path)

    @property
    def address(self) -> str:
        """Where to reach it."""
        return f"unix://{self.socket}"

    @property
    def pid_file(self) -> Path:
        """kukeond's own pid file."""
        return Path(self.socket.removesuffix(".sock") + ".pid")

    @property
    def supervisor_pid_file(self) -> Path:
        """The pid file of `kukeond supervise`."""
        return Path(self.socket.removesuffix(".sock") + "-supervise.pid")

    @property
    def log(self) -> Path:
        """What it prints when no service manager takes it."""
        return Path(self.run_path) / "kukeond.log"

    def setting(self, field: str) -> Any:
        """Return the effective value of a field of the settings file, None where the default holds."""
        if field in self.stated:
            return self.stated[field]
        return getattr(self.file.spec, field) if self.file is not None else None


def resolve(flags: Mapping[str, Any], given: Mapping[str, str | None], environ: Mapping[str, str]) -> Server:
    """Return the kukeond that the command line means.

    `flags` are the global options given, `given` those of the command (by field, and `server_configuration`). The run
    path leads to the settings file: /etc/kukeon/kukeond.yaml for the default one, else kukeond.yaml inside it. Raises
    `ServerConfigurationInvalid`, `Conflict` when the file is for another run path, and `Invalid`.
    """
    from kukeon_api import errors

    run_path = flags.get("run_path") or environ.get("KUKEON_RUN_PATH") or ""
    named = given.get("server_configuration") or environ.get("KUKEOND_CONFIGURATION") or ""
    path = Path(named) if named else _settings_file(run_path)
    file = configuration.read_server(path)
    run_path = os.path.abspath(run_path or (file and file.spec.run_path) or DEFAULT_RUN_PATH)  # noqa: PTH100
    if file and file.spec.run_path and os.path.abspath(file.spec.run_path) != run_path:  # noqa: PTH100
        raise errors.Conflict(
            f"cannot use {str(path)!r} for the run path {run_path!r}: it is for {file.spec.run_path!r}",
            hint="leave --run-path away, or pass --server-configuration",
        )
    stated = _stated(given, environ)
    host = flags.get("host") or ""
    socket = stated.get("socket") or (file and file.spec.socket) or _socket_in(host) or socket_of(run_path)
    if not os.path.isabs(socket):  # noqa: PTH117
        raise errors.Invalid(f"cannot use {socket!r} as kukeond's socket: it must be an absolute path")
    return Server(run_path=run_path, socket=socket, configuration=path, file=file, stated=stated)


def _settings_file(run_path: str) -> Path:
    if not run_path or os.path.abspath(run_path) == DEFAULT_RUN_PATH:  # noqa: PTH100
        return Path(configuration.DEFAULT_SERVER_FILE)
    return Path(os.path.abspath(run_path)) / "kukeond.yaml"  # noqa: PTH100


def _stated(given: Mapping[str, str | None], environ: Mapping[str, str]) -> dict[str, str]:
    stated = {}
    for field, variable in FIELDS.items():
        value = given.get(field)
        if value is None:
            value = environ.get(variable)
        if value is not None:
            stated[field] = value
    return stated


def _socket_in(host: str) -> str:
    """Return the socket in an address given with --host, empty for none or for another scheme."""
    path = host.removeprefix("unix://")
    return path if path.startswith("/") else ""


__all__ = ["DEFAULT_RUN_PATH", "DEFAULT_SOCKET", "FIELDS", "Server", "resolve"]
