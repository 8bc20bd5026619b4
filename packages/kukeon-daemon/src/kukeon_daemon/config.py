"""The daemon's settings: flag before environment before file before default, every wrong one reported at once."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kukeon_api import duration, errors, settings_rules
from kukeon_daemon import logs
from kukeon_runner import options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_CONFIGURATION = "/etc/kukeon/kukeond.yaml"
CONFIGURATION_VARIABLE = "KUKEOND_CONFIGURATION"
DEFAULT_SOCKET = "/run/kukeon/kukeond.sock"
SOCKET_NAME = "kukeond.sock"

# A settings file is a page of text; anything larger is a mistake, and it is read by root.
MAX_FILE_BYTES = 1 << 20


@dataclass(frozen=True)
class Settings:
    """What one `kukeond serve` works with."""

    run_path: str
    containerd: options.ContainerdWish
    containerd_socket: str
    """Empty, like the three below: whatever the run path was made with."""
    socket: Path
    socket_gid: int
    log_level: str
    reconcile_interval_s: float
    """Zero or less: no tick."""
    containerd_namespace_suffix: str
    cgroup_root: str
    pod_subnet_cidr: str
    log_max_size: int
    """Bytes."""
    log_max_files: int
    default_memory_limit_bytes: int
    registry_config_dir: str
    disk_pressure_warn_percent: int
    disk_pressure_block_percent: int

    def for_runner(self) -> options.Options:
        """Return what the runner is to be opened with."""
        return options.Options(
            run_path=self.run_path,
            containerd=self.containerd,
            containerd_socket=self.containerd_socket,
            namespace_suffix=self.containerd_namespace_suffix,
            cgroup_root=self.cgroup_root,
            pod_subnet=self.pod_subnet_cidr,
            group_gid=self.socket_gid,
            logs=options.LogLimits(self.log_max_size, self.log_max_files),
            default_memory_limit_bytes=self.default_memory_limit_bytes,
            registry_config_dir=self.registry_config_dir,
            disk=options.DiskLimits(self.disk_pressure_warn_percent, self.disk_pressure_block_percent),
        )


def _absolute(text: str) -> str:
    if not text.startswith("/") or "\0" in text:
        raise ValueError("must be an absolute path")
    if ".." in text.split("/"):
        # Taking it away by rule is wrong where a symbolic link is on the way, and /../x is a slip of the pen.
        raise ValueError("must be an absolute path without '..'")
    return os.path.normpath("/" + text.lstrip("/"))  # POSIX lets two leading slashes mean something else


def _number(text: str) -> int:
    # gid_t is 32 bits wide and its largest value means "unchanged": chown(2).
    if not text.isdecimal() or int(text) >= 2**32 - 1:
        raise ValueError("must be a numeric group id")
    return int(text)


def _choice(*allowed: str) -> Callable[[str], str]:
    def check(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return text

    return check


def _subnet(text: str) -> str:
    try:
        return str(ipaddress.IPv4Network(text))
    except ValueError as error:
        raise ValueError(f"must be an IPv4 network like {options.DEFAULT_POD_SUBNET}: {error}") from error


def _text(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return text


def _log_size(text: str) -> int:
    try:
        return settings_rules.log_size(text)
    except errors.Invalid as error:
        raise ValueError("must be a size like 512Ki or 10Mi, 4Ki to 1Ti") from error


def _log_files(text: str) -> int:
    least, most = settings_rules.LOG_FILES
    if not text.isdecimal() or not least <= int(text) <= most:
        raise ValueError(f"must be a number from {least} to {most}")
    return int(text)


def _bytes(text: str) -> int:
    # The kernel counts them in 63 bits.
    if not text.isdecimal() or int(text) >= 2**63:
        raise ValueError("must be a number of bytes, 0 for no limit")
    return int(text)


def _percent(text: str) -> int:
    if not text.isdecimal() or int(text) > 100:
        raise ValueError("must be a number from 0 to 100")
    return int(text)


def _duration_s(text: str) -> float:
    try:
        return duration.parse(text)
    except errors.Invalid as error:
        raise ValueError("must be a duration like 30s, 1m30s or 0") from error


@dataclass(frozen=True)
class Setting:
    """One setting: its names on the command line, in the environment and in the file are derived from or in here."""

    name: str
    """The attribute of `Settings`, and of ServerConfigurationSpec unless `field` says otherwise."""
    variable: str
    default: str
    read: Callable[[str], Any]
    help: str
    metavar: str
    field: str = ""
    recorded: bool = False
    """Whether a run path keeps what it was made with: left out it is no wish, and `default` is for a new run path."""

    @property
    def flag(self) -> str:
        """The option on the command line."""
        return "--" + (self.field or self.name).replace("_", "-")


SETTINGS = (
    Setting(
        "run_path",
        "KUKEON_RUN_PATH",
        options.DEFAULT_RUN_PATH,
        _absolute,
        "where resources are stored",
        "DIRECTORY",
    ),
    Setting(
        "containerd",
        "KUKEON_CONTAINERD",
        "auto",
        _choice("auto", "system", "embedded"),
        "which containerd to use: auto, system or embedded (decided once, at the first start)",
        "WHICH",
    ),
    Setting(
        "containerd_socket",
        "KUKEON_CONTAINERD_SOCKET",
        options.DEFAULT_CONTAINERD_SOCKET,
        _absolute,
        "the socket of the host's containerd",
        "SOCKET",
        recorded=True,
    ),
    # The empty default stands for a place derived from the run path.
    Setting("socket", "KUKEOND_SOCKET", "", _absolute, "where to listen", "SOCKET"),
    Setting("socket_gid", "KUKEOND_SOCKET_GID", "0", _number, "the group that may connect (0: root alone)", "GID"),
    Setting("log_level", "KUKEON_LOG_LEVEL", "info", _choice(*logs.LEVELS), "debug, info, warn or error", "LEVEL"),
    Setting(
        "reconcile_interval_s",
        "KUKEOND_RECONCILE_INTERVAL",
        settings_rules.DEFAULTS["reconcile_interval"],
        _duration_s,
        "how often to compare everything with the host (0: never)",
        "DURATION",
        field="reconcile_interval",
    ),
    Setting(
        "containerd_namespace_suffix",
        "KUKEON_NAMESPACE_SUFFIX",
        options.DEFAULT_NAMESPACE_SUFFIX,
        _text,
        "what follows the realm's name in its containerd namespace",
        "SUFFIX",
        recorded=True,
    ),
    Setting(
        "cgroup_root",
        "KUKEON_CGROUP_ROOT",
        options.DEFAULT_CGROUP_ROOT,
        _absolute,
        "the cgroup that holds all others of ours",
        "PATH",
        recorded=True,
    ),
    Setting(
        "pod_subnet_cidr",
        "KUKEON_POD_SUBNET_CIDR",
        options.DEFAULT_POD_SUBNET,
        _subnet,
        "the network that the subnets of spaces are cut from",
        "NETWORK",
        recorded=True,
    ),
    Setting(
        "log_max_size",
        "KUKEOND_LOG_MAX_SIZE",
        settings_rules.DEFAULTS["log_max_size"],
        _log_size,
        "how large a container's log file gets before the next one is begun",
        "SIZE",
    ),
    Setting(
        "log_max_files",
        "KUKEOND_LOG_MAX_FILES",
        settings_rules.DEFAULTS["log_max_files"],
        _log_files,
        "how many files a container's log has at most",
        "COUNT",
    ),
    Setting(
        "default_memory_limit_bytes",
        "KUKEOND_DEFAULT_MEMORY_LIMIT_BYTES",
        "0",
        _bytes,
        "the memory of containers whose manifest says nothing of it (0: no limit)",
        "BYTES",
    ),
    Setting(
        "registry_config_dir",
        "KUKEOND_REGISTRY_CONFIG_DIR",
        options.DEFAULT_REGISTRY_CONFIG_DIR,
        _absolute,
        "where registries are and whom to trust, in containerd's format (hosts.toml)",
        "DIRECTORY",
    ),
    Setting(
        "disk_pressure_warn_percent",
        "KUKEOND_DISK_PRESSURE_WARN_PCT",
        "85",
        _percent,
        "how full the disk may be before making a cell is worth a warning (0: never)",
        "PERCENT",
    ),
    Setting(
        "disk_pressure_block_percent",
        "KUKEOND_DISK_PRESSURE_BLOCK_PCT",
        "95",
        _percent,
        "how full the disk may be before no more cells are made (0: no limit)",
        "PERCENT",
    ),
)


def default_socket(run_path: str) -> str:
    """Return where the instance at `run_path` listens when nobody says otherwise."""
    return DEFAULT_SOCKET if run_path == options.DEFAULT_RUN_PATH else f"{run_path}/{SOCKET_NAME}"


def resolve(flags: Mapping[str, str], environment: Mapping[str, str], file: Mapping[str, Any], source: str) -> Settings:
    """Return the settings that `flags` (by setting name), `environment` and the spec of the file `source` amount to.

    A variable that is present wins over the file even when it is empty. What a run path keeps is empty unless somebody
    says it: the default would be a wish, refused where the record differs. Raises `Invalid` with every wrong setting.
    """
    values: dict[str, Any] = {}
    problems = []
    for setting in SETTINGS:
        in_file = file.get(setting.field or setting.name)
        if setting.name in flags:
            origin, text = setting.flag, flags[setting.name]
        elif setting.variable in environment:
            origin, text = setting.variable, environment[setting.variable]
        elif in_file is not None:
            origin, text = source, str(in_file)
        elif setting.recorded:
            values[setting.name] = ""
            continue
        else:
            origin, text = "the default", setting.default or default_socket(values.get("run_path", ""))
        try:
            values[setting.name] = setting.read(text)
        except ValueError as error:
            path = "" if origin in (setting.flag, setting.variable) else setting.field or setting.name
            problems.append(errors.Problem(source=origin, path=path, message=f"{error}, not {text!r}"))
    if problems:
        raise errors.Invalid(
            f"cannot use these settings: {len(problems)} of them {'is' if len(problems) == 1 else 'are'} wrong",
            hint="see 'kukeond serve --help'",
            problems=problems,
        )
    return Settings(**{**values, "socket": Path(values["socket"])})


def load(flags: Mapping[str, str], environment: Mapping[str, str]) -> Settings:
    """Return the settings of this process: `flags` by setting name, and `configuration` for the file.

    Raises `Invalid` with every wrong setting or every problem of the file. A missing or empty file counts as no
    settings, unless a flag or the environment names it; an empty name means that there is none.
    """
    named = flags.get("configuration", environment.get(CONFIGURATION_VARIABLE))
    path = named if named is not None else DEFAULT_CONFIGURATION
    file = _read_file(Path(path), required=named is not None) if path else {}
    return resolve(flags, environment, file, path)


def _read_file(path: Path, *, required: bool) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1)
    except FileNotFoundError as error:
        if not required:
            return {}
        raise errors.Invalid(
            f"cannot read the configuration {str(path)!r}: no such file",
            hint="write it, or leave --configuration and KUKEOND_CONFIGURATION away",
        ) from error
    except OSError as error:
        raise errors.Invalid(f"cannot read the configuration {str(path)!r}: {error.strerror}") from error
    if len(text) > MAX_FILE_BYTES:
        raise errors.Invalid(f"cannot read the configuration {str(path)!r}: larger than {MAX_FILE_BYTES} bytes")
    if not text.strip():
        return {}
    from kukeon_api import manifest  # it loads YAML, which a daemon without a file has no use for

    document = manifest.parse_server_configuration(text, source=str(path))
    return {name: getattr(document.spec, name) for name in document.spec.__struct_fields__}
