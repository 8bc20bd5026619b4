"""The global settings of one invocation: flag, else environment, else settings file, else default."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DEFAULT_RUN_PATH = "/opt/kukeon"
DEFAULT_SOCKET = "/run/kukeon/kukeond.sock"
DEFAULT_CONFIGURATION = "~/.kuke/kuke.yaml"
DEFAULT_LOG_LEVEL = "info"

_TRUE = frozenset({"1", "true", "yes", "on", "t", "y"})
_FALSE = frozenset({"", "0", "false", "no", "off", "f", "n"})
_LEVELS = {"debug": "DEBUG", "info": "INFO", "warn": "WARNING", "error": "ERROR"}

FLAG, ENVIRONMENT, DEFAULT = "flag", "environment", "default"


@dataclass(frozen=True)
class Global:
    """One global setting: its names on the command line, in the environment and in the settings file.

    No `flag`: it has none. No `key`: the file does not have it. `recorded`: left unset it is what the run path was
    made with.
    """

    name: str
    variable: str
    flag: str = ""
    key: str = ""
    default: str = ""
    recorded: bool = False


GLOBALS = (
    Global("configuration", "KUKE_CONFIGURATION", "--configuration", "", DEFAULT_CONFIGURATION),
    Global("host", "KUKEON_HOST", "--host", "host"),
    Global("run_path", "KUKEON_RUN_PATH", "--run-path", "runPath", DEFAULT_RUN_PATH),
    Global("no_daemon", "KUKEON_NO_DAEMON", "--no-daemon", "", "false"),
    Global("containerd_socket", "KUKEON_CONTAINERD_SOCKET", "--containerd-socket", "containerdSocket", recorded=True),
    Global("namespace_suffix", "KUKEON_NAMESPACE_SUFFIX", "", "containerdNamespaceSuffix", recorded=True),
    Global("cgroup_root", "KUKEON_CGROUP_ROOT", "", "cgroupRoot", recorded=True),
    Global("pod_subnet", "KUKEON_POD_SUBNET_CIDR", "", "podSubnetCIDR", recorded=True),
    Global("timeout", "KUKEON_TIMEOUT", "--timeout", "", ""),
    Global("verbose", "KUKEON_VERBOSE", "--verbose", "", "false"),
    Global("log_level", "KUKEON_LOG_LEVEL", "--log-level", "logLevel", DEFAULT_LOG_LEVEL),
)
"""In the order of `kuke config view`."""

GLOBAL = {each.name: each for each in GLOBALS}

FIELDS = {
    "host": "host",
    "run_path": "run_path",
    "containerd_socket": "containerd_socket",
    "namespace_suffix": "containerd_namespace_suffix",
    "cgroup_root": "cgroup_root",
    "pod_subnet": "pod_subnet_cidr",
    "log_level": "log_level",
}
"""Name of the setting -> attribute of `model.ClientConfigurationSpec` (and of kukeond's, where that has it)."""


@dataclass(frozen=True)
class Setting:
    """A value and where it comes from, in words for people."""

    value: str
    source: str


@dataclass(frozen=True)
class Settings:
    """What the global options mean this time."""

    values: Mapping[str, Setting]
    """Every setting of `GLOBALS` by its name."""
    host_named: bool
    """Whether the address itself was stated, and not only the run path that leads to it."""
    configuration: Path | None
    """The settings file; None when an empty name says that there is none."""
    in_process: bool
    """Whether commands on resources work in this process instead of asking kukeond."""
    in_process_by: str
    """What asked for that, in words for people; empty when nothing did."""
    timeout_s: float | None
    """How long a call may take, 0 for ever; None: what is usual for its kind."""
    verbose: bool

    @property
    def host(self) -> Setting:
        return self.values["host"]

    @property
    def run_path(self) -> Setting:
        return self.values["run_path"]

    @property
    def log_level(self) -> Setting:
        return self.values["log_level"]


def resolve(flags: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Return the settings. A variable that is there counts even when it is empty.

    Raises `ClientConfigurationInvalid` for a settings file that is wrong, and `Invalid` for a value that is none.
    """
    path, where = settings_file(flags, environ)
    file = _file_values(path, required=where.source != DEFAULT) if path else {}
    levels = (
        (FLAG, {each.name: _flag(flags.get(each.name)) for each in GLOBALS}),
        (ENVIRONMENT, {each.name: environ.get(each.variable) for each in GLOBALS}),
        (str(path), file),
    )
    values = {each.name: _first(each.name, levels, each.default) for each in GLOBALS}
    values["configuration"] = where
    values["host"], named = _host(levels)
    values["run_path"] = _run_path(values["run_path"])
    values["log_level"] = _level(values["log_level"])
    values["verbose"] = Setting(_word(is_verbose(flags, environ)), values["verbose"].source)
    in_process, values["no_daemon"], by = _in_process(flags, values)
    return Settings(
        values=values,
        host_named=named,
        configuration=path,
        in_process=in_process,
        in_process_by=by,
        timeout_s=_timeout_s(values["timeout"]),
        verbose=is_verbose(flags, environ),
    )


def _flag(value: Any) -> Any:
    """Return what a flag says; a switch that was not given is False, which says nothing."""
    return "true" if value is True else None if value is False else value


def settings_file(flags: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Path | None, Setting]:
    """Return where the settings file is, None when an empty name says that there is none; it need not be there."""
    for source, stated in ((FLAG, flags.get("configuration")), (ENVIRONMENT, environ.get("KUKE_CONFIGURATION"))):
        if stated is not None:
            # An empty name is no file at all, as for kukeond.
            return Path(stated) if stated else None, Setting(stated, source)
    home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 (the home of no user is no error)
    path = DEFAULT_CONFIGURATION.replace("~", home, 1)
    return Path(path), Setting(path, DEFAULT)


def _file_values(path: Path, *, required: bool) -> dict[str, str | None]:
    if not required and not _exists(path):
        return {}
    from kukeon_api import errors
    from kukeon_cli import configuration

    found = configuration.read_client(path)
    if found is None:
        raise errors.Invalid(
            f"cannot read the settings file {str(path)!r}: no such file",
            hint="write it, or leave --configuration and KUKE_CONFIGURATION away",
        )
    return {name: getattr(found.spec, field) for name, field in FIELDS.items()}


def _exists(path: Path) -> bool:
    """Tell whether there is such a file; one in a directory that is closed to us is none of ours.

    HOME is another's after `setpriv` and some kinds of `sudo`.
    """
    try:
        return path.exists()
    except PermissionError:
        return False


def _first(name: str, levels: tuple[tuple[str, Mapping[str, Any]], ...], default: str) -> Setting:
    for source, values in levels:
        if values.get(name) is not None:
            return Setting(str(values[name]), source)
    return Setting(default, DEFAULT)


def _host(levels: tuple[tuple[str, Mapping[str, Any]], ...]) -> tuple[Setting, bool]:
    """Return where kukeond listens, and whether that was stated itself.

    A run path says it too, so the two are decided level by level.
    """
    for source, values in levels:
        if values.get("host") is not None:
            return Setting(str(values["host"]), source), bool(values["host"])
        if values.get("run_path") is not None:
            return Setting(f"unix://{socket_of(str(values['run_path']))}", f"{source}, by the run path"), False
    return Setting(f"unix://{DEFAULT_SOCKET}", DEFAULT), False


def _in_process(flags: Mapping[str, Any], values: Mapping[str, Setting]) -> tuple[bool, Setting, str]:
    """Return whether to work without kukeond, --no-daemon as it is then, and what asked for it.

    An address on the command line says whom to ask, so it wins. A run path there leads to the same without being told;
    one in the environment or the settings file does not.
    """
    stated = values["no_daemon"]
    asked = _boolean(stated, "KUKEON_NO_DAEMON")
    if flags.get("host"):
        if asked and stated.source == FLAG:
            from kukeon_api import errors

            raise errors.Invalid(
                "cannot use --host together with --no-daemon: the one asks a kukeond, the other none",
                hint="leave one of them away; --run-path says which kukeon is meant without kukeond",
            )
        return False, Setting(_word(False), "flag, by --host") if asked else stated, ""
    if stated.source != DEFAULT:
        by = "--no-daemon" if stated.source == FLAG else "KUKEON_NO_DAEMON"
        return asked, Setting(_word(asked), stated.source), by if asked else ""
    if flags.get("run_path") is not None:
        return True, Setting(_word(True), "flag, by --run-path"), "--run-path"
    return False, stated, ""


def _boolean(setting: Setting, variable: str) -> bool:
    word = setting.value.strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    from kukeon_api import errors

    raise errors.Invalid(f"cannot use {setting.value!r} as {variable}: it is neither true nor false", hint="say 1 or 0")


def _word(value: bool) -> str:
    return "true" if value else "false"


def _timeout_s(setting: Setting) -> float | None:
    if not setting.value:
        return None
    from kukeon_api import duration, errors

    try:
        seconds = duration.parse(f"{setting.value}s" if setting.value.isdecimal() else setting.value)
    except errors.Invalid as exc:
        raise errors.Invalid(
            f"cannot use {setting.value!r} as timeout ({setting.source}): {exc.message}",
            hint="write it like 30s or 5m; 0 waits as long as it takes",
        ) from exc
    if seconds < 0:
        raise errors.Invalid(f"cannot use {setting.value!r} as timeout ({setting.source}): it is negative")
    return seconds


def _run_path(setting: Setting) -> Setting:
    if not setting.value:
        from kukeon_api import errors

        raise errors.Invalid(f"cannot use an empty run path ({setting.source})")
    return Setting(os.path.abspath(setting.value), setting.source)  # noqa: PTH100


def _level(setting: Setting) -> Setting:
    from kukeon_cli.global_options import LOG_LEVELS

    if setting.value not in LOG_LEVELS:
        from kukeon_api import errors

        raise errors.Invalid(
            f"cannot use {setting.value!r} as log level ({setting.source}): it is one of {', '.join(LOG_LEVELS)}"
        )
    return setting


def socket_of(run_path: str) -> str:
    """Return the socket of the kukeond of a run path: in /run for the default one, else inside the run path."""
    path = os.path.abspath(run_path)  # noqa: PTH100 (pathlib would resolve links, and the path is shown to people)
    return DEFAULT_SOCKET if path == DEFAULT_RUN_PATH else f"{path}/kukeond.sock"


def option(run_path: str) -> str:
    """Return what to add to `kuke` for the instance of a run path: nothing for the main one."""
    return "" if run_path == DEFAULT_RUN_PATH else f" --run-path {shlex.quote(run_path)}"


def is_verbose(flags: Mapping[str, Any], environ: Mapping[str, str]) -> bool:
    """Tell whether diagnostics are wanted."""
    return bool(flags.get("verbose")) or environ.get("KUKEON_VERBOSE", "").lower() in _TRUE


def diagnostics(found: Settings) -> Iterator[tuple[str, Setting]]:
    """Yield what --verbose tells about the settings, name by name; those that nobody stated last."""
    named = sorted(found.values.items(), key=lambda item: item[1].source == DEFAULT)
    for name, setting in named:
        yield name.replace("_", " "), setting


def start_logging(settings: Settings, stream: TextIO) -> None:
    """Send log records to `stream`, and say where the settings come from."""
    import logging

    logging.basicConfig(
        stream=stream, level=_LEVELS[settings.log_level.value], format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    log = logging.getLogger("kuke")
    if settings.in_process:
        log.info("working in this process (%s)", settings.in_process_by)
    else:
        log.info("kukeond at %s (%s)", settings.host.value, settings.host.source)
    for name, setting in diagnostics(settings):
        log.debug("%s %s (%s)", name, setting.value or "-", setting.source)
