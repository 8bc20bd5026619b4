"""The global settings of one invocation: flag, else environment, else settings file, else default."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_RUN_PATH = "/opt/kukeon"
DEFAULT_SOCKET = "/run/kukeon/kukeond.sock"
DEFAULT_CONFIGURATION = "~/.kuke/kuke.yaml"
DEFAULT_LOG_LEVEL = "info"

_TRUE = frozenset({"1", "true", "yes", "on", "t", "y"})
_LEVELS = {"debug": "DEBUG", "info": "INFO", "warn": "WARNING", "error": "ERROR"}


@dataclass(frozen=True)
class Setting:
    """A value and where it comes from, in words for people."""

    value: str
    source: str


@dataclass(frozen=True)
class Settings:
    """What the global options mean this time."""

    host: Setting
    host_named: bool
    """Whether the address itself was stated, and not only the run path that leads to it."""
    run_path: Setting
    log_level: Setting
    configuration: Path
    verbose: bool


def resolve(flags: Mapping[str, Any], environ: Mapping[str, str]) -> Settings:
    """Return the settings. A variable that is there counts even when it is empty.

    Raises `ClientConfigurationInvalid` for a settings file that is wrong, and `Invalid` for a value that is none.
    """
    configuration, stated = _configuration(flags, environ)
    file = _file_values(configuration, required=stated)
    levels = (
        ("flag", {name: flags.get(name) for name in ("host", "run_path", "log_level")}),
        (
            "environment",
            {
                "host": environ.get("KUKEON_HOST"),
                "run_path": environ.get("KUKEON_RUN_PATH"),
                "log_level": environ.get("KUKEON_LOG_LEVEL"),
            },
        ),
        (str(configuration), file),
    )
    host, named = _host(levels)
    return Settings(
        host=host,
        host_named=named,
        run_path=_run_path(_first("run_path", levels, DEFAULT_RUN_PATH)),
        log_level=_level(_first("log_level", levels, DEFAULT_LOG_LEVEL)),
        configuration=configuration,
        verbose=is_verbose(flags, environ),
    )


def _configuration(flags: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Path, bool]:
    stated = flags.get("configuration") or environ.get("KUKE_CONFIGURATION")
    if stated:
        return Path(stated), True
    home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 (the home of no user is no error)
    return Path(DEFAULT_CONFIGURATION.replace("~", home, 1)), False


def _file_values(path: Path, *, required: bool) -> dict[str, str | None]:
    if not required and not path.exists():
        return {}
    from kukeon_api import errors
    from kukeon_cli import configuration

    found = configuration.read_client(path)
    if found is None:
        raise errors.Invalid(f"cannot read the settings file {str(path)!r}: no such file")
    return {"host": found.spec.host, "run_path": found.spec.run_path, "log_level": found.spec.log_level}


def _first(name: str, levels: tuple[tuple[str, Mapping[str, Any]], ...], default: str) -> Setting:
    for source, values in levels:
        if values.get(name) is not None:
            return Setting(str(values[name]), source)
    return Setting(default, "default")


def _host(levels: tuple[tuple[str, Mapping[str, Any]], ...]) -> tuple[Setting, bool]:
    """Return where kukeond listens, and whether that was stated itself.

    A run path says it too, so the two are decided level by level.
    """
    for source, values in levels:
        if values.get("host") is not None:
            return Setting(str(values["host"]), source), bool(values["host"])
        if values.get("run_path") is not None:
            return Setting(f"unix://{socket_of(str(values['run_path']))}", f"{source}, by the run path"), False
    return Setting(f"unix://{DEFAULT_SOCKET}", "default"), False


def _run_path(setting: Setting) -> Setting:
    if not setting.value:
        from kukeon_api import errors

        raise errors.Invalid(f"cannot use an empty run path ({setting.source})")
    return Setting(os.path.abspath(setting.value), setting.source)  # noqa: PTH100


def _level(setting: Setting) -> Setting:
    from kukeon_cli.options import LOG_LEVELS

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


def start_logging(settings: Settings, stream: TextIO) -> None:
    """Send log records to `stream`, and say where the settings come from."""
    import logging

    logging.basicConfig(
        stream=stream, level=_LEVELS[settings.log_level.value], format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    log = logging.getLogger("kuke")
    log.info("kukeond at %s (%s)", settings.host.value, settings.host.source)
    log.debug("run path %s (%s)", settings.run_path.value, settings.run_path.source)
